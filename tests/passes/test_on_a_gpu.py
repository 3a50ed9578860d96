"""What is computed on a GPU is what the processor computes; skipped where there is none."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz

GPUS = [
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here"),
    ),
    pytest.param(
        "mps",
        marks=pytest.mark.skipif(
            not torch.backends.mps.is_available(), reason="there is no Apple GPU here"
        ),
    ),
]
CLOSE = 5e-3
"""Of the largest value: convolutions in TF32 round to 10 bits."""


@pytest.fixture(params=GPUS)
def pair(request: pytest.FixtureRequest) -> tuple[cnnviz.Model, cnnviz.Model]:
    """Return the same network on the GPU and on the processor."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    ).eval()
    return cnnviz.Model(copy.deepcopy(module).to(request.param)), cnnviz.Model(module)


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_a_capture_holds_the_same(pair: tuple[cnnviz.Model, cnnviz.Model]) -> None:
    there, here = (cnnviz.capture(each, images(40), layers="2", target=1) for each in pair)
    for one, two in (
        (there.logits, here.logits),
        (there.activations["2"], here.activations["2"]),
        (there.input_gradient, here.input_gradient),
    ):
        assert (one.cpu() - two).abs().max() <= CLOSE * two.abs().max()


@pytest.mark.parametrize("method", ["gradcam", "scorecam"])
def test_maps_are_the_same(pair: tuple[cnnviz.Model, cnnviz.Model], method: str) -> None:
    there, here = (
        cnnviz.cam(cnnviz.capture(each, images(2), layers="2", target=1), "2", method).maps[0]
        for each in pair
    )
    assert np.abs(there - here).max() <= CLOSE * np.abs(here).max()


def test_an_ascent_raises_the_channel_as_far(pair: tuple[cnnviz.Model, cnnviz.Model]) -> None:
    # Not the same picture: an ascent goes another way from the first rounding on.
    there, here = (cnnviz.feature_visualization(each, ["2:0"], steps=20) for each in pair)
    assert there.pictures[0].shape == here.pictures[0].shape
    assert (there.end > there.start).all()
    np.testing.assert_allclose(there.end, here.end, rtol=0.2)
