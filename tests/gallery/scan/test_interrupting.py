"""A scan that is stopped, at whatever moment, goes on to the same end."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from cnnviz.errors import OutputError
from cnnviz.passes import shard_pace
from cnnviz.results import resume_store
from cnnviz.results.resume_store import ResumeStore
from cnnviz_gallery.scan import accumulator
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.scan.scan_result import ScanResult, ScanSettings
from tests.helpers.drive import drive
from tests.helpers.gallery.generated import Generated, content, network
from tests.helpers.processes import needs_fork

ROOT = Path(__file__).resolve().parents[3]
FEW = ScanSettings(kept=3, sample=6, batch_size=4)


class Stopped(BaseException):
    """What a killed process never sees, and a test does."""


def data() -> Generated:
    return Generated(44, broken=[2, 9, 24, 25, 26, 27, 28, 29, 30, 31])


def run(folder: Path | None, images: Generated | None = None, **how: object) -> ScanResult:
    given = {"settings": FEW, "shard": 8, "every": 0.0, "folder": folder, **how}
    return scan(network(), images or data(), **given)


@pytest.fixture(autouse=True)
def _every_shard_is_written_at_once(monkeypatch) -> None:
    monkeypatch.setattr(shard_pace, "_SHARE", 0)


@pytest.fixture(scope="module")
def whole() -> dict[str, object]:
    return content(run(None))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Return a folder in which everything is scanned already, to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_pace, "_SHARE", 0)
        run(folder)
    return folder


@pytest.fixture
def scanned(tmp_path, finished) -> Path:
    """Return a folder of one's own in which everything is scanned already."""
    return shutil.copytree(finished, tmp_path / "scanned")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@needs_fork
def test_a_gallery_that_is_killed_six_times_is_the_same_in_the_end(tmp_path) -> None:
    found = drive("kill", tmp_path, 6)
    assert found["killed"] == 6
    # Half of a file lay there, and the next run took it away.
    assert found["left"] >= 3
    wanted, got = files(tmp_path / "whole"), files(tmp_path / "killed")
    assert len(wanted) > 40
    assert sorted(got) == sorted(wanted), found
    assert [name for name in wanted if got[name] != wanted[name]] == [], found


@needs_fork
def test_one_and_three_processes_find_the_same_to_the_last_byte(tmp_path) -> None:
    drive("share", tmp_path, 1, 3)
    alone = files(tmp_path / "1-0")
    assert "scan.json" in alone
    for other in ("3-0", "3-1", "3-2"):
        assert files(tmp_path / other) == alone, other


