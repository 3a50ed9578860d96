"""Small networks whose activations rewrite their inputs, and are called more than once."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class InPlace(nn.Module):
    """Conv, in-place ReLU, pooling, linear: the ReLU rewrites the convolution's output."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.pool(self.relu(self.conv(x))).flatten(1))
        return found


class Twice(InPlace):
    """The same ReLU three times, once on the result of a skip connection; functional in between."""

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Conv2d(5, 5, 3, padding=1)
        self.unused = nn.Conv2d(5, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv(x))
        y = self.relu(self.second(x))
        z = self.relu(F.relu_(x + y) - 0.1)
        found: torch.Tensor = self.head(self.pool(z).flatten(1))
        return found


def seeded(module: type[nn.Module], *arguments: object) -> nn.Module:
    """Build a network from seed 0, and leave the global generator as it is."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return module(*arguments)
