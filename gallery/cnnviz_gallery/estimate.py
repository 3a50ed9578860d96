"""What a gallery takes, said before it is made: from a few images and a few units, timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from cnnviz.datasets import Dataset, default_workers, stream
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model
from cnnviz.results.text import estimated_time, file_size, plural
from cnnviz.units.projection import PartialForward, UnitPosition, project_positions
from cnnviz_gallery.scan.layer_result import LayerResult
from cnnviz_gallery.scan.one_size import check_one_size
from cnnviz_gallery.scan.scan import scan, scannable
from cnnviz_gallery.scan.scan_result import ScanResult, ScanSettings
from cnnviz_gallery.site.build import CHUNK
from cnnviz_gallery.site.patches import STRONGEST

_UNIT_BYTES = 45_000
_TILE_BYTES = 1_050
_ANSWER_BYTES = 16
_ROW_BYTES = 300
"""The numbers of a unit in units.json."""
_UNIT_SECONDS = 0.06
"""Compressing the pictures of a unit and writing its page, measured on one core."""
_PROBED = 8
"""Images that units are sent back to, to see how long it takes."""


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
    scan_bytes : int
        Disk that the scan takes beside it at most, for each process.
    seconds : float
        How long it takes about, scanning and drawing together, with one process.
    """

    model: str
    images: int
    layers: int
    units: int
    bytes: int
    scan_bytes: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.model}: {plural(self.images, 'image')}, {plural(self.units, 'unit')} in "
            f"{plural(self.layers, 'layer')}, at most {file_size(self.bytes)} for the site and "
            f"{file_size(self.scan_bytes)} for the scan, about {estimated_time(self.seconds)}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain data."""
        return asdict(self)


def estimate(model: Model, data: Dataset, layers: Layers | None = None) -> Estimate:
    """Say what a gallery of a network on some data takes; a few images are run to find out.

    Raises
    ------
    LayerError
        If a layer does not exist or is not called.
    ImageError
        If none of the images tried can be read.
    UsageError
        If images come out in different sizes.
    """
    names = scannable(model, layers)
    check_one_size(model, data)
    found, scanning = _scanned(model, data, names)
    # Of the size in which the images come: a network that states none may be given any.
    inputs = _probes(model, found.network.input_shape)
    drawing = sum(_sent(model, layer, inputs, len(data)) for layer in found.layers)
    units = sum(layer.channels for layer in found.layers)
    # Pictures are compressed and images read while others are sent back, where cores are free.
    beside = units * _UNIT_SECONDS + _read(model, data) * min(len(data), units * STRONGEST)
    kept = sum(each.nbytes for layer in found.layers for each in layer.arrays().values())
    return Estimate(
        model=model.name,
        images=len(data),
        layers=len(names),
        units=units,
        bytes=units * (_UNIT_BYTES + _TILE_BYTES + _ROW_BYTES),
        scan_bytes=kept + _ANSWER_BYTES * len(data),
        seconds=scanning + drawing + beside / default_workers(),
    )


def _scanned(model: Model, data: Dataset, names: Sequence[str]) -> tuple[ScanResult, float]:
    """Scan a few images; return what was found, and how long a scan of all of them takes."""
    size = ScanSettings().batch_size

    def timed(batches: int) -> tuple[ScanResult, float]:
        began = time.perf_counter()
        found = scan(model, data.spread(batches * size), names, alone=True)
        return found, time.perf_counter() - began

    found, first = timed(1)
    if len(data) <= size:
        return found, first
    # What it takes to begin counts once, and what comes first takes longer than what comes later.
    (_, one), (found, two) = timed(1), timed(2)
    each = max(two - one, 0.0) / (min(len(data), 2 * size) - size)
    return found, first + each * (len(data) - size)


def _probes(model: Model, shape: Sequence[int]) -> torch.Tensor:
    """Return a few images of noise to send units back for."""
    noise = torch.randn(_PROBED, *shape, generator=torch.Generator().manual_seed(0))
    return noise.to(model.device, model.dtype)


def _sent(model: Model, layer: LayerResult, inputs: torch.Tensor, images: int) -> float:
    """Return how long it takes to send all units of a layer back to the pixels of some inputs."""
    passage = PartialForward.to(model, inputs, layer.layer)

    def timed(times: int) -> float:
        picks = [UnitPosition(at, 0) for _ in range(times) for at in range(_PROBED)]
        began = time.perf_counter()
        project_positions(passage, inputs, picks)
        return time.perf_counter() - began

    timed(1)
    one, three = timed(1), timed(3)
    # Units that respond to the same image share its way there, and go back one after the other.
    each_pick = max(three - one, 0.0) / (2 * _PROBED)
    each_image = max(one / _PROBED - each_pick, 0.0)
    seconds = 0.0
    for start in range(0, layer.channels, CHUNK):
        picks = STRONGEST * min(CHUNK, layer.channels - start)
        seconds += each_pick * picks + each_image * min(images, picks)
    return seconds


def _read(model: Model, data: Dataset) -> float:
    """Return how long it takes to read one image again."""
    began = time.perf_counter()
    with stream(
        data.spread(_PROBED),
        model.preprocessing,
        1,
        workers=1,
        device=model.device,
        dtype=model.dtype,
    ) as batches:
        read = sum(len(batch) for batch in batches)
    return (time.perf_counter() - began) / max(1, read)
