"""What is black around a photo, or enlarged, is told; an error comes before any remark."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cnnviz
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import Preprocessing, prepare, read_photo
from cnnviz.images.size_notes import size_notes
from cnnviz.models.settings import with_settings
from tests.helpers.each_case import each_case

CODE = """
from torch import nn


def make():
    return nn.Sequential(
        nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)
    )
"""


def _plain(resize: int | tuple[int, int] | None, crop: tuple[int, int] | None) -> Preprocessing:
    return Preprocessing(resize, crop, (0.5,) * 3, (0.5,) * 3)


@each_case(("resize", "crop"), [(256, (4000, 4000)), (256, (257, 300)), ((40, 60), (40, 61))])
def test_a_crop_that_no_photo_fills_is_refused(resize: object, crop: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="does not fill a crop") as refused:
        with_settings(_plain(32, (32, 32)), {"resize": resize, "crop": crop})
    assert f"{crop[0]} x {crop[1]} px" in refused.value.what


def test_a_crop_that_some_photos_fill_is_not() -> None:
    assert with_settings(_plain(32, None), {"crop": "16x64"}).crop == (16, 64)
    assert with_settings(_plain(None, None), {"crop": 4000}).crop == (4000, 4000)


def test_black_around_a_photo_is_measured() -> None:
    photo = read_photo(np.full((30, 40, 3), 255, np.uint8))
    small, large = _plain(None, (20, 20)), _plain(None, (60, 40))
    assert size_notes(photo, small) == ()
    (told,) = size_notes(photo, large)
    inputs = prepare(np.full((30, 40, 3), 255, np.uint8), large).tensor
    black = float((inputs == -1).float().mean())
    assert told.startswith(f"{black:.1%}")
    assert "30 x 40 px (height x width) are fewer than the 60 x 40 px" in told


def test_an_enlarged_photo_is_told_and_a_large_one_not() -> None:
    (told,) = size_notes(read_photo(np.zeros((60, 90, 3), np.uint8)), _plain(256, (224, 224)))
    assert "enlarged 4.3 times" in told
    assert "from 60 x 90 to 256 x 384 px" in told
    assert size_notes(read_photo(np.zeros((200, 300, 3), np.uint8)), _plain(256, None)) == ()


def test_a_photo_of_which_little_is_seen_is_told() -> None:
    usual, panorama = (np.zeros((60, width, 3), np.uint8) for width in (140, 800))
    plain = _plain(32, (28, 28))
    assert size_notes(read_photo(usual), plain) == ()
    told = f"the network sees {28**2 / (32 * 426):.1%} of the photo, its middle; the rest is cut"
    assert size_notes(read_photo(panorama), plain) == (told,)
    assert "sees 0.4% of the photo" in size_notes(read_photo(panorama), _plain(None, (14, 14)))[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(CODE)
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_line_and_a_report_tell_it(run, folder: Path) -> None:
    said = run("cam", "photo.png", "-m", "net.py:make", "--crop", "80", "--resize", "none")
    assert said.code == 0, said.err
    assert "Note: photo.png: 68.8% of the input of the network is black" in said.err
    made = cnnviz.report(cnnviz.load("net.py:make"), folder / "photo.png", "photo")
    assert any("enlarged" in note for note in made.sections[0].notes)


def test_notes_of_many_photos_are_told_once(folder: Path) -> None:
    network = cnnviz.load("net.py:make")
    found = cnnviz.predictions(cnnviz.capture(network, [np.zeros((40, 50, 3), np.uint8)] * 6))
    told = [note for note in found.provenance.notes if "enlarged" in note]
    assert len(told) == 1
    assert told[0].startswith("image 0, image 1, image 2 and 3 more: enlarged")


@pytest.mark.parametrize(
    "arguments",
    [("cam", "photo.png", "--layer", "nosuch"), ("cam", "photo.png", "--target", "99")],
)
def test_an_error_is_told_before_any_remark(run, folder: Path, arguments: tuple[str, ...]) -> None:
    said = run(*arguments, "-m", "net.py:make")
    assert said.code == 2
    assert said.err.startswith("Error: ")
    assert "The preprocessing is guessed" not in said.err


def test_a_long_run_tells_the_guess_with_its_first_step(run, folder: Path) -> None:
    said = run("occlude", "photo.png", "-m", "net.py:make", "--window", "112", "--stride", "112")
    assert said.err.startswith("Note: The preprocessing is guessed")
    assert said.err.count("The preprocessing is guessed") == 1


def test_sizes_are_height_and_width_in_that_order() -> None:
    told = _plain((40, 60), (30, 50)).describe()
    assert told.startswith("height 40 x width 60 px (bilinear), centre height 30 x width 50 px")
    assert _plain(32, (24, 24)).describe().startswith("shorter side 32 px (bilinear), centre 24 x")
    with pytest.raises(ImageError, match=r"its 2 x 30000 px would become 500 x 7,500,000 px \(hei"):
        _plain(500, None)(read_photo(np.zeros((2, 30_000, 3), np.uint8)))
