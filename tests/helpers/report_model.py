"""A tiny network to report on, a photo for it, and a text that a page must not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch import nn

from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.reports import pictures

# What a page must show as text, and never run.
HOSTILE = "<script>alert(1)</script> \"q\" 'r' & $x_{$"


class Small(nn.Module):
    """Two convolutions at two resolutions, and three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.second = nn.Conv2d(6, 8, 3, padding=1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.relu(self.first(x)))
        x = self.relu(self.second(x))
        found: torch.Tensor = self.head(x.mean((2, 3)))
        return found


def small_model(**options: Any) -> Model:
    """Return the seeded network with three class names, or with other options of `Model`."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        module = Small()
    settings: dict[str, Any] = {
        "name": "small",
        "categories": ("cat", "dog", "bird"),
        "preprocessing": Preprocessing(32, (32, 32), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    }
    return Model(module, **{**settings, **options})


@contextmanager
def fewer_pixels() -> Iterator[None]:
    """Draw reports with half of their pixels, where nothing is said of how many there are."""
    with mock.patch.object(pictures, "DPI", 110):
        yield


def write_photo(path: Path, seed: int, height: int = 40, width: int = 60) -> Path:
    """Write a smooth seeded photo, and return where it is."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 255, (5, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path
