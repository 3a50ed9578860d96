"""The photo as the network sees it: the frame lies where the crop is."""

import numpy as np
import pytest

from cnnviz.images import Preprocessing
from cnnviz.reports import report
from tests.helpers.report_model import small_model


def part_of(photo, resize, crop):
    settings = Preprocessing(resize, crop, (0.5,) * 3, (0.25,) * 3)
    return report(small_model(preprocessing=settings), photo, "photo").sections[0]


def test_the_share_of_the_photo_is_that_of_the_crop(photos):
    # 40 x 60 pixels, the shorter side to 32: the crop of 32 x 32 is 40 x 40 of them.
    part = part_of(photos[0], 32, (32, 32))
    data = part.pictures[0].data
    assert data["share_seen"] == pytest.approx(40 / 60, abs=0.01)
    assert data["box"]["left"] == pytest.approx(10, abs=0.7)
    assert data["box"]["right"] == pytest.approx(50, abs=0.7)
    assert "66.7% of it" in part.pictures[0].caption


def test_the_frame_lies_on_the_crop(photos):
    part = part_of(photos[0], 32, (32, 32))
    box = part.pictures[0].data["box"]
    left, right = part.pictures[0].draw().axes
    frames = [patch.get_bbox() for patch in left.patches]
    assert len(frames) == 2
    for frame in frames:
        np.testing.assert_allclose(
            [frame.x0, frame.x1, frame.y0, frame.y1],
            np.array([box["left"], box["right"], box["top"], box["bottom"]]) - 0.5,
        )
    assert right.images[0].get_array().shape[:2] == (32, 32)


def test_a_photo_that_is_seen_whole_has_no_frame(photos):
    part = part_of(photos[0], (32, 32), None)
    assert "all of which the network sees" in part.pictures[0].caption
    assert not part.pictures[0].draw().axes[0].patches
