"""A data set of any size that takes no memory, and scans as bytes."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, lru_cache

import numpy as np
import torch

from cnnviz.datasets import Dataset, DatasetImage
from cnnviz.errors import ImageError
from cnnviz.models import Model
from cnnviz_gallery.scan.scan_result import ScanResult
from tests.helpers.architectures import tiny_network


@lru_cache(2048)
def noise(seed: int, side: int) -> torch.Tensor:
    values = np.random.default_rng(seed).standard_normal((3, side, side), np.float32)
    return torch.from_numpy(values)


class Generated(Dataset):
    """Images of noise; two neighbours are always the same, so that ties are common."""

    def __init__(
        self, count: int, *, side: int = 12, broken: Collection[int] = (), labelled: bool = True
    ) -> None:
        self.count, self.side, self.broken = count, side, frozenset(broken)
        self.classes = ("one", "two", "three") if labelled else ()
        self.reads = 0

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"{index}.png"

    def key(self, index: int) -> str:
        return f"{index} {self.side} {index in self.broken}"

    def label(self, index: int) -> int | None:
        return index % 3 if self.classes else None

    def read(self, index: int) -> DatasetImage:
        self.reads += 1
        if index in self.broken:
            raise ImageError(f"{self.name(index)} is broken.", "Mend it.")
        return DatasetImage(noise(index // 2 % 1009, self.side), self.label(index))

    def describe(self) -> str:
        return f"{self.count:,} images of noise"


def new_network(seed: int = 0) -> Model:
    """Return a tiny network of one's own."""
    return Model(tiny_network(seed=seed), categories=("a", "b", "c", "d"))


network = cache(new_network)
"""The same network, made once: what is found out of it by tracing serves again."""


def content(scan: ScanResult) -> dict[str, object]:
    """Return everything in a scan, arrays as bytes."""
    found: dict[str, object] = {
        "told": (scan.network, scan.data, scan.settings, scan.grouping, scan.skipped, scan.notes),
        "counts": scan.group_counts.tobytes(),
    }
    if scan.answers is not None:
        found["answers"] = [values.tobytes() for values in vars(scan.answers).values()]
    for layer in scan.layers:
        found[layer.layer] = (layer.shape, layer.images, layer.positions, layer.unit)
        for name, values in layer.arrays().items():
            found[f"{layer.layer} {name}"] = values.tobytes()
    return found
