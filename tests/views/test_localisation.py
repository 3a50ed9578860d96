"""From map to box in a photo: the box, its overlap, and the boxes that somebody drew."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cnnviz
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import PhotoBox
from cnnviz.results import drawing
from cnnviz.results.legibility import crowded
from cnnviz.results.picture_style import PictureStyle
from tests.helpers.colour_classes import SIDE, colour_model
from tests.helpers.each_case import each_case
from tests.helpers.undrawn import undrawn

TRUE = PhotoBox(8, 4, 14, 12)


def photo(channel: int = 0) -> np.ndarray:
    found = np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8)
    found[4:12, 8:14, channel] = 255
    return found


@pytest.fixture
def seen():
    return cnnviz.capture(colour_model(), [photo(), photo(1)], layers=["same"])


def overlap(first: PhotoBox, second: PhotoBox) -> float:
    """Return the intersection over union by counting pixels."""
    pixels = []
    for box in (first, second):
        grid = np.zeros((40, 40), bool)
        grid[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = True
        pixels.append(grid)
    return float((pixels[0] & pixels[1]).sum() / (pixels[0] | pixels[1]).sum())


def test_the_box_lies_on_the_object_and_its_overlap_is_counted(seen):
    found = cnnviz.localisation(seen, boxes=[TRUE, (PhotoBox(0, 0, 3, 3), TRUE)])
    heat = cnnviz.cam(seen)
    for place in range(2):
        assert found.boxes[place] == heat.box(place)
        assert found.overlaps[place] == pytest.approx(overlap(found.boxes[place], TRUE))
        for threshold, value in zip(found.thresholds, found.overlaps_at[place], strict=True):
            assert value == pytest.approx(overlap(heat.box(place, threshold=threshold), TRUE))
        row, column = found.peaks[place]
        assert TRUE.top <= row < TRUE.bottom
        assert TRUE.left <= column < TRUE.right
    assert found.found == (True, True)
    assert found.pointing.tolist() == [1.0, 1.0]
    assert found.best(0)[1] == found.overlaps_at[0].max()
    assert "2 of 2 boxes found" in found.summary()
    assert "px (left, top, right, bottom), overlap" in found.summary()


def test_a_map_that_is_drawn_without_evidence_points_as_a_blind_guess_does() -> None:
    """Also where the values against the class, which are not drawn, differ."""
    against = cnnviz.capture(
        colour_model(), photo(), layers=["same"], target=lambda scores: -scores[:, 0] - 1.0
    )
    found = cnnviz.localisation(against, boxes=[TRUE])
    values = found.heatmap.maps[0]
    assert values.max() <= 0.0
    assert values.min() < values.max()
    assert found.pointing[0] == pytest.approx(TRUE.width * TRUE.height / (2 * SIDE) ** 2)


def test_a_mask_and_the_box_around_it_are_the_same(seen):
    mask = photo().any(2)
    by_mask = cnnviz.localisation(seen, boxes=[mask, mask])
    by_box = cnnviz.localisation(seen, boxes=[TRUE, TRUE])
    assert by_mask.annotated == by_box.annotated == ((TRUE,), (TRUE,))
    np.testing.assert_array_equal(by_mask.overlaps, by_box.overlaps)


def test_without_annotated_boxes_there_is_a_box_and_no_verdict(seen, tmp_path: Path):
    found = cnnviz.localisation(seen, threshold=0.9)
    assert found.found == (None, None)
    assert found.boxes[0].width < cnnviz.localisation(seen).boxes[0].width
    assert "overlap" not in found.caption()
    found.figure().draw_without_rendering()
    found.save(tmp_path / "found.csv")
    rows = list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines()))
    assert [row["best threshold"] for row in rows] == ["", ""]


def test_a_map_without_evidence_has_no_box_in_words_and_numbers(seen, tmp_path: Path):
    found = cnnviz.localisation(seen)
    maps = tuple(np.zeros_like(one) for one in found.heatmap.maps)
    nothing = PhotoBox(0.0, 0.0, 0.0, 0.0)
    empty = replace(found, heatmap=replace(found.heatmap, maps=maps), boxes=(nothing, nothing))
    assert "no evidence for it, so no box" in empty.summary()
    assert "0, 0" not in empty.summary()
    empty.save(tmp_path / "found.csv")
    rows = list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines()))
    assert {row[side] for row in rows for side in ("left", "top", "right", "bottom")} == {""}


def test_a_wrong_box_is_not_found(seen):
    found = cnnviz.localisation(seen, boxes=[PhotoBox(0, 0, 6, 3), TRUE])
    assert found.found == (False, True)
    assert found.pointing.tolist() == [0.0, 1.0]
    found.figure().draw_without_rendering()


def test_a_photo_whose_box_is_known_beside_one_without(seen):
    found = cnnviz.localisation(seen, boxes=[(), TRUE])
    assert found.found == (None, True)
    assert math.isnan(found.pointing[0])
    assert "1 photo without an annotated box" in found.caption()
    found.figure().draw_without_rendering()


def test_boxes_in_words_and_in_files(tmp_path: Path):
    from PIL import Image

    for name, channel in (("a.png", 0), ("b.png", 1)):
        Image.fromarray(photo(channel)).save(tmp_path / name)
    one = cnnviz.capture(colour_model(), tmp_path / "a.png", layers=["same"])
    assert cnnviz.localisation(one, boxes="8, 4, 14, 12").annotated == ((TRUE,),)
    both = cnnviz.capture(colour_model(), [tmp_path / n for n in ("a.png", "b.png")], layers="conv")
    (tmp_path / "boxes.csv").write_text(
        "path,label,x1,y1,x2,y2\na.png,red,8,4,14,12\na.png,blue,0,0,2,2\nb.png,blue,1,1,3,3\n"
    )
    found = cnnviz.localisation(both, boxes=str(tmp_path / "boxes.csv"))
    # Of the boxes those of the explained class count, and the second photo has none of green.
    assert found.annotated == ((TRUE,), ())
    for text, what in (("1,2,3", "not four numbers"), ("3,3,1,9", "has no size")):
        with pytest.raises(UsageError, match=what):
            cnnviz.localisation(one, boxes=text)
    with pytest.raises(UsageError, match="one box for 2 photos"):
        cnnviz.localisation(both, boxes="8,4,14,12")
    (tmp_path / "boxes.csv").write_text("path,x1,y1,x2,y2\nother.png,8,4,14,12\n")
    with pytest.raises(UsageError, match="has no box of"):
        cnnviz.localisation(both, boxes=str(tmp_path / "boxes.csv"))


def test_what_is_refused(seen):
    with pytest.raises(UsageError, match="threshold cannot be 0"):
        cnnviz.localisation(seen, threshold=0.0)
    with pytest.raises(UsageError, match="There is 1 mark for 2 photos"):
        cnnviz.localisation(seen, boxes=[TRUE])
    with pytest.raises(UsageError, match="A mask has the shape"):
        cnnviz.localisation(seen, boxes=[np.ones((2, 2), bool), TRUE])


def test_many_photos_are_pages(tmp_path: Path):
    seen = cnnviz.capture(colour_model(), [photo(n % 3) for n in range(5)], layers=["same"])
    found = cnnviz.localisation(seen)
    pages = found.sheets()
    assert [len(page.boxes) for page in pages] == [4, 1]
    with undrawn():
        files = found.save_sheets(tmp_path / "found.png", PictureStyle(dpi=40))
    assert [path.name for path in files] == ["found-1.png", "found-2.png"]


@each_case(
    ("box", "how"),
    [
        (PhotoBox(5000, 5000, 6000, 6000), "lies outside"),
        (PhotoBox(-9, 0, 0, 5), "lies outside"),
        (PhotoBox(2, 2, 20, 9), "reaches far beyond"),
        (PhotoBox(-2, 2, 9, 9), "reaches far beyond"),
    ],
)
def test_a_box_that_cannot_be_of_its_photo_is_refused(seen, box, how):
    for mark in (box, (TRUE, box)):
        with pytest.raises(ImageError, match=f"image 1.* the box .* {how}"):
            cnnviz.localisation(seen, boxes=[TRUE, mark])


def test_an_object_outside_what_the_network_saw_is_told():
    """A wide photo is cropped at its sides, and a box there says nothing of the map."""
    wide = np.pad(photo(), ((0, 0), (SIDE, SIDE), (0, 0)))
    seen = cnnviz.capture(colour_model(), wide, layers=["same"])
    outside = cnnviz.localisation(seen, boxes=[PhotoBox(0, 0, 2, 2)])
    assert outside.found == (None,)
    assert "In the photo what is annotated lies outside the part" in outside.caption()
    inside = cnnviz.localisation(seen, boxes=[PhotoBox(SIDE + 8, 4, SIDE + 14, 12)])
    assert inside.found == (True,)
    assert "outside the part" not in inside.caption()


@pytest.mark.parametrize(("marks", "least"), [(None, 0.4), ([PhotoBox(8, 2, 14, 6)], 0.3)])
def test_a_wide_photo_fills_a_slide_above_its_map(marks, least: float) -> None:
    wide = np.zeros((SIDE, 3 * SIDE, 3), np.uint8)
    wide[2:6, 8:14, 0] = 255
    found = cnnviz.localisation(
        cnnviz.capture(colour_model(), [wide], layers=["same"]), boxes=marks
    )
    figure = found.figure(figure=drawing.new_figure(10.0, 5.625))
    assert crowded(figure) == ""
    photo, *small = [axes.bbox for axes in figure.axes if axes.get_aspect() != "auto"]
    assert photo.width > 0.7 * figure.bbox.width
    share = sum(panel.width * panel.height for panel in (photo, *small))
    assert share > least * figure.bbox.width * figure.bbox.height


@pytest.mark.parametrize("marks", [None, [PhotoBox(8, 1, 14, 4)]])
@pytest.mark.parametrize("ratio", [0.04, 0.125])
def test_the_panels_of_a_panorama_stand_one_under_another(marks, ratio: float) -> None:
    panorama = np.zeros((SIDE, round(SIDE / ratio), 3), np.uint8)
    panorama[2:6, 8:14, 0] = 255
    found = cnnviz.localisation(
        cnnviz.capture(colour_model(), [panorama], layers=["same"]), boxes=marks
    )
    figure = found.figure()
    assert crowded(figure) == ""
    panels = [axes.bbox for axes in figure.axes if axes.get_aspect() != "auto"]
    assert len(panels) == 3
    assert all(panel.width > 0.3 * figure.bbox.width for panel in panels)


@pytest.mark.parametrize(("marks", "least"), [(None, 0.5), ([TRUE], 0.4)])
def test_a_photo_fills_a_slide_beside_its_map(marks, least: float) -> None:
    found = cnnviz.localisation(
        cnnviz.capture(colour_model(), [photo()], layers=["same"]), boxes=marks
    )
    figure = found.figure(figure=drawing.new_figure(10.0, 5.625))
    assert crowded(figure) == ""
    panels = [axes.bbox for axes in figure.axes if axes.get_aspect() != "auto"]
    assert panels[0].height > 0.75 * figure.bbox.height
    share = sum(panel.width * panel.height for panel in panels)
    assert share > least * figure.bbox.width * figure.bbox.height
