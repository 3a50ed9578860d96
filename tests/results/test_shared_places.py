"""Places that several write to at once, and places that vanish under a writer."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest

from cnnviz.errors import OutputError
from cnnviz.results.files import alone_in, write_atomically, write_together
from cnnviz.results.resume_store import ResumeStore

LENGTH = 50_000


def test_who_reads_while_several_write_meets_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    done, met = threading.Event(), set()

    def write(letter: str) -> None:
        for _ in range(20):
            write_atomically(path, lambda file: file.write_text(letter * LENGTH))

    def read() -> None:
        while not done.is_set():
            if path.exists():
                text = path.read_text()
                met.add((len(text), len(set(text))))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(letter,)) for letter in "abc"]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert met == {(LENGTH, 1)}
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_files_that_two_write_together_are_of_one_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def slowly(one: Path, other: Path) -> Path:
        moved = replace(one, other)
        time.sleep(0.02)  # between the moves of one, time for those of the other
        return moved

    monkeypatch.setattr(Path, "replace", slowly)

    def write(letter: str) -> None:
        for _ in range(5):
            write_together(
                [(tmp_path / name, lambda file: file.write_text(letter)) for name in ("a", "b")]
            )
            with alone_in(tmp_path):
                met.add((tmp_path / "a").read_text() == (tmp_path / "b").read_text())

    met: set[bool] = set()
    writers = [threading.Thread(target=write, args=(letter,)) for letter in "xyz"]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert met == {True}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]


def test_who_is_alone_in_a_folder_may_write_several_files_in_it(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        write_together([(tmp_path / name, lambda file: file.write_text("x")) for name in "ab"])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]


def test_a_folder_that_vanishes_amid_a_write_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()

    def write(file: Path) -> None:
        file.write_text("half")
        shutil.rmtree(tmp_path / "place")

    with pytest.raises(OutputError, match=r"a\.txt' cannot be written: No such file"):
        write_atomically(tmp_path / "place" / "a.txt", write)
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_vanishes_is_told_and_not_made_again_with_a_part_of_it(
    tmp_path: Path,
) -> None:
    store = ResumeStore(tmp_path / "state", {"seed": 0})
    store.put("one", {"a": 1})
    shutil.rmtree(tmp_path / "state")
    with pytest.raises(OutputError, match="was removed while the command worked"):
        store.put("two", {"a": 2})
    assert not (tmp_path / "state").exists()
