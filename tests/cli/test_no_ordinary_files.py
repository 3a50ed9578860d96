"""A pipe that nobody writes to, and /dev/zero: whatever option names them, nothing waits."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes here")

# The command line, HERE being the pipe or device; and after ``|`` what the error says of it.
COMMANDS = """
training-report HERE | it is not an ordinary file
predictions HERE | this is not an ordinary file
predictions photo.png --categories HERE | it is not an ordinary file
predictions photo.png --model HERE | There is no network
predictions photo.png --weights HERE | has no weights called
localisation photo.png --boxes HERE.csv | There is no file
localisation photo.png --boxes HERE.json | There is no file
convolve HERE.csv | it is no matrix of numbers
convolve HERE.npy | it is no matrix of numbers
convolve HERE.wav | not an ordinary file
errors --data HERE.csv | There is no file
errors --data HERE.tar | it is not an ordinary file
errors --data photos | not an ordinary file
losses --out HERE.png | is not an ordinary file
"""


@pytest.fixture(autouse=True)
def _stops_in_time() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["pipe", "link", "zero"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Make pipes, links to pipes, or links to /dev/zero, with every suffix there is."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "photos").mkdir()
    image = Image.fromarray(np.full((64, 64, 3), 99, np.uint8))
    image.save(tmp_path / "photo.png")
    for suffix in ("", ".csv", ".json", ".npy", ".wav", ".tar", ".png"):
        place = tmp_path / f"here{suffix}"
        if request.param == "pipe":
            os.mkfifo(place)
        else:
            place.symlink_to("/dev/zero" if request.param == "zero" else tmp_path / "fifo")
    (tmp_path / "photos" / "circle").mkdir()
    (tmp_path / "photos" / "circle" / "a.png").symlink_to(tmp_path / "here")
    return "here"


@pytest.mark.parametrize("line", COMMANDS.strip().splitlines())
def test_nothing_waits_for_what_is_no_ordinary_file(line: str, made: str, run) -> None:
    command, told = line.split(" | ")
    done = run(*shlex.split(command.replace("HERE", made)))
    assert done.code == 2, done.err
    assert told in done.err
