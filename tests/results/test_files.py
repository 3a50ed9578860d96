"""Files come into place whole, several together, and what fails leaves everything as it was."""

from __future__ import annotations

import signal
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from cnnviz.errors import OutputError
from cnnviz.results import files
from cnnviz.results.files import (
    remove_leftovers,
    write_atomically,
    write_npz,
    write_together,
)
from tests.helpers.ctrl_c import Presses, traced

FAILURES = [OSError(28, "No space left on device"), KeyboardInterrupt()]


def fill(text: str):
    return lambda path: path.write_text(text)


def listed(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, failure: BaseException
) -> None:
    path = tmp_path / "kept.json"
    path.write_text("old")

    def fails(temporary: Path) -> None:
        temporary.write_text("half")
        raise failure

    expected = OutputError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_atomically(path, fails)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_several_files_come_into_place_together(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("old")
    order = []

    def second(path: Path) -> None:
        order.append(listed(tmp_path)["b"])
        path.write_text("new")

    write_together([(tmp_path / "a", fill("new")), (tmp_path / "b", second)])
    assert listed(tmp_path) == {"a": "new", "b": "new"}
    assert order == ["old"], "nothing is moved before the last is full"


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("before", [{}, {"a": "old"}, {"a": "old", "b": "old"}])
@pytest.mark.parametrize("at", ["filling", "moving", "moving the last"])
def test_a_failure_of_several_leaves_every_path_as_it_was(
    tmp_path: Path, monkeypatch, failure: BaseException, before: dict[str, str], at: str
) -> None:
    for name, text in before.items():
        (tmp_path / name).write_text(text)

    def fails(path: Path) -> None:
        path.write_text("half")
        raise failure

    replace = Path.replace

    def no_move(path: Path, target: Path) -> Path:
        refused = "a" if at == "moving" else "b"
        if target.name == refused and path.read_text() == "new":
            raise failure
        return replace(path, target)

    if at != "filling":
        monkeypatch.setattr(Path, "replace", no_move)
    last = fails if at == "filling" else fill("new")
    expected = OutputError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_together([(tmp_path / "a", fill("new")), (tmp_path / "b", last)])
    assert listed(tmp_path) == before


def test_without_hard_links_what_was_there_comes_back_too(tmp_path: Path, monkeypatch) -> None:
    def refuse(*paths: Path) -> None:
        raise OSError(1, "Operation not permitted")

    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(files.os, "link", refuse)
    write_together([(tmp_path / "a", fill("new")), (tmp_path / "b", fill("new"))])
    assert listed(tmp_path) == {"a": "new", "b": "new"}
    (tmp_path / "b").unlink()
    (tmp_path / "b").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_together([(tmp_path / "a", fill("newer")), (tmp_path / "b", fill("newer"))])
    assert (tmp_path / "a").read_text() == "new"


def test_arrays_come_back_as_they_were_and_the_same_have_the_same_bytes(tmp_path: Path) -> None:
    arrays = {
        "maps of features.3/conv": np.float32([[0.1, np.nan], [np.inf, -0.0]]),
        "empty": np.zeros((0, 4), np.int64),
        "names": np.array(["a", "ß"]),
        "waves": np.array([1 + 2j], np.complex64),
    }
    for name in ("a.npz", "b.npz"):
        write_npz(tmp_path / name, arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as found:
        assert set(found) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


@pytest.mark.skipif(files.fcntl is None, reason="there are no locks of files here")
def test_what_a_killed_process_was_writing_is_removed_and_what_a_living_one_writes_stays(
    tmp_path: Path,
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / ".cnnviz-a-killed.png").write_text("half")
    (tmp_path / ".cnnviz-b-killed.png").write_text("half")
    (tmp_path / ".other").write_text("somebody's")

    def looked_at(temporary: Path) -> None:
        temporary.write_text("half")
        remove_leftovers(tmp_path)
        assert temporary.read_text() == "half"
        assert sorted(listed_below(tmp_path)) == [
            temporary.name,
            ".other",
            "inside/.cnnviz-a-killed.png",
        ]
        remove_leftovers(tmp_path, below=True)
        assert sorted(listed_below(tmp_path)) == [temporary.name, ".other"]
        temporary.write_text("whole")

    write_atomically(tmp_path / "c.png", looked_at)
    assert listed_below(tmp_path) == {".other": "somebody's", "c.png": "whole"}
    remove_leftovers(tmp_path / "missing")


def listed_below(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.skipif(files.fcntl is None, reason="there are no locks of files here")
def test_a_file_that_is_removed_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch
) -> None:
    make, made = files.tempfile.mkstemp, []

    def removed_at_first(**given: object) -> tuple[int, str]:
        found = make(**given)
        made.append(found[1])
        if len(made) == 1:
            remove_leftovers(tmp_path)
        return found

    monkeypatch.setattr(files.tempfile, "mkstemp", removed_at_first)
    write_atomically(tmp_path / "a", fill("new"))
    assert listed(tmp_path) == {"a": "new"}
    assert len(made) == 2


# Between opening a file and closing it, the line may be one of pathlib's.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_any_line_leaves_all_old_or_all_new_and_nothing_else(tmp_path: Path) -> None:
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]

    def save() -> None:
        write_together([(path, lambda file: file.write_text("new")) for path in paths])

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for line in count(1, 5):
            for path in paths:
                path.write_text("old")
            presses = Presses(line, "save", contexts=False)
            try:
                with traced(presses):
                    save()
            except KeyboardInterrupt:
                assert presses.met == line
            else:
                assert presses.met < line
                break
            assert sorted(tmp_path.iterdir()) == paths, f"at line {line}"
            assert len({path.read_text() for path in paths}) == 1, f"at line {line}"
    finally:
        signal.signal(signal.SIGINT, before)
    assert line > 100
