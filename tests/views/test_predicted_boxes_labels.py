"""Where the labels of boxes stand that lie close together."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from cnnviz.views.pictures.predicted_boxes import label_corners
from tests.helpers.each_case import each_case

LINE, LETTER = 0.17 * 400 / 5.0, 0.068 * 400 / 5.0


@each_case("shift", [0.0, 1.0, 6.0])
def test_labels_of_boxes_that_lie_close_do_not_lie_on_one_another(shift: float) -> None:
    boxes = np.array([[200.0 + shift * k, 150.0 + shift * k, 330.0, 240.0] for k in range(6)])
    labels = [f"cake {k}.1%" for k in range(6)]
    corners = label_corners(boxes, labels, (300, 400))
    assert corners[0] == (200.0, 150.0), "the best box has its label above it"
    for (x, y), (other_x, other_y) in combinations(corners, 2):
        wide = len(labels[0]) * LETTER
        assert abs(y - other_y) >= 0.999 * LINE or abs(x - other_x) >= wide


def test_labels_stay_on_the_photo() -> None:
    boxes = np.array([[-20.0, -5.0, 50.0, 60.0], [390.0, 295.0, 420.0, 310.0]])
    for x, y in label_corners(boxes, ["a cat 92.0%", "a tree 50.0%"], (300, 400)):
        assert 0.0 <= x <= 400.0 - 11 * LETTER
        assert LINE <= y <= 300.0
    tiny = label_corners(np.array([[0.0, 0.0, 4.0, 4.0]] * 30), ["a"] * 30, (8, 8))
    assert len(tiny) == 30, "where there is no room they lie on one another"