def test_a_scan_goes_on_after_every_write_that_fails(tmp_path, whole, monkeypatch) -> None:
    """Before, in the middle of, and after each file that is written."""
    write, calls, stop_at = resume_store.write_atomically, 0, 0

    def fails(path: Path, fill: object) -> Path:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise Stopped

        def half(temporary: Path) -> None:
            fill(temporary)
            os.truncate(temporary, temporary.stat().st_size // 2)
            raise Stopped

        write(path, half if calls == stop_at + 1 else fill)
        if calls == stop_at + 2:
            raise Stopped
        return path

    monkeypatch.setattr(resume_store, "write_atomically", fails)
    stops = 0
    for moment in range(-1, 12):
        calls, stop_at = 0, moment
        try:
            found = run(tmp_path / "state")
        except Stopped:
            stops += 1
            continue
        assert content(found) == whole
        break
    assert stops >= 6


@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_scan_goes_on_after_ctrl_c_between_any_two_layers(
    tmp_path, whole, monkeypatch, at: int
) -> None:
    see, calls = accumulator.Accumulator.see, 0

    def interrupted(self, *given: object) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        see(self, *given)

    monkeypatch.setattr(accumulator.Accumulator, "see", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert content(run(tmp_path)) == whole


def test_a_first_part_without_an_image_that_can_be_read_is_a_part_like_others(tmp_path) -> None:
    images = Generated(12, broken=range(8))
    assert content(run(tmp_path, images)) == content(run(None, images))


def test_what_is_finished_is_not_scanned_again(tmp_path, whole) -> None:
    images = data()
    assert content(run(tmp_path, images)) == whole
    reads, images.reads = images.reads, 0
    # The 44 images, and the first one twice more to see what the layers give.
    assert reads > len(images)
    assert content(run(tmp_path, images)) == whole
    assert images.reads == 0


def test_a_full_disk_is_a_sentence_and_loses_nothing_that_is_finished(
    tmp_path, whole, monkeypatch
) -> None:
    save, calls = np.savez, 0

    def full(stream, **arrays: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            stream.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(stream, **arrays)

    monkeypatch.setattr(resume_store.np, "savez", full)
    images = data()
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device\."):
        run(tmp_path, images)
    (folder,) = tmp_path.iterdir()
    (part,) = folder.glob("*.npz")
    assert np.load(part)["shards"].tolist() == [0, 1]
    assert not list(folder.glob(".*"))
    images.reads = 0
    assert content(run(tmp_path, images)) == whole
    assert images.reads <= 44 - 16 + 12  # each call of a pass reads its first image once more


def _other_data() -> dict[str, object]:
    return {"images": Generated(44, side=11)}


@pytest.mark.parametrize(
    ("changed", "model"),
    [
        ({"settings": ScanSettings(kept=3, sample=6, batch_size=4, seed=1)}, 0),
        ({"layers": "3"}, 0),
        ({"shard": 16}, 0),
        (_other_data(), 0),
        ({}, 1),
    ],
    ids=["seed", "layers", "shards", "data", "weights"],
)
def test_parts_of_another_scan_are_never_mixed_in(scanned, changed, model: int) -> None:
    given = {"images": data(), "settings": FEW, "shard": 8, **changed}
    images = given.pop("images")
    alone = content(scan(network(model), images, **given))
    assert content(scan(network(model), images, folder=scanned, every=0.0, **given)) == alone
    assert len(list(scanned.iterdir())) == 2


def test_nor_are_they_where_somebody_moves_them(scanned, whole) -> None:
    """A part holds the same key that names the folder, so that one kind of change shows it."""

    def other(folder: Path | None) -> dict[str, object]:
        how = {"settings": FEW, "shard": 8, "every": 0.0, "folder": folder}
        return content(scan(network(1), data(), **how))

    alone = other(None)
    assert other(scanned) == alone
    one, two = sorted(scanned.iterdir())
    for here, there in ((one, two), (two, one)):
        for part in here.glob("part-*.npz"):
            (there / part.name).write_bytes(part.read_bytes())
    assert other(scanned) == alone
    assert content(run(scanned)) == whole


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_a_damaged_part_is_scanned_again(scanned, whole, damage: str) -> None:
    (part,) = scanned.rglob("part-*.npz")
    held = bytearray(part.read_bytes())
    if damage == "flipped":
        held[len(held) // 2] ^= 0xFF
    part.write_bytes(held[: {"cut": len(held) // 2, "empty": 0, "flipped": None}[damage]])
    assert content(run(scanned)) == whole


def test_an_array_of_somebody_else_beside_the_parts_is_left_alone(scanned, whole) -> None:
    (folder,) = scanned.iterdir()
    (folder / "thesis.npz").write_bytes(b"years of work")
    for part in folder.glob("part-*.npz"):
        part.write_bytes(b"")
    assert content(run(scanned)) == whole
    assert (folder / "thesis.npz").read_bytes() == b"years of work"


def test_of_a_part_and_its_successor_one_counts(tmp_path, whole, monkeypatch) -> None:
    monkeypatch.setattr(ResumeStore, "drop_arrays", lambda *_: None)
    run(tmp_path)
    assert len(list(tmp_path.rglob("part-*.npz"))) > 2
    monkeypatch.undo()
    assert content(run(tmp_path)) == whole
    assert len(list(tmp_path.rglob("part-*.npz"))) == 1
