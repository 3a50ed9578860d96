"""Localisation over images with annotated boxes, and the best threshold over all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.datasets.annotated_boxes import AnnotatedBox
from cnnviz.datasets.files import ImageFolder
from cnnviz.errors import ImageError, UsageError
from cnnviz.evaluation import evaluate
from cnnviz.evaluation.best_threshold import best_threshold
from cnnviz.evaluation.data import EvaluationImage
from cnnviz.evaluation.records import MeasureColumn
from cnnviz.heatmaps.checks.localisation import found_at
from cnnviz.heatmaps.checks.measure_groups import CheckSettings
from cnnviz.heatmaps.map_boxes import BOX_THRESHOLDS
from cnnviz.images import PhotoBox, read_photo
from cnnviz.results.intervals import wilson
from tests.helpers.colour_classes import SIDE, colour_model

MARKED = CheckSettings(groups=("localisation",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return photos of a coloured square each, with masks and with the boxes around these."""
    root, lines = tmp_path / "val", ["path,label,left,top,right,bottom"]
    (root / "in").mkdir(parents=True)
    squares = [(2, 2, 10, 10, 0), (6, 4, 14, 14, 0), (1, 8, 8, 15, 2)]
    for place, (left, top, right, bottom, channel) in enumerate(squares):
        photo = np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8)
        photo[top:bottom, left:right, channel] = 255
        Image.fromarray(photo).save(root / "in" / f"{place}.png")
        Image.fromarray(photo.max(2)).save(root / "in" / f"{place}-mask.png")
        name = ("red", "green", "blue")[channel]
        lines.append(f"in/{place}.png,{name},{left},{top},{right},{bottom}")
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    return root


def found_of(folder: Path, **options):
    given = {"methods": ["gradcam"], "layer": "same", "settings": MARKED, "random": 2, **options}
    return evaluate(colour_model(), folder, **given)


def test_boxes_around_squares_say_what_their_masks_say(folder, tmp_path):
    by_mask = found_of(folder)
    by_box = found_of(folder, boxes=tmp_path / "boxes.csv")
    assert [c.key for c in by_box.columns] == [c.key for c in by_mask.columns]
    np.testing.assert_allclose(by_box.values, by_mask.values)
    assert by_box.cell("gradcam", "pointing").mean == 1.0
    assert by_box.cell("gradcam", "max_box_found").images == 3
    assert by_box.best_thresholds == by_mask.best_thresholds
    assert "Zhou et al. 2016" in by_box.caption()
    by_box.save(tmp_path / "evaluation.png")


def test_boxes_of_another_size_of_the_photos_are_left_out_and_named(folder, tmp_path):
    """Those beyond the photo were measured as they were: nothing was found, of no image told."""
    lines = ["path,left,top,right,bottom", "in/0.png,2,2,10,10", "in/1.png,60,40,140,140"]
    (tmp_path / "boxes.csv").write_text("\n".join([*lines, "in/2.png,1,8,80,15"]))
    found = found_of(folder, boxes=tmp_path / "boxes.csv")
    assert found.images == ("0.png",)
    assert [note.partition(" it is")[0] for note in found.provenance.notes] == [
        "in/1.png:",
        "in/2.png:",
    ]
    (tmp_path / "boxes.csv").write_text("\n".join([lines[0], lines[2]]))
    with pytest.raises(ImageError, match=r"no image to evaluate on \(in/1.png: .*lies outside"):
        found_of(folder, boxes=tmp_path / "boxes.csv")


def test_boxes_are_held_against_photos_whose_size_is_known_only_when_they_are_read(
    folder, tmp_path, monkeypatch
):
    """As of data sets of other packages: those beyond their photos were measured."""
    monkeypatch.setattr(ImageFolder, "size", lambda *_: None)
    lines = ["path,left,top,right,bottom", "in/0.png,2,2,10,10", "in/1.png,60,40,140,140"]
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    found = found_of(folder, boxes=tmp_path / "boxes.csv")
    assert found.images == ("0.png", "2.png"), "which has no box"
    assert any("in/1.png" in note and "outside" in note for note in found.provenance.notes)
    photo, drawn = read_photo(folder / "in/1.png"), AnnotatedBox(PhotoBox(60, 40, 140, 140), "")
    with pytest.raises(ImageError, match="lies outside"):
        EvaluationImage(photo, boxes=[drawn])


