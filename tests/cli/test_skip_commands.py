import json

import pytest


def test_a_landscape_takes_labels_by_name_and_goes_on_from_its_folder(run, tmp_path):
    arguments = ("--points", 3, "--count", 2, "--labels", "heart,star", "--state", "kept", "--json")
    said = run("loss-landscape", "shapes", "--weights", "random", *arguments)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["labels"] == "Labels are as given."
    assert found["images"] == 2
    parts = [json.loads(path.read_text()) for path in (tmp_path / "kept").rglob("0*.json")]
    assert sum(len(part["losses"]) for part in parts) == 9
    again = run("loss-landscape", "shapes", "--weights", "random", *arguments)
    assert json.loads(again.out) == found


def test_a_photo_without_a_label_is_answered_by_the_network_itself(run, tmp_path):
    said = run("loss-landscape", "--weights", "random", "--dimensions", 1, "--points", 3, "--json")
    assert "the network's own answers count as right" in json.loads(said.out)["labels"]


def test_networks_are_compared_on_the_command_line(run, tmp_path):
    said = run(
        "gradient-whiteness", "--model", "plain-8", "--compare", "resnet-8", "--points", 6,
        "--along", "noise", "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert json.loads(said.out)["names"] == ["plain-8", "resnet-8"]


@pytest.mark.usefixtures("not_drawn")
def test_skip_connections_are_drawn(run, tmp_path):
    said = run("skip-connections", "--model", "shapes-residual", "--weights", "random")
    assert said.code == 0, said.err
    assert said.last_line.endswith("-skip-connections.png")
    assert "5 residual blocks" in said.err
