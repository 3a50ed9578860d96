"""Which images stand for a channel: the strongest, and a sample of all; merged in any grouping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.units.top_k import TopK

Ints = NDArray[np.int64]
NOBODY = -1


@dataclass(frozen=True, eq=False)
class RankedImages:
    """For each of C channels k places in images.

    Attributes
    ----------
    images : ndarray of int64
        [C, k], places in the data set; -1 where there were fewer images, and the entry is void.
    values : ndarray of float32
        [C, k], the channel's greatest value in that image.
    rows, columns : ndarray of int64
        [C, k], where in the layer's output it is; the first of several.
    """

    images: Ints
    values: NDArray[np.float32]
    rows: Ints
    columns: Ints

    def __len__(self) -> int:
        return len(self.images)

    @property
    def count(self) -> int:
        """How many picks a channel has at most."""
        return int(self.images.shape[1])

    def taken(self, order: Ints) -> RankedImages:
        """Return each channel's picks in an order [C, m] of its own."""

        def take(values: NDArray[Any]) -> NDArray[Any]:
            return np.take_along_axis(values, order, 1)

        return RankedImages(
            take(self.images), take(self.values), take(self.rows), take(self.columns)
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays by name, in as few bytes as they need."""
        return {
            "images": self.images.astype(np.int32),
            "values": self.values,
            "rows": self.rows.astype(np.int32),
            "columns": self.columns.astype(np.int32),
        }

    @classmethod
    def of_arrays(cls, found: dict[str, NDArray[np.generic]]) -> RankedImages:
        """Return picks from what `arrays` returned."""
        whole = {name: found[name].astype(np.int64) for name in ("images", "rows", "columns")}
        return cls(values=found["values"].astype(np.float32), **whole)


def strongest(parts: Sequence[RankedImages], count: int) -> RankedImages:
    """Return the `count` strongest picks of each channel, the strongest first.

    Of equal values the image that comes first in the data set wins. That order is total, so merging
    is associative: any grouping of the images gives the same picks.
    """
    found = TopK(count)
    for part in parts:
        found.put(part.values, part.images, part.rows, part.columns)
    return of_strongest(found)


def of_strongest(found: TopK) -> RankedImages:
    """Return what was found as picks."""
    # Adding zero makes a negative zero a positive one: which of the two is the greatest is chance.
    return RankedImages(
        found.images,
        found.values.astype(np.float32) + np.float32(0.0),
        found.rows.clip(0),
        found.columns.clip(0),
    )


def sampled(parts: Sequence[RankedImages], count: int, seed: int) -> RankedImages:
    """Return the picks of each channel in a random sample of at most `count` images.

    An image is in the sample if its `rank` is among the least; which images these are depends on
    the seed and the data only, and they are the same for every channel. They come in the order of
    their rank.
    """
    joined = _joined(parts)
    images = joined.images[0]
    order = np.lexsort((rank(images, seed), images == NOBODY))[:count]
    return joined.taken(np.broadcast_to(order, (len(joined), len(order))))


def rank(images: Ints, seed: int) -> NDArray[np.uint64]:
    """Return a pseudo-random number for each image (splitmix64; Steele, Lea and Flood 2014)."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        z = (images.astype(np.uint64) + np.uint64(seed) * np.uint64(1 << 32)) * golden + golden
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)


def _joined(parts: Sequence[RankedImages]) -> RankedImages:
    def join(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts], axis=1)

    return RankedImages(join("images"), join("values"), join("rows"), join("columns"))