def test_measures_of_fewer_images_say_of_how_many(folder):
    """Two of three images have a mask: means and intervals are of two, and were told of three."""
    told = "Over as many images as have such a value: pointing game 2, energy inside 2"
    assert not any("Over as many" in one for one in found_of(folder).counted())
    (folder / "in/1-mask.png").unlink()
    found = found_of(folder)
    assert found.cell("gradcam", "pointing").images == 2
    assert told in found.caption()
    assert "Of one image there is no interval, nor at a best threshold" in found.caption()


def test_the_best_threshold_is_the_one_with_most_boxes(folder):
    found = found_of(folder)
    keys = [column.key for column in found.columns]
    means = [found.values[0, keys.index(found_at(t))].mean() for t in BOX_THRESHOLDS]
    cell = found.cell("gradcam", "max_box_found")
    assert cell.mean == max(means)
    assert found.best_thresholds == (BOX_THRESHOLDS[int(np.argmax(means))],)
    assert np.isnan([cell.low, cell.high]).all(), "three images tell nothing of such a choice"


def test_the_threshold_is_chosen_over_all_images_and_anew_in_each_resample():
    columns = [MeasureColumn(found_at(t), "", "high") for t in BOX_THRESHOLDS]
    value = np.zeros((2, len(columns), 12))
    # Each image is found at some threshold; no threshold finds more than half of them.
    value[0, 3, :6] = value[0, 8, 6:] = 1.0
    value[1] = np.nan
    found = best_threshold(columns, {"value": value, "random": value, "beaten": value}, seed=0)
    assert found.held["value"][0].tolist() == [1] * 6 + [0] * 6
    assert found.thresholds[0] == BOX_THRESHOLDS[3]
    assert np.isnan(found.thresholds[1])
    # A resample may hold images of one kind more often, and its best threshold finds these.
    assert found.low[0] == 0.5
    assert 0.7 < found.high[0] < 0.9
    assert np.isnan(found.low[1])
    assert best_threshold(columns[1:], {"value": value[:, 1:]}, seed=0) is None
    value[:, 3] = 1.0
    found = best_threshold(columns, {"value": value, "random": value, "beaten": value}, seed=0)
    assert (found.low[0], found.high[0]) == wilson(12, 12), "all found: no resample has another"


def test_of_labelled_boxes_those_of_the_answer_count(folder, tmp_path):
    (tmp_path / "boxes.csv").write_text(
        "path,label,x1,y1,x2,y2\nin/0.png,red,2,2,10,10\nin/0.png,green,12,12,16,16\n"
        "in/1.png,green,6,4,14,14\n"
    )
    found = found_of(folder, boxes=tmp_path / "boxes.csv")
    pointing = found.cell("gradcam", "pointing")
    # The second photo is answered red and has no box of red, the third has none at all.
    assert (pointing.images, pointing.mean) == (1, 1.0)
    assert any("1 image without a box in boxes.csv" in note for note in found.provenance.notes)
    text = (tmp_path / "boxes.csv").read_text().replace("red", "ball").replace("green", "ball")
    (tmp_path / "boxes.csv").write_text(text)
    assert found_of(folder, boxes=tmp_path / "boxes.csv").cell("gradcam", "pointing").images == 2


def test_boxes_of_other_images_are_refused(folder, tmp_path):
    (tmp_path / "boxes.csv").write_text("path,x1,y1,x2,y2\nother.png,2,2,10,10\n")
    with pytest.raises(UsageError, match="no box of any of the images"):
        found_of(folder, boxes=tmp_path / "boxes.csv")
