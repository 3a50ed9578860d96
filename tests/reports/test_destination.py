"""The folder of a report: filled out of sight, moved into place whole, never at others' cost."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from cnnviz.errors import OutputError
from cnnviz.reports.destination import FORMAT, check_destination, staged
from cnnviz.reports.own_files import MANIFEST


def write_report(folder: Path, text: str = "old") -> Path:
    folder.mkdir()
    fill(folder, text)
    forge(folder)
    return folder


def fill(folder: Path, text: str = "new") -> None:
    (folder / "pictures").mkdir()
    write_picture(folder / "pictures" / "a.png")
    (folder / "report.html").write_text(text)


def write_picture(path: Path, software: str = "cnnviz 0.1.0") -> None:
    told = PngImagePlugin.PngInfo()
    told.add_text("Software", software)
    Image.new("RGB", (2, 2)).save(path, pnginfo=told)


def forge(folder: Path, *others: Path) -> None:
    """List every file with its right digest, as anybody can."""
    files = [path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST]
    listed = [
        {
            "path": Path(os.path.relpath(path, folder)).as_posix(),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in (*files, *others)
    ]
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, "files": listed}))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_appears_only_when_it_is_whole(tmp_path):
    with staged(tmp_path / "out") as folder:
        fill(folder)
        assert not (tmp_path / "out").exists()
        assert folder.parent == tmp_path
    assert (tmp_path / "out" / "report.html").read_text() == "new"
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
        assert (target / "report.html").read_text() == "old"


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
        assert (target / "report.html").read_text() == "old"
    assert (target / "report.html").read_text() == "new"
    assert not (target / MANIFEST).exists()
    assert names(tmp_path) == ["out"]


def test_a_failing_exchange_puts_the_old_report_back(tmp_path, monkeypatch):
    target = write_report(tmp_path / "out")
    rename = Path.rename

    def failing(self, to):
        if to == target and "old" not in (self / "report.html").read_text():
            raise PermissionError(13, "Permission denied")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError, match="Permission denied"), staged(target, force=True) as new:
        fill(new)
    assert (target / "report.html").read_text() == "old"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_no_report_is_never_touched(tmp_path, force):
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter.tex").write_text("years of work")
    with pytest.raises(OutputError, match="not empty and is not a cnnviz report"):
        check_destination(target, force=force)


def test_a_whole_disk_is_not_walked_to_be_refused(tmp_path, monkeypatch):
    rglob, seen = Path.rglob, []

    def counted(*given):
        for one in rglob(*given):
            seen.append(one)
            yield one

    monkeypatch.setattr(Path, "rglob", counted)
    for number in range(20):
        (tmp_path / "disk" / "folder").mkdir(parents=True, exist_ok=True)
        (tmp_path / "disk" / "folder" / f"{number}.txt").write_text("mine")
    (tmp_path / "disk" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty and is not a cnnviz report"):
        check_destination(tmp_path / "disk", force=True)
    assert 1 <= len(seen) <= 2


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
    (target / "report.html").write_text("edited")
    with pytest.raises(OutputError, match=r"'report\.html' in it .* changed since"):
        check_destination(target, force=True)
    (target / "report.html").rename(tmp_path / "elsewhere.html")
    (tmp_path / "elsewhere.html").write_text("old")
    (target / "report.html").symlink_to(tmp_path / "elsewhere.html")
    with pytest.raises(OutputError, match=r"'report\.html' in it"):
        check_destination(target, force=True)


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "nested/thesis.docx",
        "report.html/thesis.txt",
        "pictures/thesis.txt",
        "pictures/nested/a.png",
        "pictures/a.npz",
        "slides/thesis.pptx",
        "slides/mine.svg",
        "arrays/mine.npz",
        "holiday.jpg",
        "other.html",
        "Report.pdf",
        "nested/report.json",
    ],
)
def test_a_forged_list_with_right_digests_deletes_nothing(tmp_path, name):
    target = tmp_path / "out"
    (target / name).parent.mkdir(parents=True)
    (target / name).write_text("years of work")
    forge(target)
    assert hashlib.sha256(b"years of work").hexdigest() in (target / MANIFEST).read_text()
    with pytest.raises(OutputError, match=re.escape(f"{name!r} in it is not part of it")):
        check_destination(target, force=True)
    assert (target / name).read_text() == "years of work"


@pytest.mark.parametrize("software", ["GIMP 3.0", "cnnvizard 1"])
def test_a_picture_that_cnnviz_did_not_draw_is_never_deleted(tmp_path, software):
    target = write_report(tmp_path / "out")
    write_picture(target / "pictures" / "holiday.png", software)
    forge(target)
    with pytest.raises(OutputError, match=r"'pictures/holiday\.png' in it is not part"):
        check_destination(target, force=True)


def test_of_a_lecture_no_more_than_its_one_photo_goes(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    for name in ("lecture.html", "lecture.ipynb"):
        (target / name).write_text("")
    write_picture(target / "photo.jpg", "a camera")
    forge(target)
    assert check_destination(target, force=True) == target
    write_picture(target / "holiday.png", "a camera")
    forge(target)
    with pytest.raises(OutputError, match=r"'holiday\.png' in it is not part"):
        check_destination(target, force=True)


def test_what_a_forged_list_names_outside_stays(tmp_path):
    target = write_report(tmp_path / "out")
    outside = tmp_path / "thesis.tex"
    outside.write_text("years of work")
    forge(target, outside)
    assert "../thesis.tex" in (target / MANIFEST).read_text()
    with staged(target, force=True) as folder:
        fill(folder)
    assert outside.read_text() == "years of work"


@pytest.mark.parametrize("name", ["pictures/mine", "report.pdf", MANIFEST])
@pytest.mark.parametrize("of", ["file", "folder"])
def test_links_are_no_part_of_a_report(tmp_path, name, of):
    target = write_report(tmp_path / "out")
    elsewhere = tmp_path / "elsewhere"
    if of == "folder":
        elsewhere.mkdir()
    elif name == MANIFEST:
        (target / name).rename(elsewhere)
    else:
        elsewhere.write_text("years of work")
        forge(target, elsewhere)
    (target / name).unlink(missing_ok=True)
    (target / name).symlink_to(elsewhere)
    with pytest.raises(OutputError, match=r"in it is not part of it|not a cnnviz report"):
        check_destination(target, force=True)
    assert (target / name).is_symlink()


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    with staged(tmp_path / "out") as folder:
        fill(folder)
    assert names(tmp_path / "out") == ["pictures", "report.html"]


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


@pytest.mark.parametrize("force", [False, True])
def test_of_two_that_write_to_one_place_one_is_whole_and_no_other_is_lost(tmp_path, force):
    def interleaved():
        with staged(tmp_path / "out", force=force) as first:
            fill(first, "first")
            with staged(tmp_path / "out", force=force) as second:
                fill(second, "second")
                forge(second)
            forge(first)

    if force:
        interleaved()
    else:
        with pytest.raises(OutputError, match="There already is a report"):
            interleaved()
    assert (tmp_path / "out" / "report.html").read_text() == ("first" if force else "second")
    assert names(tmp_path) == ["out"]


def test_the_last_moment_at_which_another_comes_is_a_sentence_too(tmp_path, monkeypatch):
    rename = Path.rename

    def overtaken(self, to):
        monkeypatch.setattr(Path, "rename", rename)
        write_report(tmp_path / "out", "theirs")
        return rename(self, to)

    def written():
        with staged(tmp_path / "out") as folder:
            fill(folder)
            monkeypatch.setattr(Path, "rename", overtaken)

    with pytest.raises(OutputError, match="cannot be written"):
        written()
    assert (tmp_path / "out" / "report.html").read_text() == "theirs"
    assert names(tmp_path) == ["out"]


def test_a_place_that_vanishes_is_a_sentence_and_nothing_is_left(tmp_path):
    (tmp_path / "above").mkdir()

    def vanishing():
        with staged(tmp_path / "above" / "out") as folder:
            fill(folder)
            shutil.rmtree(tmp_path / "above")

    with pytest.raises(OutputError, match="There is no folder"):
        vanishing()
    assert names(tmp_path) == []
