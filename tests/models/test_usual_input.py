"""The input that is taken where none is given, of networks whose photos keep their size."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from cnnviz.images import ArrayPreprocessing, Preprocessing
from cnnviz.models import Model
from tests.helpers.each_case import each_case

_TWO_CHANNELS = ArrayPreprocessing(mean=(0.0, 0.0), std=(1.0, 1.0), axes=1)


def _open(channels: int = 3, **given: object) -> Preprocessing:
    parts = {"resize": None, "crop": None, **given}
    return Preprocessing(mean=(0.0,) * channels, std=(1.0,) * channels, **parts)  # type: ignore[arg-type]


def _flat(side: int, channels: int = 3) -> nn.Module:
    """Return a network that takes one size alone."""
    return nn.Sequential(
        nn.Conv2d(channels, 2, 3, padding=1), nn.Flatten(), nn.Linear(2 * side * side, 4)
    ).eval()


class _Grey(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1, keepdim=True)


def _signal(length: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 2, 3, padding=1), nn.Flatten(), nn.Linear(2 * length, 4)
    ).eval()


def _mean() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


@each_case(
    "module, given, shape",
    [
        (_flat(32), _open(), (3, 32, 32)),
        (_flat(96), _open(), (3, 96, 96)),
        (_flat(28, 1), _open(1), (1, 28, 28)),
        (_mean(), _open(), (3, 224, 224)),
        (_signal(4096), _TWO_CHANNELS, (2, 4096)),
        (_signal(1000), _TWO_CHANNELS, (2, 1000)),
        (_signal(1000), replace(_TWO_CHANNELS, shape=(300,)), (2, 300)),
        (_signal(1000), replace(_TWO_CHANNELS, mean=(0.0,), std=(1.0,)), (2, 1000)),
        # What was said of the size stands, whether or not the network takes it.
        (_flat(32), _open(resize=40), (3, 40, 40)),
        (_flat(32), _open(crop=(24, 20)), (3, 24, 20)),
        # Of a network that makes grey of what it is given, more channels may have been tried.
        (nn.Sequential(_Grey(), _flat(28, 1)).eval(), _open(1), (1, 28, 28)),
    ],
)
def test_it_is_one_that_the_network_takes(
    module: nn.Module, given: Preprocessing, shape: tuple[int, ...]
) -> None:
    assert Model(module, preprocessing=given).input_shape == shape


class _Making(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.made = nn.Conv2d(3, 2, 3)
        return self.made(x)


def test_a_network_that_makes_layers_is_told_of_where_it_is_run() -> None:
    assert Model(_Making().eval(), preprocessing=_open()).input_shape == (3, 224, 224)
