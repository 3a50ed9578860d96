"""Folders, patterns and data sets in place of photos, in any case of suffix, as many as asked."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import UsageError
from cnnviz_cli.chosen_photos import MOST, choose_photos


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


def test_a_folder_with_all_in_it(folder: Path) -> None:
    found = choose_photos([str(folder)], None, None)
    assert len(found) == 11
    assert folder / "more" / "deep.Jpg" in found
    assert choose_photos([], str(folder), None) == found


def test_a_count_spreads_and_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = choose_photos([str(folder / "*.png")], None, 5)
    assert [path.name for path in found] == ["0.PNG", "2.PNG", "4.PNG", "6.PNG", "8.PNG"]
    assert capsys.readouterr().err == "Note: 5 of 10 images are taken, evenly spread.\n"


def test_a_large_folder_is_cut_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(100, 140):
        (folder / f"{index}.png").write_bytes((folder / "1.png").read_bytes())
    assert len(choose_photos([str(folder)], None, None)) == MOST
    assert "32 of 51 images are taken, evenly spread; --count says" in capsys.readouterr().err


def test_patterns_in_folders_and_single_files(folder: Path) -> None:
    assert choose_photos([str(folder / "MO*" / "*.jpg")], None, None) == [
        folder / "more" / "deep.Jpg"
    ]
    assert choose_photos(["a.png", "b.png"], None, None) == ["a.png", "b.png"]
    (folder / "odd[1].png").write_bytes((folder / "1.png").read_bytes())
    assert choose_photos([str(folder / "odd[1].png")], None, None) == [str(folder / "odd[1].png")]
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


def test_shipped_data(capsys: pytest.CaptureFixture[str]) -> None:
    found = choose_photos([], "shapes", 3)
    assert len(found) == 3
    assert len({photo.name for photo in found}) == 3


@pytest.mark.parametrize("command", ["predictions", "cam"])
def test_commands_take_them(run, folder: Path, command: str) -> None:
    done = run(command, folder, "--count", 2, "--json")
    assert done.code == 0, done.err
    assert "2 of 11 images are taken" in done.err
    assert len(json.loads(done.out)["provenance"]["images"]) == 2


def test_a_report_takes_them(run, folder: Path) -> None:
    done = run("report", "--data", folder, "--count", 2, "--sections", "predictions", "-o", "r")
    assert done.code == 0, done.err
    assert "2 of 11 images are taken" in done.err
