"""`cnnviz gradient-flow` as a check in continuous integration, and beside other networks."""

import json


def test_it_exits_1_on_a_fault_that_was_asked_for_and_prints_json(run):
    said = run(
        "gradient-flow", "--model", "mlp-10:sigmoid", "--fail-on", "vanishing,dead", "--json"
    )
    assert said.code == 1
    assert json.loads(said.out)["failed"] == ["vanishing"]
    assert "Failed on: vanishing." in said.err
    assert "fault in cnnviz" not in said.err


def test_it_exits_0_where_there_is_none_and_1_only_if_asked(run, tmp_path):
    well = run("gradient-flow", "--model", "mlp-5", "--fail-on", "vanishing,exploding,dead")
    assert well.code == 0
    assert well.last_line == "mlp-5-gradient-flow.png"
    assert (tmp_path / well.last_line).is_file()
    assert (well.out + well.err).count("mlp-5: healthy") == 1
    ill = run("gradient-flow", "--model", "mlp-10:sigmoid", "--no-remedies", "--out", "ill.json")
    assert ill.code == 0


def test_an_unknown_fault_exits_2(run):
    said = run("gradient-flow", "--model", "mlp-3", "--fail-on", "vanish")
    assert said.code == 2
    assert "There is no fault 'vanish'" in said.err


def test_the_first_of_the_compared_is_the_one_to_look_at(run):
    said = run("gradient-flow", "--compare", "mlp-4,conv-3", "--json")
    found = json.loads(said.out)
    assert found["provenance"]["model"] == "mlp-4"
    assert [one["provenance"]["model"] for one in found["others"]] == ["conv-3"]
