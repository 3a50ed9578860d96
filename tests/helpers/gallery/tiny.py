"""A tiny network in which channels come from branches, a sum and a flattening."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cnnviz.datasets.shapes import CLASSES
from cnnviz.images import Preprocessing
from cnnviz.models import Model


class Tiny(nn.Module):
    """Two branches that are joined, a sum with a shortcut, and a head; one channel is silent."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 5, stride=2, padding=2)
        self.relu = nn.ReLU(inplace=True)
        self.left = nn.Conv2d(6, 4, 1)
        self.right = nn.Conv2d(6, 5, 3, padding=1, groups=1)
        self.mixed = nn.Conv2d(9, 9, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = nn.Linear(36, 10)
        assert self.right.bias is not None
        with torch.no_grad():
            self.right.bias[2] = -100.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.first(x))
        joined = torch.cat([self.left(x), self.right(x)], 1).relu()
        mixed = self.mixed(joined)
        mixed += joined
        found: torch.Tensor = self.head(torch.flatten(self.pool(mixed.relu()), 1))
        return found


def tiny_model(**options: Any) -> Model:
    """Return the seeded network with the shipped class names, or with other options of `Model`."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        module = Tiny().eval()
    settings: dict[str, Any] = {
        "name": "tiny",
        "categories": CLASSES,
        "preprocessing": Preprocessing(32, (32, 32), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    }
    return Model(module, **{**settings, **options})
