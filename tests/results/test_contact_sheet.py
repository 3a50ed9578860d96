"""Contact sheets: how photos are shared out to pages, marks, and files that belong together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text
from PIL import Image

import cnnviz
from cnnviz.errors import OutputError
from cnnviz.images import read_photo
from cnnviz.results.contact_sheet import PAGE, SheetEntry, SheetLayout, draw_sheet
from cnnviz.results.picture_style import FILE_DPI, LONGEST_SIDE, PictureStyle
from tests.helpers.colour_classes import SIDE, colour_model
from tests.helpers.each_case import each_case
from tests.helpers.undrawn import undrawn


def photos(count: int, label: str = ""):
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, 255, (count, SIDE, SIDE, 3), np.uint8)
    return [replace(read_photo(one, f"{n}.png"), label=label) for n, one in enumerate(drawn)]


@each_case("count", [1, 5, 17, 58, 400])
@each_case("tiles", [1, 2, 4, 30])
@each_case("tallest", [PAGE, 3.0, 0.5])
def test_every_photo_stands_on_one_page_and_no_page_is_too_tall(count, tiles, tallest):
    layout = SheetLayout(tiles, 3)
    pages = layout.pages(count, tallest)
    assert [n for page in pages for n in range(count)[page]] == list(range(count))
    sizes = [page.stop - page.start for page in pages]
    rows = -(-max(sizes) // layout.columns)
    assert rows == 1 or rows * layout.height + 0.5 <= tallest
    assert all(size == sizes[0] for size in sizes[:-1])


def test_a_mark_is_a_sign_and_a_colour():
    tile = np.zeros((4, 4, 3), np.uint8)
    entries = [SheetEntry((tile,), f"{right}", "cat", right) for right in (True, False, None)]
    figure, axes, _ = draw_sheet(entries, "title")
    answers = {text.get_text(): text.get_color() for text in axes.texts if "cat" in text.get_text()}
    assert set(answers) == {"✓ cat", "✗ cat", "cat"}
    assert len(set(answers.values())) == 3
    figure.draw_without_rendering()


def test_pictures_of_different_sizes_stand_in_squares_of_one_size():
    tiles = [
        np.full((height, width, 3), 9, np.uint8) for height, width in ((8, 8), (900, 300), (3, 7))
    ]
    _, axes, _ = draw_sheet([SheetEntry((tile,), "n") for tile in tiles], "title")
    pixels = np.asarray(axes.images[0].get_array())[..., :3]
    columns = np.flatnonzero((pixels == 9).all(2).any(0))
    starts = [columns[0], *columns[1:][np.diff(columns) > 1]]
    assert np.diff(starts).tolist() == [320, 320]


def test_many_heatmaps_go_onto_several_pages_and_none_is_lost(tmp_path: Path):
    seen = cnnviz.capture(colour_model(), photos(17, "red"), layers=["same"])
    found = cnnviz.cam(seen)
    parts = found.sheets()
    assert len(parts) == 2
    assert [name for part in parts for name in part.images] == list(found.images)
    # A quarter of what a page has by default.
    paths = found.save_sheets(tmp_path / "maps.png", PictureStyle(dpi=FILE_DPI / 4))
    assert [path.name for path in paths] == [f"maps-{n + 1}.png" for n in range(len(parts))]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        with Image.open(path) as picture:
            assert max(picture.size) <= LONGEST_SIDE / 4
            assert "sha256" in picture.text["Description"]
    with undrawn():
        assert found.save(tmp_path / "maps.pdf", dpi=40) == tmp_path / "maps.pdf"
        assert found._repr_html_().count("<img ") == len(parts), "a notebook shows every page"
    assert (tmp_path / "maps.pdf").read_bytes().count(b"/Type /Page ") == len(parts)
    text = " ".join(text.get_text() for text in parts[0].figure().axes[0].texts)
    assert text.count("✓") + text.count("✗") == len(parts[0].images)
    assert text.count("labelled red") == text.count("✗")
    assert "✓ in blue" in found.caption()


def test_the_bar_of_a_sheet_is_as_high_as_its_pictures():
    found = cnnviz.cam(cnnviz.capture(colour_model(), photos(7), layers=["same"]))
    figure = found.figure()
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (bar,) = axes.child_axes
    pixels = np.asarray(axes.images[0].get_array())
    dots = axes.bbox.height / pixels.shape[0]
    # Text of three lines, and a square of 1.84 inches at 160 dots each.
    assert bar.bbox.height == pytest.approx(dots * 1.84 * 160, rel=0.01)
    assert axes.bbox.y1 - bar.bbox.y1 == pytest.approx(dots * 0.45 * 160, rel=0.02)


def test_without_labels_nothing_is_marked():
    found = cnnviz.predictions(cnnviz.capture(colour_model(), photos(9), layers=()))
    assert found.answers == ()
    (axes,) = found.figure().axes
    assert not any("✓" in text.get_text() or "✗" in text.get_text() for text in axes.texts)
    other = cnnviz.predictions(cnnviz.capture(colour_model(), photos(9, "IMG"), layers=()))
    assert other.answers == (), "a folder that is called otherwise than a class is no label"


def test_labels_are_in_the_table_and_the_pictures_are_not_in_the_json():
    labelled = [*photos(2, "green"), *photos(1, "no class")]
    found = cnnviz.predictions(cnnviz.capture(colour_model(), labelled, layers=()), 1)
    assert [row[-1] for row in found.table().rows] == ["green", "green", None]
    assert found.table().headings[-1] == "label"
    assert "thumbnails" not in found.to_json()
    best = found.probabilities[0, 0]
    assert found.answers[0].probability == pytest.approx(best)
    assert found.answers[0].right == (found.names[0][0] == "green")


def test_when_one_page_cannot_be_written_none_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = cnnviz.cam(cnnviz.capture(colour_model(), photos(58), layers=["same"]))
    drawn = []

    def fail(self, path, style):
        drawn.append(path)
        if len(drawn) == 3:
            raise OSError(28, "No space left on device")
        path.write_bytes(b"page")

    monkeypatch.setattr(type(found), "_write_figure", fail)
    with pytest.raises(OutputError, match="No space left"):
        found.save(tmp_path / "maps.png")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_would_be_too_large_has_fewer_dots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # A row may be as high as a photo is, which no heatmap's is.
    monkeypatch.setattr("cnnviz.heatmaps.photo_heatmaps._RATIOS", (0.6, 30.0))
    tall = [read_photo(np.zeros((300, 10, 3), np.uint8), "tall.png")] * 3
    found = cnnviz.cam(cnnviz.capture(colour_model(), tall, layers=["same"]))
    assert len(found.sheets()) == 1
    assert max(found.figure().get_size_inches()) * 160 > LONGEST_SIDE
    with Image.open(found.save(tmp_path / "tall.png")) as picture:
        assert max(picture.size) == pytest.approx(LONGEST_SIDE, abs=1)


def test_what_belongs_to_each_photo_goes_with_it():
    found = cnnviz.occlusion(colour_model(), photos(8), window=8, stride=4)
    parts = found.sheets(tallest=3.0)
    assert len(parts) > 1
    assert [len(part.drops) for part in parts] == [len(part.images) for part in parts]
    np.testing.assert_array_equal(np.concatenate([part.drops for part in parts]), found.drops)
    assert "the part that the network saw is shown" in found.caption()


def test_labels_of_a_sheet_are_whole_and_its_bar_as_long_as_its_label() -> None:
    photos = [
        read_photo(np.full((30, 30, 3), shade, np.uint8), f"{shade}.png") for shade in range(6)
    ]
    figure = cnnviz.cam(cnnviz.capture(colour_model(), photos, layers=["same"])).figure()
    figure.draw_without_rendering()
    said = [text.get_text() for text in figure.findobj(Text)]
    assert not [text for text in said if "…" in text]
    bar = next(axes for axes in figure.findobj(Axes) if "share of" in axes.get_ylabel())
    label = bar.yaxis.label.get_window_extent().height
    assert label < 1.5 * bar.get_window_extent().height


@pytest.mark.parametrize(("height", "width"), [(1, 60), (4, 60), (40, 60), (60, 20)])
def test_a_colour_bar_is_as_long_as_its_label_beside_a_flat_picture_too(height: int, width: int):
    photo = read_photo(np.full((height, width, 3), 90, np.uint8), "flat.png")
    found = cnnviz.cam(cnnviz.capture(colour_model(), [photo], layers=["same"]))
    figure = found.figure()
    figure.draw_without_rendering()
    bar = next(axes for axes in figure.findobj(Axes) if "evidence" in axes.get_ylabel())
    high = bar.get_window_extent().height
    assert high > 1.1 * figure.dpi
    assert bar.yaxis.label.get_window_extent().height < 1.05 * high
    assert bar.get_window_extent().y1 == pytest.approx(
        figure.axes[1].get_window_extent().y1, abs=1.0
    )
