"""What could not be measured of a part is left out of the mean, and told; the rest is not lost."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import cnnviz
from cnnviz.results.known_mean import mean_of_known
from cnnviz.views.gradient_whiteness import gradient_whiteness


def test_the_mean_is_that_of_what_is_known() -> None:
    values = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(mean_of_known(values, 1), [2.0, np.nan])
    assert mean_of_known(values, (0, 1)) == 2.0


def test_one_channel_one_image_or_one_line_that_is_constant_says_nothing_of_the_others() -> None:
    ramp = np.zeros((12, 12, 3), np.uint8)
    ramp[..., 0] = np.arange(12) * 20
    red = cnnviz.pixels(cnnviz.load(), ramp)
    assert red.alike(1) > 0.9
    assert "neighbours that vary correlate with" in red.summary()
    row = cnnviz.pixels(cnnviz.load(), ramp[:1])
    assert "neighbours that vary correlate with" in row.summary()

    positive = nn.Conv2d(3, 4, 3, bias=False)
    positive.weight.data.abs_()
    head = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    network = nn.Sequential(positive, *head).eval()
    lit = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    dark = torch.zeros(1, 3, 12, 12)
    alone = cnnviz.equivariance(network, lit, "0", shift=2)
    both = cnnviz.equivariance(network, torch.cat([lit, dark]), "0", shift=2)
    np.testing.assert_allclose(both.at_strides, alone.at_strides, atol=1e-5)
    assert "constant maps, not counted, for 1 of 2 images" in both.summary()

    line = torch.cat([2.0 * lit - 1.0, dark - 1.0, dark - 2.0])
    white = gradient_whiteness(network, line, points=5)
    assert np.isfinite(white.lag_one["Sequential"])
    assert "without 1 of 2 lines: a constant gradient" in white.summary()
