"""Small seeded networks of random shape, from the operations that patches are followed through."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import cast

import torch
from torch import nn
from torch.nn import functional

Step = Callable[[torch.Tensor], torch.Tensor]


class Randomly(nn.Module):
    """A graph of `depth` random operations in double precision, with skips and branches."""

    def __init__(self, seed: int, depth: int = 6) -> None:
        super().__init__()
        self.draw = random.Random(seed)
        self.steps = nn.ModuleList()
        self.plan: list[str] = []
        channels = 4
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        for _ in range(depth):
            kind = self.draw.choice(KINDS)
            self.plan.append(kind)
            self.steps.append(LAYERS[kind](self.draw, channels) if kind in LAYERS else _nothing())
            if kind == "branches":
                channels *= 2
            if channels > 16:
                self.plan.append("squeeze")
                self.steps.append(nn.Conv2d(channels, 4, 1))
                channels = 4
        self.head = nn.Linear(channels, 3)
        self.double().eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for kind, step in zip(self.plan, self.steps, strict=True):
            if min(x.shape[-2:]) < 8 and kind in ("conv", "largest", "average", "ceil"):
                continue
            x = _apply(kind, cast("Step", step), x)
        found: torch.Tensor = self.head(x.mean((2, 3)))
        return found


def _apply(kind: str, step: Step, x: torch.Tensor) -> torch.Tensor:
    if kind == "skip":
        return functional.relu(x + step(x), inplace=True)
    if kind == "branches":
        return torch.cat([step(x), functional.hardtanh(x)], 1)
    if kind == "shuffle":
        count, channels, high, wide = x.shape
        x = x.view(count, 2, channels // 2, high, wide).transpose(1, 2).contiguous()
        return x.view(count, channels, high, wide)
    if kind == "halves":
        one, other = x.chunk(2, 1)
        return torch.cat([step(one), other], 1)
    if kind == "in place":
        x = x.clone()
        x += 0.5
        x *= torch.linspace(0.5, 1.5, x.shape[1], dtype=x.dtype)[:, None, None]
        return x.tanh_()
    if kind == "place":
        return x * torch.linspace(0, 1, x.shape[-1], dtype=x.dtype)
    if kind == "twice":
        return step(step(x))
    if kind == "border":
        return functional.pad(x, (1, 0, 2, 1), value=0.3)
    return step(x)


def _nothing() -> nn.Module:
    return nn.Identity()


def _conv(draw: random.Random, channels: int) -> nn.Module:
    kernel = draw.choice([1, 2, 3, 5])
    strides: list[int | tuple[int, int]] = [1, 1, 2, (2, 1)]
    return nn.Conv2d(
        channels,
        channels,
        (kernel, draw.choice([1, 3])),
        stride=draw.choice(strides),
        padding=draw.choice([0, 1]) if kernel > 1 else 0,
        dilation=draw.choice([1, 1, 2]) if kernel <= 3 else 1,
        groups=draw.choice([1, 2, channels]),
    )


def _same(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1)


def _norm(draw: random.Random, channels: int) -> nn.Module:
    norm = nn.BatchNorm2d(channels)
    generator = torch.Generator().manual_seed(draw.randrange(1 << 30))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    for values in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
        values.copy_(torch.rand(channels, generator=generator) + 0.1)
    return norm


LAYERS: dict[str, Callable[[random.Random, int], nn.Module]] = {
    "conv": _conv,
    "norm": _norm,
    "skip": lambda _, channels: nn.Sequential(_same(channels), nn.ReLU(inplace=True)),
    "branches": lambda _, channels: _same(channels),
    "halves": lambda _, channels: nn.Sequential(_same(channels // 2), nn.SiLU(inplace=True)),
    "twice": lambda _, channels: _same(channels),
    "largest": lambda draw, _: nn.MaxPool2d(
        3, draw.choice([1, 2, 3]), draw.choice([0, 1]), ceil_mode=draw.random() < 0.5
    ),
    "average": lambda draw, _: nn.AvgPool2d(
        draw.choice([2, 3]),
        draw.choice([1, 2]),
        1,
        ceil_mode=draw.random() < 0.5,
        count_include_pad=draw.random() < 0.5,
    ),
    "activation": lambda draw, channels: draw.choice(
        [nn.ReLU6(), nn.LeakyReLU(0.1), nn.GELU(), nn.Hardswish(), nn.PReLU(channels), nn.Dropout()]
    ),
}
KINDS = [*LAYERS, "shuffle", "in place", "place", "border"]
