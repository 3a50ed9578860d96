"""Photos that are deleted, cut or replaced while they are counted, and a folder that vanishes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import cnnviz
from cnnviz.datasets import open_dataset
from cnnviz.errors import OutputError, UsageError
from cnnviz.passes import shard_pace, shared_scan
from cnnviz.results.resume_store import ResumeStore
from tests.helpers.colour_classes import colour_folder, colour_model, write_colour


def gone(photo: Path) -> None:
    photo.unlink()


def cut(photo: Path) -> None:
    photo.write_bytes(photo.read_bytes()[:40])


def device(photo: Path) -> None:
    photo.unlink()
    photo.symlink_to("/dev/zero")


def counted(folder: Path, when: int, change: Callable[[], object], monkeypatch, run):
    data = open_dataset(folder)
    kind, reads = type(data), 0
    read = kind.read

    def reading(self, index: int):
        nonlocal reads
        reads += 1
        if reads == when:
            change()
        return read(self, index)

    monkeypatch.setattr(kind, "read", reading)
    return run(colour_model(), data, explain=0)


@pytest.mark.parametrize("run", [cnnviz.error_analysis, cnnviz.evaluate_classifier])
@pytest.mark.parametrize(
    ("change", "why"), [(gone, "no such file"), (cut, "not an image"), (device, "not an ordinary")]
)
def test_a_photo_that_cannot_be_read_any_more_is_listed_and_not_counted(
    tmp_path, monkeypatch, run, change, why
) -> None:
    folder = colour_folder(tmp_path / "val")
    before = run(colour_model(), folder, explain=0)
    found = counted(folder, 2, lambda: change(folder / "green/right.png"), monkeypatch, run)
    assert (found.images, found.wrong) == (before.images - 1, before.wrong)
    assert found.confusion.sum() == before.confusion.sum() - 1
    assert "1 image could not be read: green/right.png" in found.provenance.notes[-1]
    assert why in found.provenance.notes[-1]


def test_a_photo_that_is_replaced_counts_as_what_it_is_when_it_is_read(
    tmp_path, monkeypatch
) -> None:
    folder, run = colour_folder(tmp_path / "val"), cnnviz.error_analysis
    photo = folder / "green/right.png"
    replaced = lambda: write_colour(photo, (255, 0, 0))  # noqa: E731
    found = counted(folder, 2, replaced, monkeypatch, run)
    monkeypatch.undo()
    after = run(colour_model(), folder, explain=0)
    assert found.confusion.tolist() == after.confusion.tolist()
    # What was kept of the photos before is not gone on with.
    assert found.fingerprint != after.fingerprint


@pytest.mark.parametrize("run", [cnnviz.error_analysis, cnnviz.evaluate_classifier])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_folder_of_counts_that_vanishes_is_a_sentence(tmp_path, monkeypatch, run, at) -> None:
    monkeypatch.setattr(shard_pace, "_SHARE", 0)
    monkeypatch.setattr(shared_scan, "EVERY", 0.0)
    monkeypatch.setattr("cnnviz.passes.batch_size._MOST", 2)
    put, calls = ResumeStore.put_arrays, 0

    def vanishing(self, *given: object) -> None:
        nonlocal calls
        put(self, *given)
        calls += 1
        if calls == at:
            shutil.rmtree(tmp_path / "state")

    monkeypatch.setattr(ResumeStore, "put_arrays", vanishing)
    folder = colour_folder(tmp_path / "val")
    with pytest.raises((OutputError, UsageError), match=r"was removed while|not all there"):
        run(colour_model(), folder, explain=0, shard=2, state=tmp_path / "state")
    assert not (tmp_path / "state").exists()
