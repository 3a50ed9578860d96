"""A network that answers with the colour of an image, and images whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from cnnviz.images import Preprocessing
from cnnviz.models import Model

COLOURS = ("red", "green", "blue")
SIDE = 8


class Means(nn.Module):
    """The means of the channels, times a factor, after a convolution that changes nothing."""

    def __init__(self, factor: float = 4.0, columns: Sequence[int] = (0, 1, 2)) -> None:
        super().__init__()
        self.same = nn.Conv2d(3, 3, 1, bias=False)
        self.same.weight.data = torch.eye(3)[:, :, None, None]
        self.head = nn.Linear(3, len(columns), bias=False)
        self.head.weight.data = factor * torch.eye(3)[list(columns)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.same(x).mean((2, 3)))
        return found


@cache
def _means() -> Means:
    """Return the same network each time: what is found out of it by tracing serves again."""
    return Means()


def colour_model(module: nn.Module | None = None, **options: Any) -> Model:
    """Return the network, whose scores are four times the mean of red, green and blue, 0 to 1.

    Unless another is given it is the same each time, so tests must leave it as it is.
    """
    settings: dict[str, Any] = {
        "name": "colours",
        "categories": COLOURS,
        "preprocessing": Preprocessing(SIDE, (SIDE, SIDE), (0.0,) * 3, (1.0,) * 3),
    }
    return Model(module or _means(), **{**settings, **options})


def write_colour(path: Path, colour: Sequence[int]) -> Path:
    """Write an image of one colour, and return where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((SIDE, SIDE, 3), colour, np.uint8)).save(path, "PNG")
    return path


def colour_folder(root: Path) -> Path:
    """Write a folder for each class: six images, of which three are answered wrongly.

    Surest first these are ``red/green.PNG``, ``blue/reddish.png`` and ``red/greenish.png``.
    """
    images = {
        "red/right.png": (255, 0, 0),
        "red/green.PNG": (0, 255, 0),
        "red/greenish.png": (100, 140, 0),
        "green/right.png": (0, 255, 0),
        "blue/right.png": (0, 0, 255),
        "blue/reddish.png": (200, 0, 100),
    }
    for name, colour in images.items():
        write_colour(root / name, colour)
    return root
