"""Operators that pass no gradient on, and that torch only warns of: no zero stands for it."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import ModelError

IMAGE = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def quantised() -> nn.Module:
    torch.manual_seed(0)
    maps = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # This way to quantise is going to be left behind.
        return torch.ao.quantization.quantize_dynamic(
            nn.Sequential(*maps, nn.Linear(4, 3)).eval(), {nn.Linear}
        )


NEED_A_GRADIENT: dict[str, Callable[[nn.Module], object]] = {
    "saliency": lambda network: cnnviz.attribute(network, IMAGE, "saliency"),
    "integrated": lambda network: cnnviz.attribute(network, IMAGE, "integrated_gradients"),
    "guided": lambda network: cnnviz.attribute(network, IMAGE, "guided_backprop"),
    "capture": lambda network: cnnviz.capture(network, IMAGE, layers="conv"),
    "flow": lambda network: cnnviz.gradient_flow(network, IMAGE),
}


@pytest.mark.parametrize("what", NEED_A_GRADIENT)
def test_a_gradient_that_an_operator_drops_is_no_zero(quantised: nn.Module, what: str) -> None:
    told = r"(linear_dynamic|an operator) has no derivative.*quantised"
    with pytest.raises(ModelError, match=told):
        NEED_A_GRADIENT[what](quantised)


def test_what_needs_no_gradient_is_made(quantised: nn.Module) -> None:
    assert cnnviz.occlusion(quantised, IMAGE, 4, 4).maps[0].any()
