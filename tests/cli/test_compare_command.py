"""Two networks on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import cnnviz

pytestmark = pytest.mark.usefixtures("not_drawn")


def test_one_network_is_compared_with_the_default_and_two_with_each_other(run) -> None:
    for arguments in (
        ("--compare", "shapes-residual"),
        ("--model", "shapes-plain", "--compare", "shapes-residual"),
        ("--compare", "shapes-plain,shapes-residual"),
    ):
        said = run("compare", *arguments, "--count", 8, "--examples", 1, "--json")
        assert said.code == 0
        found = json.loads(said.out)
        assert found["names"] == ["shapes-plain", "shapes-residual"]
        assert found["batch_sizes"] == [8]


NETWORK = """
from torch import nn

def make():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )
"""


def write(folder: Path) -> None:
    """Write a network, two checkpoints of it, and a photo."""
    (folder / "net.py").write_text(NETWORK)
    (folder / "classes.txt").write_text("cat\ndog\nfox\n")
    made = cnnviz.load(f"{folder / 'net.py'}:make").module
    for epoch, factor in ((1, 1.5), (10, 0.5)):
        torch.save({k: factor * v for k, v in made.state_dict().items()}, f"epoch-{epoch}.pth")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save("a.png")


def test_two_checkpoints_of_one_network_are_compared(run, tmp_path) -> None:
    write(tmp_path)
    options = (
        "compare", "a.png", "--model", "net.py:make", "--weights", "epoch-1.pth",
        "--compare-weights", "epoch-10.pth", "--categories", "classes.txt",
        "--resize", "32", "--mean", "0.5", "--std", "0.25", "--picture", "features",
    )  # fmt: skip
    said = run(*options, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["names"] == [f"net (checkpoint epoch-{epoch}.pth)" for epoch in (1, 10)]
    np.testing.assert_allclose(found["kernels"]["changes"], 2.0 / 3.0, atol=1e-6)
    assert set(found["example_classes"][0]) <= {"cat", "dog", "fox"}
    assert not any("not all is said" in note for note in found["provenance"]["notes"])
    assert "0%" not in found["summary"]
    assert run(*options, "--out", "epoch-10.pth").code == 2, "what is read is not overwritten"
    said = run(*options[:-2], "--out", "both.png")
    assert (said.code, Path("both.png").is_file()) == (0, True)
    said = run("gradient-flow", *options[1:8], "--json")
    assert [one["model"] for one in (json.loads(said.out)["provenance"],
                                     json.loads(said.out)["others"][0]["provenance"])] == [
        f"net (checkpoint epoch-{epoch}.pth)" for epoch in (1, 10)
    ]  # fmt: skip
    said = run(*options[:4], "--compare-weights", "epoch-1.pth,epoch-10.pth")
    assert said.code == 2
    assert "2 other networks were given" in said.err


def test_a_training_is_shown_over_its_checkpoints(run, tmp_path) -> None:
    write(tmp_path)
    said = run(
        "training-history", "a.png", "--model", "net.py:make", "--checkpoints", ".", "--json"
    )
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["checkpoints"], found["epochs"]) == (["epoch-1.pth", "epoch-10.pth"], [1, 10])
    np.testing.assert_allclose(found["changes"], [[2.0, 0.0]] * 3, atol=1e-6)
    torch.save({"weight": torch.zeros(3)}, "epoch-2.pth")
    options = ("training-history", "a.png", "--model", "net.py:make", "--checkpoints")
    said = run(*options, "epoch-*.pth")
    assert said.code == 2
    assert "epoch-2.pth" in said.err
    assert run(*options, "epoch-10.pth,epoch-1.pth", "--out", "h.png").code == 0
    assert run(*options, ".", "--epochs", "1,10", "--out", "h.json").code == 0
    assert "There is no epoch 3." in run(*options, ".", "--epochs", "1,3").err


def test_a_folder_is_named_as_photos_are(run, tmp_path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    for place, one in enumerate(pixels):
        Image.fromarray(one).save(folder / f"{place}.png")
    for named in (["photos/"], ["photos/*.png"], ["--data", "photos"]):
        said = run("compare", *named, "--examples", 1, "--json")
        assert said.code == 0, said.err
        assert json.loads(said.out)["seen"] == 5
