"""From a map to a box, against scipy's connected pieces and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import cnnviz
from cnnviz.errors import UsageError
from cnnviz.heatmaps.map_boxes import BOX_THRESHOLDS, NO_BOX, box_overlap, map_box, pieces_above
from cnnviz.images import PhotoBox
from tests.helpers.colour_classes import SIDE, colour_model
from tests.helpers.each_case import each_case


def smooth(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(40, 50))
    return np.maximum(ndimage.gaussian_filter(noise, 3), 0).astype(np.float32)


@each_case("seed", range(4))
def test_the_largest_piece_is_that_of_scipy(seed):
    values = smooth(seed)
    for threshold in (*BOX_THRESHOLDS, 1.0):
        named, count = ndimage.label(
            values >= np.float32(threshold * float(values.max())), np.ones((3, 3))
        )
        sizes = ndimage.sum_labels(named > 0, named, range(1, count + 1))
        pieces, largest = pieces_above(values, threshold)
        assert (pieces > 0).tolist() == (named > 0).tolist()
        assert (pieces == largest).sum() == sizes.max()
        if (sizes == sizes.max()).sum() == 1:
            rows, columns = ndimage.find_objects(named)[int(sizes.argmax())]
            expected = PhotoBox(columns.start, rows.start, columns.stop, rows.stop)
            assert map_box(values, threshold) == expected


def test_the_box_shrinks_as_the_threshold_rises():
    values = smooth(0)
    areas = [(pieces_above(values, t)[0] > 0).sum() for t in BOX_THRESHOLDS]
    assert areas == sorted(areas, reverse=True)
    assert map_box(np.zeros((4, 4), np.float32)) == NO_BOX
    assert box_overlap(map_box(np.ones((4, 4), np.float32)), PhotoBox(0, 0, 4, 2)) == 0.5


def test_the_box_of_a_heatmap_lies_in_pixels_of_the_photo():
    photo = np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8)
    photo[4:12, 8:14, 0] = 255
    model = colour_model()
    capture = cnnviz.capture(model, photo, layers=["same"], target="red")
    heat = cnnviz.cam(capture)
    box = heat.box()
    assert box == map_box(np.nan_to_num(heat.on_photo()))
    assert box_overlap(box, PhotoBox(8, 4, 14, 12)) >= 0.6
    tight = heat.box(threshold=0.9)
    assert tight.width * tight.height < box.width * box.height
    for threshold in (0.0, 1.5, float("nan")):
        with pytest.raises(UsageError, match="A box cannot begin at"):
            heat.box(threshold=threshold)
