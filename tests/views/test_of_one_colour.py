"""A photo of one colour, and a network that sees nothing: what is the same is said to be so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.course.equivariance import Track, found_shift, mismatch

GREY = np.full((24, 24, 3), 127, np.uint8)


@pytest.fixture(scope="module")
def capture() -> cnnviz.Capture:
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    module = nn.Sequential(*layers, nn.Linear(4, 3)).eval()
    nn.init.constant_(module[0].weight, 0.0)
    module[0].bias.data = torch.tensor([1.0, 2.0, 0.0, -1.0])
    module[4].weight.data = torch.ones(3, 4)
    return cnnviz.capture(module, torch.zeros(1, 3, 24, 24), layers=["0", "1"])


def test_a_constant_map_above_zero_is_no_lack_of_response(capture: cnnviz.Capture) -> None:
    found = cnnviz.feature_maps(capture, "1")
    assert found.dead.all()
    assert "4 with one value everywhere" in found.summary()
    assert "With one value everywhere on this photo: 0, 1, 2 and 3." in found.caption()
    assert [found.label(channel) for channel in range(4)] == [
        "0: all 1",
        "1: all 2",
        "2: none",
        "3: none",
    ]


def test_a_box_around_a_map_that_is_the_same_everywhere_is_told_to_be_all(capture) -> None:
    found = cnnviz.localisation(capture, "1")
    assert "all that was seen, as the map is the same everywhere" in found.summary()


def test_what_changes_nothing_lowers_nothing() -> None:
    sample = cnnviz.Shapes()[3]
    found = cnnviz.challenges(cnnviz.load(), sample.image, only="turned", steps=2)
    same = replace(found, answers=np.full_like(found.answers, 0.5), classes=found.classes * 0)
    assert "falls nowhere below 50%, that of the image as it is" in same.summary()


@pytest.mark.parametrize("value", [0.0527, -0.1027, 3.3])
def test_the_mean_of_a_large_constant_map_leaves_no_deviation(value: float) -> None:
    maps = torch.full((5, 109, 107), value)
    # What other kernels round otherwise.
    rounded = maps * (1.0 + 1e-7 * torch.randn(maps.shape, generator=torch.manual_seed(0)))
    track = Track(109, 2, range(1, 108), round=False)
    for here, there in ((maps, maps), (rounded, rounded.flip(2))):
        assert np.isnan(mismatch(here, there, 0.0, range(107)))
        assert np.isnan(found_shift(here, there, track, range(-2, 6), 3, inside=True))
