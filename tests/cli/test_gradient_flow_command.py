"""`cnnviz gradient-flow` as a check in continuous integration, and beside other networks."""

import json
from xml.etree import ElementTree as ET


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


def test_junit_has_a_case_for_each_fault_and_network(run, tmp_path):
    arguments = (
        "gradient-flow",
        "--model",
        "mlp-10:sigmoid",
        "--compare",
        "mlp-3",
        "--no-remedies",
    )
    said = run(*arguments, "--fail-on", "vanishing,dead", "--junit", "flow.xml", "--json")
    assert said.code == 1
    (suite,) = ET.parse(tmp_path / "flow.xml").getroot()
    found = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert found == {
        "mlp-10:sigmoid: vanishing": ["failure"],
        "mlp-10:sigmoid: dead": ["system-out"],
        "mlp-3: vanishing": ["system-out"],
        "mlp-3: dead": ["system-out"],
    }
    assert "vanished. The gradient at" in suite[0][0].get("message")
    checks = json.loads(said.out)["checks"]
    assert [one["state"] for one in checks] == ["failed", "passed", "passed", "passed"]


def test_a_network_that_is_not_finite_passes_no_check(run, tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "def make():\n"
        "    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 2, 3))\n"
        "    torch.nn.init.constant_(net[0].weight, float('nan'))\n"
        "    return net\n"
    )
    arguments = (
        "gradient-flow",
        "--model",
        "net.py:make",
        "--output",
        "class-map",
        "--no-remedies",
    )
    said = run(*arguments, "--fail-on", "vanishing,dead", "--junit", "a.xml", "--json")
    assert said.code == 3, said.err
    assert "no saying: vanishing, dead." in said.err
    (suite,) = ET.parse(tmp_path / "a.xml").getroot()
    assert [case[0].tag for case in suite.iter("testcase")] == ["error", "error"]
    said = run(*arguments, "--fail-on", "vanishing,non-finite", "--json")
    assert said.code == 1, said.err
    assert "Failed on: non-finite." in said.err
