"""Any convolution can be worked out, and what is told of its error is what it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.explorer.convolution_step import convolutions
from cnnviz.explorer.document import largest_error

PHOTO = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0))


def network(*stem: nn.Module, channels: int) -> nn.Module:
    torch.manual_seed(0)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4)]
    return nn.Sequential(*stem, *head).eval()


def found(module: nn.Module, *layers: str):
    model = cnnviz.load(module)
    seen = cnnviz.capture(model, PHOTO, layers=list(layers), gradients=False)
    return convolutions(seen, layers)


@pytest.mark.parametrize(
    "second",
    [
        nn.Conv2d(8, 12, 3, 2, 1),
        nn.Conv2d(8, 12, 3, padding="same", dilation=2, bias=False),
        nn.Conv2d(8, 12, (1, 3), stride=(2, 1), padding=(0, 2), groups=4),
        nn.Conv2d(8, 16, 3, groups=8, padding="valid"),
        nn.Conv2d(8, 12, 1),
    ],
    ids=["strided", "same", "grouped", "depthwise", "of one place"],
)
def test_the_sums_are_those_of_the_network(second: nn.Conv2d) -> None:
    module = network(nn.Conv2d(3, 8, 3), nn.ReLU(), second, channels=second.out_channels)
    first, other = found(module, "2")
    assert (first.name, first.first, first.ends) == ("0", True, "")
    assert (other.name, other.first, other.ends) == ("2", False, "2")
    assert other.groups == second.groups
    exact = largest_error(other, other.inputs.astype(float), other.kernels.astype(float))
    assert exact < 1e-5 * np.abs(other.sums).max()
    # An input that is off is told as what it is off by.
    moved = other.inputs + 0.1
    assert largest_error(other, moved.astype(float), other.kernels.astype(float)) > 1e-3


@pytest.mark.parametrize(
    "second",
    [
        nn.Conv2d(8, 6, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(8, 6, 2, padding="same"),
        nn.ConvTranspose2d(8, 6, 2),
    ],
    ids=["reflecting", "more after than before", "transposed"],
)
def test_what_is_no_plain_convolution_is_left_out(second: nn.Module) -> None:
    module = network(nn.Conv2d(3, 8, 3), nn.ReLU(), second, channels=6)
    assert [step.name for step in found(module, "2")] == ["0"]


class Standardised(nn.Conv2d):
    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, weight - weight.mean((1, 2, 3), keepdim=True), bias)


class Scaled(nn.BatchNorm2d):
    def forward(self, x):
        return 3 * super().forward(x)


class ReLU(nn.LeakyReLU):
    """One that is called as torch's is."""


def changed_behind() -> nn.Module:
    layer = nn.Conv2d(8, 6, 3)
    layer.register_forward_hook(lambda _, __, output: output + 1)
    return layer


def stale() -> nn.Module:
    layer = nn.utils.weight_norm(nn.Conv2d(8, 6, 3))
    layer.weight_g.data.mul_(5)
    return layer


@pytest.mark.parametrize(
    ("behind", "worked_out"),
    [
        (lambda: [Standardised(8, 6, 3)], None),
        (lambda: [changed_behind()], None),
        (lambda: [stale(), nn.BatchNorm2d(6), nn.ReLU()], ("2", "3", "4")),
        (lambda: [nn.Conv2d(8, 6, 3), Scaled(6), nn.ReLU()], ("2",)),
        (lambda: [nn.Conv2d(8, 6, 3), nn.BatchNorm2d(6), ReLU()], ("2", "3")),
    ],
    ids=["its own sums", "a hook", "its own weight", "its own norm", "its own activation"],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_what_the_network_makes_otherwise_is_not_worked_out(behind, worked_out) -> None:
    steps = found(network(nn.Conv2d(3, 8, 3), nn.ReLU(), *behind(), channels=6), "2")
    assert [one.name for one in steps] == (["0", "2"] if worked_out else ["0"])
    for one in steps[1:]:
        exact = largest_error(one, one.inputs.astype(float), one.kernels.astype(float))
        assert exact < 1e-5 * np.abs(one.sums).max()
        assert one.layers == worked_out
        assert bool(one.normalised) == (len(worked_out) > 1)
        assert bool(one.activation) == (len(worked_out) > 2)


def test_between_layers_the_last_wide_kernel_is_taken_and_one_named_is_itself() -> None:
    stem = [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6)]
    module = network(*stem, nn.ReLU(), channels=6)
    assert [(step.name, step.ends) for step in found(module, "4")] == [("0", ""), ("1", "4")]
    steps = found(module, "2")
    assert [(step.name, step.ends) for step in steps] == [("0", ""), ("2", "2")]
    assert steps[-1].layers == ("2", "3", "4")
    assert steps[-1].activation == "ReLU"


def test_of_large_kernels_those_are_held_that_matter_in_the_photo() -> None:
    module = network(nn.Conv2d(3, 128, 3), nn.ReLU(), nn.Conv2d(128, 32, 3), channels=32)
    step = found(module, "2")[-1]
    assert step.count == 32
    assert len(step.channels) == 8_000 // (128 * 9)
    with torch.no_grad():
        largest = module[:3](PHOTO[None])[0].amax((1, 2))
    assert set(step.channels) == set(
        largest.argsort(descending=True)[: len(step.channels)].tolist()
    )


class Adds(nn.Module):
    """Adds a shortcut to what the batch norm gives, in place or not, before the activation."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.conv = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, 1, 1)
        self.norm = nn.BatchNorm2d(6)
        self.in_place, self.relu, self.last = in_place, nn.ReLU(in_place), nn.Linear(6, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        stem = self.stem(images)
        maps = self.norm(self.conv(stem))
        if self.in_place:
            maps += stem
        else:
            maps = maps + stem
        return self.last(self.relu(maps).mean((2, 3)))


@pytest.mark.parametrize("in_place", [True, False])
def test_an_activation_behind_a_shortcut_is_none_of_the_convolution(in_place: bool) -> None:
    step = found(Adds(in_place).eval(), "relu")[-1]
    assert step.layers == ("conv", "norm")
    assert step.activation == ""


@pytest.mark.parametrize("in_place", [True, False])
def test_an_activation_in_place_is_one_of_the_convolution(in_place: bool) -> None:
    module = network(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(in_place), channels=8)
    step = found(module, "2")[-1]
    assert step.layers == ("0", "1", "2")
    assert step.activation == "ReLU"
