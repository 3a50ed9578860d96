"""Crops of the image in which a unit finds everything that it sees, at the grid of its layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnnviz.introspection.receptive_fields import Axis, Box, ReceptiveField, box_of

WORTH = 0.5
"""The largest share of the image at which crops cost less than the whole image: a crop needs a
forward and a backward pass of its own, and the whole image one more backward pass."""


@dataclass(frozen=True)
class _Side:
    """Crops along one axis."""

    extent: int
    stride: int
    length: int

    @classmethod
    def of(cls, axis: Axis) -> _Side | None:
        if axis.stride is None or axis.start is None:
            return None
        # A crop starts on the layer's grid, so that every layer below has the unit's positions
        # where the whole image has them; and as the image and it differ by whole strides in
        # length, one that ends with the image meets the same padding there.
        least = axis.size + axis.stride - 1
        length = least + (axis.extent - least) % axis.stride
        return cls(axis.extent, axis.stride, min(length, axis.extent))

    def start(self, first: int) -> int:
        """Return where a crop starts that holds a field whose first pixel is `first`."""
        return min(max(first, 0) // self.stride * self.stride, self.extent - self.length)


@dataclass(frozen=True)
class Crops:
    """Crops of one size for every position of a layer."""

    sides: tuple[_Side, ...]

    @classmethod
    def of(cls, field: ReceptiveField | None) -> Crops | None:
        """Return the crops of a layer; None where they cannot serve it, or save nothing."""
        if field is None or field.gateless is not None:
            return None
        sides = [_Side.of(axis) for axis in field.axes]
        known = tuple(side for side in sides if side is not None)
        if len(known) < len(sides):
            return None
        found = cls(known)
        return found if found.share <= WORTH else None

    @property
    def share(self) -> float:
        """The share of the image that a crop covers."""
        return math.prod(side.length for side in self.sides) / math.prod(
            side.extent for side in self.sides
        )

    def around(self, window: Box) -> Box:
        """Return the crop that holds a unit's window, or as much of it as lies in the image."""
        starts = [side.start(first) for side, first in zip(self.sides, window.starts, strict=True)]
        ends = [first + side.length for side, first in zip(self.sides, starts, strict=True)]
        return box_of(starts, ends)

    def position(self, crop: Box, position: tuple[int, ...]) -> tuple[int, ...]:
        """Return where a position of the layer lies in the layer's maps of a crop."""
        return tuple(
            at - first // side.stride
            for at, first, side in zip(position, crop.starts, self.sides, strict=True)
        )
