"""Parts of a run: kept whole, found again, and never those of other settings."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from cnnviz.errors import OutputError
from cnnviz.results import resume_store
from cnnviz.results.resume_store import ResumeStore


def test_a_part_is_found_again_by_another_run_with_the_same_settings(tmp_path) -> None:
    ResumeStore(tmp_path / "new" / "state", {"seed": 0, "size": (3, 4)}).put("a", {"loss": 1.5})
    again = ResumeStore(tmp_path / "new" / "state", {"size": [3, 4], "seed": 0})
    assert again.get("a") == {"loss": 1.5}
    assert again.get("b") is None
    assert json.loads((again.folder / "settings.json").read_text()) == {"seed": 0, "size": [3, 4]}
    assert ResumeStore(tmp_path / "new" / "state", {"seed": 1, "size": (3, 4)}).get("a") is None


def test_without_a_folder_parts_live_as_long_as_the_object() -> None:
    keep = ResumeStore(None, {})
    keep.put("a", {"x": 1})
    assert keep.get("a") == {"x": 1}
    assert keep.folder is None
    assert ResumeStore(None, {}).get("a") is None


@pytest.mark.parametrize("broken", ["", "{", "[1]", "3"])
def test_a_broken_part_counts_as_none(tmp_path, broken: str) -> None:
    keep = ResumeStore(tmp_path, {})
    keep.put("a", {"x": 1})
    (keep.folder / "a.json").write_text(broken)
    assert ResumeStore(tmp_path, {}).get("a") is None


def test_numbers_that_are_not_finite_come_back_as_their_names(tmp_path) -> None:
    ResumeStore(tmp_path, {}).put("a", {"losses": [math.inf, math.nan]})
    held = ResumeStore(tmp_path, {}).get("a")
    assert float(held["losses"][0]) == math.inf
    assert held["losses"][1] == "nan"


def test_a_part_is_written_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    keep = ResumeStore(tmp_path, {})
    keep.put("a", {"x": 1})

    def fails(path, data):
        path.write_text("{")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resume_store, "_write", fails)
    with pytest.raises(OutputError, match="No space left"):
        keep.put("a", {"x": 2})
    assert ResumeStore(tmp_path, {}).get("a") == {"x": 1}
    assert len(list(keep.folder.iterdir())) == 2


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        ResumeStore(tmp_path / "file", {}).put("a", {})


@pytest.mark.parametrize("kept", [True, False], ids=["folder", "memory"])
def test_arrays_are_found_again_whole_or_in_part(tmp_path, kept: bool) -> None:
    keep = ResumeStore(tmp_path if kept else None, {"a": 1})
    arrays = {"x": np.arange(3), "y": np.array([[1.5]])}
    keep.put_arrays("part-1", arrays)
    again = ResumeStore(tmp_path, {"a": 1}) if kept else keep
    assert again.array_names() == ["part-1"]
    held = again.get_arrays("part-1")
    assert {name: values.tolist() for name, values in held.items()} == {
        "x": [0, 1, 2],
        "y": [[1.5]],
    }
    assert list(again.get_arrays("part-1", ["y"])) == ["y"]
    assert again.get_arrays("part-1", ["z"]) is None
    assert again.get_arrays("part-2") is None
    again.drop_arrays("part-1")
    again.drop_arrays("part-1")
    assert again.array_names() == []


def test_what_a_killed_run_was_writing_is_removed(tmp_path) -> None:
    keep = ResumeStore(tmp_path, {})
    keep.put_arrays("a", {"x": np.arange(3)})
    (keep.folder / ".cnnviz-a-killed.npz").write_bytes(b"half")
    assert keep.array_names() == ["a"]
    ResumeStore(tmp_path, {"other": 1})
    assert len(list(keep.folder.iterdir())) == 3
    ResumeStore(tmp_path, {})
    assert sorted(path.name for path in keep.folder.iterdir()) == ["a.npz", "settings.json"]
