"""What a gallery takes, said before it is made: from a few images and a few units, timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from cnnviz.datasets import Dataset, default_workers
from cnnviz.models import Model
from cnnviz.progress import duration
from cnnviz.projecting import Passage, Pick, send
from cnnviz.reports.wording import count, file_size
from cnnviz_gallery.patches import STRONGEST
from cnnviz_gallery.scanned import Settings
from cnnviz_gallery.scanning import scan, scannable

_UNIT_BYTES = 45_000
_TILE_BYTES = 1_050
_UNIT_SECONDS = 0.06
"""Compressing the pictures of a unit and writing its page, measured on one core."""
_TRIED = 32
_PROBED = 4


@dataclass(frozen=True)
class Estimate:
    """What a gallery takes.

    Attributes
    ----------
    model : str
        The network.
    images, layers, units : int
        What there is of each.
    bytes : int
        Disk that the site takes at most.
    seconds : float
        How long it takes about, scanning and drawing together.
    """

    model: str
    images: int
    layers: int
    units: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.model}: {count(self.images)} images, {count(self.units)} units in "
            f"{count(self.layers)} layers, at most {file_size(self.bytes)}, about "
            f"{duration(self.seconds)}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain data."""
        return asdict(self)


def estimate(model: Model, data: Dataset, layers: str | Sequence[str] | None = None) -> Estimate:
    """Say what a gallery of a network on some data takes; a few images are run to find out.

    Raises
    ------
    LayerError
        If a layer does not exist or is not called.
    ImageError
        If none of the images tried can be read.
    """
    names = scannable(model, layers)
    tried = data.spread(_TRIED)
    began = time.perf_counter()
    found = scan(model, tried, names, settings=Settings(batch_size=min(_TRIED, len(tried))))
    each = (time.perf_counter() - began) / len(tried)
    units = sum(layer.channels for layer in found.layers)
    shape = found.network.input_shape
    drawing = 0.0
    for layer in found.layers:
        drawing += layer.channels * _seconds(model, shape, layer.layer)
    drawing += units * _UNIT_SECONDS / default_workers()
    return Estimate(
        model=model.name,
        images=len(data),
        layers=len(names),
        units=units,
        bytes=units * (_UNIT_BYTES + _TILE_BYTES),
        seconds=each * len(data) + drawing,
    )


def _seconds(model: Model, shape: Sequence[int], layer: str) -> float:
    """Return how long it takes to send one unit's strongest patches back to the pixels."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(_PROBED * 2, *shape, generator=generator).to(model.device, model.dtype)
    passage = Passage.to(model, inputs, layer)
    # The first pass of its kind takes longer than any after it.
    send(passage, inputs, [Pick(0, 0)])
    picks = [Pick(at % len(inputs), 0) for at in range(_PROBED * STRONGEST)]
    began = time.perf_counter()
    send(passage, inputs, picks)
    return (time.perf_counter() - began) / _PROBED
