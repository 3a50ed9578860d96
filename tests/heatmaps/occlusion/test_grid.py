"""Where squares lie, and what they hide."""

import numpy as np
import torch

from cnnviz.heatmaps.occlusion import Grid
from tests.helpers.each_case import each_case


@each_case("size", [(16, 16, 4, 4), (17, 23, 5, 3), (9, 9, 9, 2), (8, 30, 8, 8)])
@each_case("most", [2, 7, 64])
def test_groups_hold_every_square_once(size, most: int) -> None:
    grid = Grid(*size)
    groups = list(grid.groups(most))
    assert sorted(position for group in groups for position in group) == list(grid.positions)
    assert all(1 <= len(group) <= most for group in groups)


def test_the_last_square_is_cut_off_at_the_border() -> None:
    grid = Grid(10, 10, 4, 4)
    assert (grid.rows, grid.columns) == (3, 3)
    image, baseline = torch.zeros(1, 1, 10, 10), torch.ones(1, 1, 10, 10)
    patches = grid.hide(image, baseline, ((0, 0), (2, 2), (1, 2)))
    assert patches.values.sum((1, 2, 3)).tolist() == [16.0, 4.0, 8.0]
    assert patches.rows.starts == (0, 6, 4)


def test_a_pixel_has_the_mean_of_the_squares_that_hide_it() -> None:
    drops = np.arange(4.0).reshape(2, 2)
    found = Grid(6, 6, 4, 2).spread(drops)
    assert found[0, 0] == 0.0
    assert found[0, 5] == 1.0
    assert found[3, 0] == 1.0
    assert found[3, 3] == 1.5
    assert found.dtype == np.float32
