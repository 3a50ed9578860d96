"""The networks that the package ships."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from .depth import depth_network
from .lenet import LeNet5
from .plain import ShapesPlain
from .residual import BasicBlock, ShapesResidual

SHIPPED: dict[str, Callable[[], nn.Module]] = {
    "shapes-plain": ShapesPlain,
    "shapes-residual": ShapesResidual,
    "lenet5": LeNet5,
}
"""Networks by name. `models/weights` has a trained state for the two on `shapes`."""

MEAN: tuple[float, float, float] = (0.5, 0.5, 0.5)
STD: tuple[float, float, float] = (0.25, 0.25, 0.25)
"""What the two networks on `shapes` expect: (rgb - MEAN) / STD for RGB in [0, 1]."""

INPUT_SIZES: dict[str, tuple[int, int, int]] = {
    "shapes-plain": (3, 96, 96),
    "shapes-residual": (3, 96, 96),
    "lenet5": (1, 32, 32),
}
"""Channels, height and width of the input that each network is made for."""

__all__ = [
    "INPUT_SIZES",
    "MEAN",
    "SHIPPED",
    "STD",
    "BasicBlock",
    "LeNet5",
    "ShapesPlain",
    "ShapesResidual",
    "depth_network",
]
