"""The folder of a report: filled out of sight, moved into place whole, never at others' cost."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from cnnviz.errors import OutputError
from cnnviz.reports.destination import FORMAT, MANIFEST, check_destination, staged


def write_report(folder: Path, text: str = "old") -> Path:
    folder.mkdir()
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.png").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    listed = {"format": FORMAT, "files": [{"path": "pictures/a.png", "sha256": digest}]}
    (folder / MANIFEST).write_text(json.dumps(listed))
    return folder


def fill(folder: Path, text: str = "new") -> None:
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.png").write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_appears_only_when_it_is_whole(tmp_path):
    with staged(tmp_path / "out") as folder:
        fill(folder)
        assert not (tmp_path / "out").exists()
        assert folder.parent == tmp_path
    assert (tmp_path / "out" / "pictures" / "a.png").read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_the_folder_is_as_readable_as_any(tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    with staged(tmp_path / "out") as folder:
        fill(folder)
    assert (tmp_path / "out").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
@pytest.mark.parametrize("force", [False, True])
def test_what_fails_half_way_leaves_everything_as_it_was(tmp_path, error, force):
    target = write_report(tmp_path / "out") if force else tmp_path / "out"

    def failing():
        with staged(target, force=force) as folder:
            fill(folder)
            raise error

    with pytest.raises(error):
        failing()
    assert names(tmp_path) == (["out"] if force else [])
    if force:
        assert (target / "pictures" / "a.png").read_text() == "old"


def test_a_full_disk_is_a_sentence(tmp_path):
    with (
        pytest.raises(OutputError, match=r"cannot be written.*No space left"),
        staged(tmp_path / "out"),
    ):
        raise OSError(28, os.strerror(28))
    assert names(tmp_path) == []


def test_a_report_is_replaced_only_by_force(tmp_path):
    target = write_report(tmp_path / "out")
    with (
        pytest.raises(OutputError, match=r"already is a report.*force=") as refused,
        staged(target),
    ):
        pytest.fail("the body must not run")
    assert "--force" in refused.value.option
    with staged(target, force=True) as folder:
        fill(folder)
        assert (target / "pictures" / "a.png").read_text() == "old"
    assert (target / "pictures" / "a.png").read_text() == "new"
    assert not (target / MANIFEST).exists()
    assert names(tmp_path) == ["out"]


def test_a_failing_exchange_puts_the_old_report_back(tmp_path, monkeypatch):
    target = write_report(tmp_path / "out")
    rename = Path.rename

    def failing(self, to):
        if to == target and "old" not in (self / "pictures" / "a.png").read_text():
            raise PermissionError(13, "Permission denied")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError, match="Permission denied"), staged(target, force=True) as new:
        fill(new)
    assert (target / "pictures" / "a.png").read_text() == "old"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_no_report_is_never_touched(tmp_path, force):
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter.tex").write_text("years of work")
    with pytest.raises(OutputError, match="not empty and is not a cnnviz report"):
        check_destination(target, force=force)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": "else", "files": []}', '{"format": "cnnviz report"}']
)
def test_a_json_file_of_that_name_does_not_make_a_report(tmp_path, text):
    target = tmp_path / "other"
    target.mkdir()
    (target / MANIFEST).write_text(text)
    with pytest.raises(OutputError, match="not a cnnviz report"):
        check_destination(target, force=True)


def test_a_stranger_in_a_report_keeps_it_from_being_replaced(tmp_path):
    target = write_report(tmp_path / "out")
    (target / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"'notes\.txt' in it is not part of it"):
        check_destination(target, force=True)
    (target / "notes.txt").rename(target / ".DS_Store")
    assert check_destination(target, force=True) == target


@pytest.mark.parametrize("digest", ["", "0" * 64, None])
def test_a_file_that_a_forged_list_names_is_not_deleted(tmp_path, digest):
    target = write_report(tmp_path / "out")
    (target / "thesis.tex").write_text("years of work")
    manifest = json.loads((target / MANIFEST).read_text())
    manifest["files"].append({"path": "thesis.tex", "sha256": digest})
    (target / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(OutputError, match=r"'thesis\.tex' in it is not part of it"):
        check_destination(target, force=True)


def test_a_page_that_was_changed_or_linked_since_is_kept(tmp_path):
    target = write_report(tmp_path / "out")
    (target / "pictures" / "a.png").write_text("edited")
    with pytest.raises(OutputError, match=r"'pictures/a\.png' in it .* changed since"):
        check_destination(target, force=True)
    (target / "pictures" / "a.png").rename(tmp_path / "elsewhere.png")
    (tmp_path / "elsewhere.png").write_text("old")
    (target / "pictures" / "a.png").symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(OutputError, match=r"'pictures/a\.png' in it"):
        check_destination(target, force=True)


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    with staged(tmp_path / "out") as folder:
        fill(folder)
    assert names(tmp_path / "out") == ["pictures"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        check_destination(tmp_path / "out", force=True)


def test_the_folder_above_must_exist(tmp_path):
    with pytest.raises(OutputError, match="There is no folder"):
        check_destination(tmp_path / "no" / "out")


def test_the_folder_one_works_in_is_never_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="the folder you are working in"):
        check_destination(".", force=True)


def test_what_appeared_meanwhile_is_not_overwritten(tmp_path):
    def overtaken():
        with staged(tmp_path / "out") as folder:
            fill(folder)
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "others.txt").write_text("theirs")

    with pytest.raises(OutputError, match="not a cnnviz report"):
        overtaken()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["others.txt"]
