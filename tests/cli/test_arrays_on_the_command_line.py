"""Signals and clips on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NET = """
import torch
from torch import nn


def signal():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(1, 4, 5, padding=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )


def clip():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    for place in range(3):
        np.save(tmp_path / f"s{place}.npy", np.sin(np.arange(60) / (place + 2)))
    (tmp_path / "frames").mkdir()
    for place in range(4):
        grey = np.full((16, 20, 3), 60 * place, np.uint8)
        Image.fromarray(grey).save(tmp_path / "frames" / f"{place}.png")
    return tmp_path


def test_files_and_patterns_of_signals(run, folder: Path) -> None:
    one = run("cam", "s0.npy", "-m", "net.py:signal", "-q", "-o", "one.png")
    assert one.code == 0, one.err
    assert (folder / "one.png").exists()
    several = run("predictions", "s*.npy", "-m", "net.py:signal", "-q", "--json")
    assert several.code == 0, several.err
    assert json.loads(several.out)["images"] == ["s0.npy", "s1.npy", "s2.npy"]


def test_a_folder_of_frames_is_a_clip(run, folder: Path) -> None:
    found = run(
        "cam", "frames", "-m", "net.py:clip", "-q", "-o", "clip.npz", "--resize", "16", "--mean",
        "0", "--std", "1",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert np.load(folder / "clip.npz")["map 1"].shape == (1, 4, 16, 16)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cam", "frames/0.png", "-m", "net.py:signal"), "the network takes signals [N, 1, L]"),
        (("cam", "-m", "net.py:signal"), "there is no sample of these"),
        (("invariance", "-m", "net.py:signal"), "there is no sample of these"),
        (
            ("equivariance", "s0.npy", "-m", "net.py:signal"),
            "is for networks of images, and signal",
        ),
        (("report", "-m", "net.py:clip"), "there is no sample of these"),
        (("cam", "s0.npy", "-m", "net.py:signal", "--resize", "9"), "Signals keep their size"),
    ],
)
def test_what_does_not_go_ends_with_2(run, folder: Path, arguments, said: str) -> None:
    found = run(*arguments, "-q")
    assert found.code == 2
    assert said in found.err
    assert not list(folder.glob("*.png"))


def test_matrices_and_signals_are_typed(run, folder: Path) -> None:
    rows = "1 1 1 0 0; 0 1 1 1 0; 0 0 1 1 1; 0 0 1 1 0; 0 1 1 0 0"
    found = run("convolve", rows, "--kernel", "1 0 1; 0 1 0; 1 0 1", "--json", "-q")
    assert found.code == 0, found.err
    assert json.loads(found.out)["result"] == [[[4, 3, 4], [2, 4, 3], [2, 3, 4]]]
    found = run("convolve-signals", "--signal", "0 0 2", "--response", "[1, -1]", "--json")
    assert found.code == 0, found.err
    assert json.loads(found.out)["result"] == [0, 0, 2, -2]
    np.save(folder / "h.npy", np.array([1.0, 3.0]))
    found = run("convolve-signals", "--signal", "1,2", "--response", "h.npy", "--json")
    assert json.loads(found.out)["result"] == [1, 5, 6]
    assert run("convolve-signals", "--response", "bax", "-q").code == 2
    assert run("weight-sharing", "1 0; 0 1", "-q").code == 2


def test_the_command_line_takes_a_rate(run, folder: Path) -> None:
    np.save(folder / "a.npy", np.sin(np.arange(700)))
    found = run("occlude", "a.npy", "-m", "net.py:signal", "--rate", "250", "--json", "-q")
    assert found.code == 0, found.err
    assert json.loads(found.out)["rates"] == [250.0]
    found = run("filters", "-m", "net.py:signal", "--rate", "250", "--json", "-q")
    assert json.loads(found.out)["rate"] == 250.0
    refused = run("filters", "--rate", "250", "-q")
    assert refused.code == 2
    assert "Photos have no sampling rate" in refused.err
