"""How maps of several layers become one, apart from any network."""

from __future__ import annotations

import torch

from cnnviz.heatmaps.cam_methods import covered, fused


def test_each_image_is_scaled_by_its_own_maximum_and_one_without_evidence_is_zero() -> None:
    maps = torch.tensor(
        [[[0.0, 8.0], [4.0, -1.0]], [[0.5, 0.0], [0.0, 0.25]], [[-1.0, -2.0], [0.0, 0.0]]]
    )
    found = fused([maps])
    shares = torch.tensor(
        [[[0.0, 1.0], [0.5, 0.0]], [[1.0, 0.0], [0.0, 0.5]], [[0.0, 0.0], [0.0, 0.0]]]
    )
    torch.testing.assert_close(found, torch.tanh(2.0 * shares))


def test_maps_of_one_place_cover_one_row_and_one_column() -> None:
    assert covered(torch.zeros(1, 1, 1), (0.0, 0.0, 1.0, 1.0)) == (1, 1)
    assert covered(torch.zeros(1, 3, 4), (0.0, 0.0, 8.0, 3.0)) == (1, 1)
    assert covered(torch.zeros(1, 3, 4), (0.0, 0.0, 0.5, 1.0)) == (3, 8)
