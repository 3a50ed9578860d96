"""Formulas of class activation maps, and how several maps become one, apart from any network."""

from __future__ import annotations

import numpy as np
import torch

from cnnviz.heatmaps.cam_methods import gradcam_plus_plus, xgradcam
from cnnviz.heatmaps.map_places import covered, fused, over_image


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
    assert covered(torch.zeros(1, 1, 1), ((0.0, 1.0), (0.0, 1.0))) == (1, 1)
    assert covered(torch.zeros(1, 3, 4), ((0.0, 3.0), (0.0, 8.0))) == (1, 1)
    assert covered(torch.zeros(1, 3, 4), ((0.0, 1.0), (0.0, 0.5))) == (3, 8)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_a_map_that_begins_beside_the_image_is_read_where_each_pixel_lies() -> None:
    maps, (left, top, right, bottom) = drawn(2, 4, 6).double(), (-0.1, 0.2, 0.9, 1.3)
    found = over_image(maps, ((top, bottom), (left, right)), (7, 9)).numpy()
    # A cell's value is that of its middle; in between along lines, and beyond them none changes.
    rows, columns = (np.arange(7) + 0.5) / 7, (np.arange(9) + 0.5) / 9
    down = (rows - top) / (bottom - top) * 4 - 0.5
    across = (columns - left) / (right - left) * 6 - 0.5
    for one, read in zip(maps.numpy(), found, strict=True):
        lines = np.stack([np.interp(across, np.arange(6), line) for line in one])
        wanted = np.stack([np.interp(down, np.arange(4), line) for line in lines.T], 1)
        np.testing.assert_allclose(read, wanted, atol=1e-6)


def test_the_gradient_of_a_saturated_score_makes_the_same_map_as_in_double_precision() -> None:
    # Its square and cube are zero in float32.
    activations, gradients = drawn(1, 4, 3, 3).relu(), 1e-25 * drawn(2, 4, 3, 3)[1:]
    found = gradcam_plus_plus(activations, gradients)
    wanted = gradcam_plus_plus(activations.double(), gradients.double())
    assert float(wanted.abs().max()) > 0.0
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=0.0)


def test_a_channel_whose_activations_cancel_has_no_weight_in_xgradcam() -> None:
    activations, gradients = drawn(1, 2, 5, 5), drawn(2, 2, 5, 5)[1:]
    # As behind an instance norm: the mean is zero but for rounding.
    activations[:, 0] -= activations[:, 0].mean()
    found = xgradcam(activations, gradients)
    torch.testing.assert_close(found, xgradcam(activations[:, 1:], gradients[:, 1:]))
