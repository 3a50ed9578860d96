"""A preparation of images that nobody named is told as a guess, wherever a person looks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import cnnviz
from cnnviz_cli.app import main

CODE = """
from torch import nn


def make():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 30 * 30, 4))
"""


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 30 * 30, 4))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(CODE)
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_report_says_that_the_preparation_is_a_guess(network: nn.Module) -> None:
    photo = np.zeros((40, 40, 3), np.uint8)
    made = cnnviz.report(network, photo, "predictions")
    assert "Nobody said how the images of this network are prepared" in made.notes[0]
    assert "centre 32 x 32 px" in made.notes[0]


def test_a_report_of_a_tensor_or_of_known_preparation_does_not(network: nn.Module) -> None:
    assert cnnviz.report(network, torch.rand(1, 3, 32, 32), "predictions").notes == ()
    known = cnnviz.Preprocessing(32, (32, 32), (0.5,) * 3, (0.5,) * 3)
    photo = np.zeros((40, 40, 3), np.uint8)
    assert (
        cnnviz.report(cnnviz.Model(network, preprocessing=known), photo, "predictions").notes == ()
    )
    assert cnnviz.load("shapes").doubt == ""


def test_the_command_line_says_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["predictions", "photo.png", "--model", "net.py:make", "--json"])
    assert end.value.code == 0
    told = capsys.readouterr()
    assert "Note: Nobody said how the images of this network are prepared" in told.err
    assert "32 px is a size that the network accepts" in told.err
