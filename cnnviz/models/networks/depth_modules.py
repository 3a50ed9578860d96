"""The modules that the networks of `cnnviz.models.networks.depth` are made of."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.models.networks.depth_weights import INITIALISATIONS, activation_module, draw
from cnnviz.models.randomness import SEED, seeded

Family = Literal["plain", "resnet", "conv", "mlp"]
_WIDTHS = {"plain": 16, "resnet": 16, "conv": 16, "mlp": 64}


@dataclass(frozen=True)
class DepthOptions:
    """Everything that makes one network of the family.

    Attributes
    ----------
    family : {"plain", "resnet", "conv", "mlp"}
        See `depth_network`.
    depth : int
        Layers with weights.
    activation, normalisation, initialisation, gain, width, input_size, classes, seed
        As in `depth_network`; a `normalisation` or `width` of None is the family's own.
    """

    family: Family
    depth: int
    activation: str = "relu"
    normalisation: str | None = None
    initialisation: str = "kaiming"
    gain: float = 1.0
    width: int | None = None
    input_size: tuple[int, int, int] = (3, 32, 32)
    classes: int = 10
    seed: int = SEED

    @property
    def norm(self) -> str:
        """The normalisation at work: batch norm in `plain` and `resnet` unless Fixup, else none."""
        if self.normalisation is not None:
            return self.normalisation
        alone = self.initialisation in ("fixup", "skipinit")
        return "batch" if self.family in ("plain", "resnet") and not alone else "none"

    @property
    def channels(self) -> int:
        """The width of the first stage, or of every layer of a chain."""
        return self.width or _WIDTHS[self.family]


def build(options: DepthOptions) -> nn.Module:
    """Build the network that the options describe, in training mode."""
    with seeded(options.seed):
        module: nn.Module
        if options.family == "mlp":
            module = _mlp(options)
        elif options.family == "conv":
            module = _chain(options)
        else:
            module = _Staged(options)
        _initialise(module, options)
    return module


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    if kind == "layer":
        return nn.GroupNorm(1, channels)
    # Groups of about eight channels, as many as divide the width evenly.
    groups = max(k for k in range(1, max(1, channels // 8) + 1) if channels % k == 0)
    return nn.GroupNorm(groups, channels) if kind == "group" else nn.Identity()


def _convolution(options: DepthOptions, inside: int, outside: int, stride: int = 1) -> nn.Conv2d:
    # A bias before a normalisation is taken away again; Fixup has biases of its own.
    bias = options.norm == "none" and options.initialisation != "fixup"
    return nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=bias)


def _unit(options: DepthOptions, inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = [_convolution(options, inside, outside, stride)]
    if options.norm != "none":
        layers.append(_norm(options.norm, outside))
    return nn.Sequential(*layers, activation_module(options.activation))


def _mlp(options: DepthOptions) -> nn.Sequential:
    channels, height, width = options.input_size
    sizes = [channels * height * width, *[options.channels] * (options.depth - 1)]
    layers: list[nn.Module] = [nn.Flatten()]
    for inside, outside in pairwise(sizes):
        layers.append(nn.Linear(inside, outside))
        if options.norm == "batch":
            layers.append(nn.BatchNorm1d(outside))
        elif options.norm != "none":
            layers.append(nn.LayerNorm(outside))
        layers.append(activation_module(options.activation))
    return nn.Sequential(*layers, nn.Linear(sizes[-1], options.classes))


def _chain(options: DepthOptions) -> nn.Sequential:
    units: list[nn.Module] = []
    inside = options.input_size[0]
    for _ in range(options.depth - 1):
        units.append(_unit(options, inside, options.channels))
        inside = options.channels
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, options.classes)]
    return nn.Sequential(*units, *head)


class Block(nn.Module):
    """Two 3x3 convolutions with a skip around them (He et al. 2016; Fixup: Zhang et al. 2019).

    Parameters
    ----------
    options : DepthOptions
        What the network is made of.
    inside, outside : int
        Channels before and after.
    stride : int
        Stride of the first convolution.
    """

    def __init__(self, options: DepthOptions, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(options, inside, outside, stride)
        self.norm1 = _norm(options.norm, outside)
        self.activation1 = activation_module(options.activation)
        self.conv2 = _convolution(options, outside, outside)
        self.norm2 = _norm(options.norm, outside)
        self.activation2 = activation_module(options.activation)
        self.stride, self.extra = stride, outside - inside
        fixup = options.initialisation == "fixup"
        self.biases = nn.Parameter(torch.zeros(4)) if fixup else None
        first = {"fixup": 1.0, "skipinit": 0.0}.get(options.initialisation)
        self.scale = None if first is None else nn.Parameter(torch.tensor(first))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps [N, outside, H / stride, W / stride]."""
        y = self.activation1(self.norm1(self.conv1(self._shifted(x, 0))))
        y = self.norm2(self.conv2(self._shifted(self._shifted(y, 1), 2)))
        if self.scale is not None:
            y = y * self.scale
        result: torch.Tensor = self.activation2(self._shifted(y, 3) + self._skip(x))
        return result

    def _shifted(self, x: torch.Tensor, place: int) -> torch.Tensor:
        return x if self.biases is None else x + self.biases[place]

    def _skip(self, x: torch.Tensor) -> torch.Tensor:
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.extra)) if self.extra else x


class _Staged(nn.Module):
    """A first unit, three stages, the mean of each map, and a linear layer."""

    def __init__(self, options: DepthOptions) -> None:
        super().__init__()
        width = options.channels
        residual = options.family == "resnet"
        parts = (options.depth - 2) // 2 if residual else options.depth - 2
        self.first = _unit(options, options.input_size[0], width)
        stages: list[nn.Module] = []
        inside = width
        for place in range(3):
            # Where three does not divide the layers, the later stages have one more.
            count = (parts + place) // 3
            outside = width * 2**place
            stage: list[nn.Module] = []
            for part in range(count):
                stride = 2 if place and not part else 1
                make = Block if residual else _unit
                stage.append(make(options, inside, outside, stride))
                inside = outside
            stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.last = nn.Linear(inside, options.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of images [N, C, H, W]."""
        maps = self.stages(self.first(x))
        logits: torch.Tensor = self.last(torch.flatten(self.pool(maps), 1))
        return logits


def _initialise(module: nn.Module, options: DepthOptions) -> None:
    layers = [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    scheme = options.initialisation
    basic = scheme if scheme in INITIALISATIONS else "kaiming"
    draw(layers[:-1], basic, options.activation, options.gain)
    draw(layers[-1:], basic, "identity", 1.0)
    blocks = [one for one in module.modules() if isinstance(one, Block)]
    with torch.no_grad():
        for block in blocks:
            if scheme == "zero-gamma" and isinstance(block.norm2.weight, torch.Tensor):
                block.norm2.weight.zero_()
            if scheme == "fixup":
                # m = 2 layers in each branch: L ^ (-1 / (2 m - 2)).
                block.conv1.weight.mul_(len(blocks) ** -0.5)
                block.conv2.weight.zero_()
        if scheme == "fixup":
            layers[-1].weight.zero_()
