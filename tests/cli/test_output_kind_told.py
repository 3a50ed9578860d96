"""That the kind of an output is a guess is told once a command; numbers stand once in its table."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("not_drawn")
CODE = """
import torch
from torch import nn
from torch.nn import functional as F


def _ends_in(count, *more):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, count), *more,
    ).eval()


class Normalised(nn.Module):
    def forward(self, x):
        return F.normalize(x, dim=1)


def value():
    return _ends_in(1)


def several():
    return _ends_in(3)


def embedding():
    return _ends_in(5, Normalised())
"""
GUESSED = "Note: The output is read as "


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    (tmp_path / "net.py").write_text(CODE)
    found = [tmp_path / "a.png", tmp_path / "b.png"]
    for shade, path in enumerate(found):
        Image.fromarray(np.full((40, 50, 3), 90 + 70 * shade, np.uint8)).save(path)
    return found


def _told(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith(GUESSED)]


@pytest.mark.parametrize(
    "command",
    [("predictions",), ("predictions", "--json"), ("report", "--sections", "predictions")],
    ids=" ".join,
)
def test_a_guess_is_told_once_and_nothing_where_it_was_said(run, photos, command) -> None:
    name, *more = command
    said = run(name, *photos, "--model", "net.py:value", *more)
    assert said.code == 0, said.err
    (told,) = _told(said.err)
    assert told.startswith(
        f"{GUESSED}values; this is a guess: its shape is [N, 1], and one number may"
    )
    assert "--output" in told
    force = ("--force",) if name == "report" else ()
    declared = run(name, *photos, "--model", "net.py:value", *more, "--output", "value", *force)
    assert (declared.code, _told(declared.err)) == (0, [])


def test_what_never_ran_has_no_output_to_guess(run, photos) -> None:
    assert _told(run("filters", "--model", "net.py:value").err) == []


@pytest.mark.parametrize(
    ("network", "output", "headings"),
    [
        ("value", "value", ["name", "value"]),
        ("several", "value", ["name", "value"]),
        ("embedding", "embedding", ["dimension", "component"]),
    ],
)
def test_a_number_that_is_no_probability_stands_once(
    run, photos, network, output, headings
) -> None:
    said = run("predictions", photos[0], "--model", f"net.py:{network}", "--output", output)
    assert said.code == 0, said.err
    lines = [line.split() for line in said.out.splitlines() if line.strip()]
    assert lines[0] == headings
    rows = [line for line in lines if line[0] in ("value", "dimension") and line != headings]
    assert rows
    # The name is two words, such as "value 0".
    assert all(len(row) == 3 for row in rows)
    assert "logit" not in said.out


def test_the_table_of_several_photos_has_their_names_too(run, photos) -> None:
    said = run("predictions", *photos, "--model", "net.py:value", "--output", "value")
    assert said.out.split()[:3] == ["photo", "name", "value"]
    scores = run("predictions", *photos, "--model", "net.py:several")
    assert scores.out.split()[:4] == ["photo", "class", "probability", "logit"]
