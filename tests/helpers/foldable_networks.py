"""Small networks with batch norms, of random form or made to break what is assumed of a fold."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import nn
from torch.nn import functional


def trained(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give the batch norms statistics and weights as a training leaves them, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            mean, variance = module.running_mean, module.running_var
            assert mean is not None
            assert variance is not None
            mean.copy_(torch.randn(mean.shape, generator=generator))
            variance.copy_(torch.rand(mean.shape, generator=generator) + 0.2)
            if module.affine:
                with torch.no_grad():
                    module.weight.copy_(torch.randn(mean.shape, generator=generator))
                    module.bias.copy_(torch.randn(mean.shape, generator=generator))
    return network.eval()


class RandomGraph(nn.Module):
    """A graph of convolutions, norms, rectifiers, sums, joins and pools, some of them called again.

    Whatever a random number says: with bias or without, grouped, transposed or padded otherwise,
    written as a module or as a function, and read by one or by several of what comes later.
    """

    def __init__(self, seed: int, depth: int = 7) -> None:
        super().__init__()
        draw = random.Random(seed)
        self.parts = nn.ModuleList()
        self.plan: list[tuple[str, int, int, int]] = []
        width = 4
        self.first = nn.Conv2d(3, width, 3, padding=1)
        for step in range(depth):
            kind = draw.choice(
                ["conv norm", "conv", "norm", "relu", "add", "cat", "pool", "again", "functional"]
            )
            one, other = draw.randrange(step + 1), draw.randrange(step + 1)
            self.plan.append((kind, one, other, len(self.parts)))
            if kind == "conv norm":
                self.parts.append(_convolution(draw, width))
                self.parts.append(nn.BatchNorm2d(width, affine=draw.random() < 0.8))
            elif kind in ("conv", "functional"):
                self.parts.append(_convolution(draw, width))
            elif kind == "norm":
                self.parts.append(nn.BatchNorm2d(width))
            elif kind == "relu":
                self.parts.append(nn.ReLU(inplace=draw.random() < 0.3))
            elif kind == "cat":
                self.parts.append(nn.Conv2d(2 * width, width, 1))
        self.head = nn.Linear(width, 5)
        self.last = nn.BatchNorm1d(5)
        trained(self, seed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: list[Any] = [self.first(x)]
        for kind, one, other, place in self.plan:
            made.append(self._step(kind, made[one], made[other], place))
        found: torch.Tensor = self.last(self.head(sum(each.mean((2, 3)) for each in made[-3:])))
        return found

    def _step(self, kind: str, x: torch.Tensor, y: torch.Tensor, place: int) -> Any:
        if kind == "conv norm":
            return self.parts[place + 1](self.parts[place](x))
        if kind == "relu":
            return self.parts[place](x * 1.0)
        if kind == "add":
            return functional.relu(x + y)
        if kind == "cat":
            return self.parts[place](torch.cat([x, y], 1))
        if kind == "pool":
            return functional.max_pool2d(x, 3, 1, 1)
        if kind == "again":
            # What was made for something else is called here, with or without its norm.
            return self.parts[0](x * 1.0) if len(self.parts) and _keeps(self.parts[0]) else x
        if kind == "functional":
            weight: Any = self.parts[place].weight
            return functional.conv2d(x, weight[:, :1].expand(4, 4, -1, -1), padding="same")
        return self.parts[place](x)


def _keeps(part: nn.Module) -> bool:
    return not isinstance(part, nn.Conv2d) or part.in_channels == part.out_channels


def _convolution(draw: random.Random, width: int) -> nn.Module:
    groups, bias = draw.choice([1, 2, width]), draw.random() < 0.5
    if draw.random() < 0.25:
        return nn.ConvTranspose2d(width, width, 3, padding=1, groups=groups, bias=bias)
    mode: Any = draw.choice(["zeros", "zeros", "circular", "reflect"])
    padding: Any = draw.choice([1, "same"])
    return nn.Conv2d(width, width, 3, padding=padding, groups=groups, bias=bias, padding_mode=mode)
