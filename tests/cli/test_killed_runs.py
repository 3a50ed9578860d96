"""`cnnviz evaluate`, killed amid a file or met by a folder that vanishes: never other numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cnnviz.results.resume_store import ResumeStore
from tests.helpers.processes import Forked, needs_fork

EVALUATE = (
    "evaluate",
    "--weights=random",
    "--count=2",
    "--methods=gradcam,saliency",
    "--measures=drop",
    "--steps=2",
    "--stages=1",
    "--random=1",
    "--quiet",
)
KILLED_AMID = """
import os, signal, sys
from cnnviz.results import files

at, move, moved = int(sys.argv.pop(1)), files._move, 0

def stopped(filled):
    global moved
    moved += 1
    if moved == at:
        half = filled[-1][0]
        os.truncate(half, half.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    move(filled)

files._move = stopped
from cnnviz_cli.start import main
main()
"""


def evaluated(folder: Path, out: str, *, kill_at: int = 0) -> int:
    words = (str(kill_at), *EVALUATE, "--out", out)
    with Forked("", *words, code=KILLED_AMID, folder=folder) as process:
        _, said = process.communicate()
    assert process.returncode in (0, -9), said
    return process.returncode


@needs_fork
def test_an_evaluation_that_is_killed_again_and_again_finds_the_same(tmp_path: Path) -> None:
    assert evaluated(tmp_path, "whole") == 0
    killed = left = 0
    # Amid a measurement, and between two of the finished files.
    for at in (4, 5, 3):
        killed += evaluated(tmp_path, "killed", kill_at=at) != 0
        left += any((tmp_path / "killed").rglob(".cnnviz-*"))
    assert left == killed == 3
    assert {"evaluation.png", "evaluation.json"} <= files(tmp_path / "killed").keys()
    assert "evaluation.csv" not in files(tmp_path / "killed")
    assert evaluated(tmp_path, "killed") == 0
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("at", [1, 3])
def test_a_folder_that_vanishes_meanwhile_is_a_sentence(run, tmp_path, monkeypatch, at) -> None:
    put, calls = ResumeStore.put, 0

    def vanishing(self, *given: object) -> None:
        nonlocal calls
        put(self, *given)
        calls += 1
        if calls == at:
            shutil.rmtree(tmp_path / "out")

    monkeypatch.setattr(ResumeStore, "put", vanishing)
    said = run(*EVALUATE, "--out", "out")
    assert said.code == 2, said.err
    assert "was removed while" in said.error_lines[0]
    assert list(tmp_path.iterdir()) == []
