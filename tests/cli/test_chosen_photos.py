"""Folders, patterns and data sets in place of photos, in any case of suffix, as many as asked."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnviz.datasets.shapes import Shapes
from cnnviz.errors import ImageError, UsageError
from cnnviz_cli.chosen_photos import MOST, find_photos
from tests.helpers.undrawn import undrawn


def choose_photos(
    named: list[str], data: str | None, count: int | None, workers: int | None = None
) -> list[Any]:
    return find_photos(named, data, count, workers).taken()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    (place / "more").mkdir(parents=True)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8))
    for index in range(10):
        picture.save(place / f"{index}.{'png' if index % 2 else 'PNG'}")
    picture.save(place / "more" / "deep.Jpg", "JPEG")
    (place / "notes.txt").write_text("no image")
    return place


def test_a_folder_with_all_in_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = choose_photos([str(folder)], None, None)
    assert len(found) == 11
    assert "deep.Jpg" in [photo.name for photo in found]
    told = "Note: 1 file beside the images left out: 1 .txt.\n"
    assert capsys.readouterr().err == told, "what evaluate and errors say of the same folder"
    again = choose_photos([], str(folder), None, workers=1)
    assert [photo.sha256 for photo in again] == [photo.sha256 for photo in found]


def test_a_count_spreads_and_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = choose_photos([str(folder / "*.png")], None, 5)
    assert [photo.name for photo in found] == ["0.PNG", "2.PNG", "4.PNG", "6.PNG", "8.PNG"]
    assert capsys.readouterr().err == "Note: 5 of 10 images are taken, evenly spread.\n"


def test_a_large_folder_is_cut_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(100, 140):
        (folder / f"{index}.png").write_bytes((folder / "1.png").read_bytes())
    assert len(choose_photos([str(folder)], None, None)) == MOST
    assert "32 of 51 images are taken, evenly spread; --count says" in capsys.readouterr().err


def test_patterns_in_folders_and_single_files(folder: Path) -> None:
    (found,) = choose_photos([str(folder / "MO*" / "*.jpg")], None, None)
    assert found.name == "deep.Jpg"
    single = [str(folder / name) for name in ("3.png", "1.png")]
    assert [photo.path for photo in choose_photos(single, None, None)] == single
    (folder / "odd[1].png").write_bytes((folder / "1.png").read_bytes())
    (odd,) = choose_photos([str(folder / "odd[1].png")], None, None)
    assert odd.path == str(folder / "odd[1].png")
    with pytest.raises(UsageError, match="No file matches"):
        choose_photos([str(folder / "*.gif")], None, None)
    with pytest.raises(UsageError, match="Both photos and --data"):
        choose_photos(["a.png"], str(folder), None)
    with pytest.raises(UsageError, match="Nothing is named of which 3"):
        choose_photos([], None, 3)


@pytest.mark.parametrize("command", ["predictions", "report"])
def test_they_are_looked_for_before_the_network_is(run, folder: Path, command: str) -> None:
    said = run(command, folder / "*.gif", "--model", "nowhere")
    assert said.code == 2
    assert "No file matches" in said.err


@pytest.mark.parametrize("command", ["report", "predictions", "top-activations"])
def test_a_file_that_is_not_there_is_refused_before_any_work(
    run, folder: Path, command: str
) -> None:
    there = folder / "more" / "deep.Jpg"
    typed = there.with_name(f"{there.stem}x{there.suffix}")
    said = run(command, there, typed, "--model", "nowhere")
    assert said.code == 2
    assert (
        said.error_lines[0]
        == f"Error: {typed.name}: there is no such file in {str(typed.parent)!r}."
    )
    assert f"Did you mean {there.name!r}" in said.error_lines[1]
    assert said.out == ""
    fetched = run(command, there, "https://example.org/a.png", "--model", "nowhere")
    assert fetched.code == 2
    assert "addresses are not fetched" in fetched.error_lines[0]


def test_shipped_data(capsys: pytest.CaptureFixture[str]) -> None:
    found = choose_photos([], "shapes", 3)
    assert len(found) == 3
    assert len({photo.name for photo in found}) == 3


def test_folders_and_lists_tell_the_labels(folder: Path, tmp_path: Path) -> None:
    (folder / "less").mkdir()
    (folder / "1.png").rename(folder / "less" / "1.png")
    found = choose_photos([str(folder / "*" / "*")], None, None)
    assert [(photo.name, photo.label) for photo in found] == [
        ("1.png", "less"),
        ("deep.Jpg", "more"),
    ]
    (tmp_path / "list.csv").write_text("path,label\nphotos/3.png,odd\nphotos/0.PNG,even\n")
    found = choose_photos([], str(tmp_path / "list.csv"), None)
    assert [(photo.name, photo.label) for photo in found] == [("3.png", "odd"), ("0.PNG", "even")]
    # Some lie in the folder itself, so that the names of the others are no classes.
    assert {photo.label for photo in choose_photos([str(folder)], None, None)} == {""}


def test_a_file_that_cannot_be_read_is_left_to_whoever_tells_of_all(folder: Path) -> None:
    (folder / "3.png").write_text("no image")
    found = choose_photos([str(folder)], None, None)
    assert [path for path in found if isinstance(path, Path)] == [folder / "3.png"]


@pytest.mark.parametrize("command", ["predictions", "cam"])
def test_commands_take_them(run, folder: Path, command: str) -> None:
    done = run(command, folder, "--count", 2, "--workers", 1, "--json")
    assert done.code == 0, done.err
    assert "2 of 11 images are taken" in done.err
    assert len(json.loads(done.out)["provenance"]["images"]) == 2


@pytest.mark.usefixtures("not_drawn")
def test_a_report_takes_them(run, folder: Path) -> None:
    counts = ("--count", 2, "--workers", 2)
    done = run("report", "--data", folder, *counts, "--sections", "predictions", "-o", "r")
    assert done.code == 0, done.err
    assert "2 of 11 images are taken" in done.err


def test_many_photos_are_written_page_by_page_with_their_marks(run, tmp_path: Path) -> None:
    samples = Shapes(split="held-out")
    for place in range(40):
        sample = samples[place]
        name = tmp_path / "val" / (sample.name if place else "no class")
        name.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(name / f"{place:02}.png")
    done = run("cam", "--data", "val", "--count", 17, "--dpi", 40, "-q", "-o", "cam.png")
    assert done.code == 0, done.err
    assert done.out.split() == ["cam-1.png", "cam-2.png"]
    for path in tmp_path.glob("cam-*.png"):
        with Image.open(path) as picture:
            assert 200 < max(picture.size) < 650
    with undrawn():
        done = run("predictions", "--data", "val", "--count", 40, "-q", "-o", "p.pdf")
    assert done.out.split()[-1] == "p.pdf"
    assert (tmp_path / "p.pdf").read_bytes().count(b"/Type /Page ") == 2


def test_photos_none_of_which_can_be_read_are_refused_at_once(folder: Path) -> None:
    cut = [folder / "cut.png", folder / "more" / "cut.png"]
    for file in cut:
        file.write_bytes((folder / "1.png").read_bytes()[:90])
    with pytest.raises(ImageError, match=r"^None of the 2 images .*more/cut.png: the file is"):
        find_photos([str(file) for file in cut], None, None).read()
    one_of_two = choose_photos([str(cut[0]), str(folder / "1.png")], None, None)
    assert one_of_two[0] == str(cut[0]), "which is told with the others that are refused"
    assert one_of_two[1].name == "1.png"
    (folder / "sound").write_text("no image by its name, so that a network may take it")
    assert choose_photos([str(folder / "sound")], None, None) == [str(folder / "sound")]
