"""`cnnviz evaluate`, killed, overtaken, or met by a folder that vanishes: never other numbers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import cnnviz.evaluation
from cnnviz.results.files import alone_in
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
FOUND = ("evaluation.csv", "evaluation.json", "evaluation.png")
KILLED_AMID = """
import os, signal, sys
from cnnviz.results import files
from tests.helpers.undrawn import undrawn

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
with undrawn():
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


@pytest.mark.usefixtures("not_drawn")
def test_what_another_command_has_finished_meanwhile_is_not_mixed_with(
    run, tmp_path, monkeypatch
) -> None:
    assert run(*EVALUATE, "--seed=1", "--out", "other").code == 0
    evaluate = cnnviz.evaluation.evaluate

    def overtaken(*given: object, **how: object) -> object:
        found = evaluate(*given, **how)
        for name in FOUND:
            shutil.copy(tmp_path / "other" / name, tmp_path / "out" / name)
        return found

    monkeypatch.setattr(cnnviz.evaluation, "evaluate", overtaken)
    said = run(*EVALUATE, "--out", "out")
    assert said.code == 2, said.err
    assert said.error_lines[0] == "Error: There already is an evaluation in 'out'."
    for name in FOUND:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


@needs_fork
def test_the_files_of_an_evaluation_are_written_by_one_command_at_a_time(tmp_path) -> None:
    fcntl = pytest.importorskip("fcntl")
    other = os.open(tmp_path, os.O_RDONLY)
    try:
        with alone_in(tmp_path), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)
