"""Which part of the image the positions of a layer see: exact, over the real graph of the network.

A receptive field is kept for every position of a layer's output, so that it is exact at the border
and where no single size and stride describe the layer (branches of unequal stride, upsampling,
adaptive pooling). Where one size and stride do, they are given too, in the usual sense: as if the
image went on beyond its border (Araujo, Norris and Sim 2019, "Computing Receptive Fields of
Convolutional Neural Networks").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError

Positions = NDArray[np.int32]


class PixelBox(NamedTuple):
    """A rectangle of whole pixels; `right` and `bottom` are the first column and row outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns covered."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows covered."""
        return self.bottom - self.top


class FieldNumbers(TypedDict):
    """A receptive field as plain data."""

    size: tuple[int, int]
    stride: tuple[int, int] | None
    start: tuple[int, int] | None
    uniform: bool
    whole_image: bool
    without_gates: FieldNumbers | None


@dataclass(frozen=True, eq=False)
class Axis:
    """The field of every position of a layer along one axis of the image.

    Attributes
    ----------
    extent : int
        Pixels of the image along this axis.
    first, last : ndarray of int32
        [H, W] of the layer's output, or 1 in place of a length along which they do not change: the
        first and last pixel that the position depends on. `first` > `last` where it depends on
        none, its window lying wholly in the padding.
    size : int
        Pixels of the field: the unclipped size where the layer is uniform, else the largest found.
        Padding that mirrors or repeats pixels counts as padding here, and in `first` and `last` as
        the pixels that it repeats.
    stride : int or None
        Pixels of the image from one position to the next (the cumulative stride, or jump); None
        where the layer is not uniform.
    start : int or None
        The first pixel of the field of position 0, negative in the padding; None likewise.
    """

    extent: int
    first: Positions
    last: Positions
    size: int
    stride: int | None
    start: int | None

    def interval(self, row: int, column: int) -> tuple[int, int]:
        """Return the first and last pixel inside the image for a position, or (0, -1) for none."""
        first = int(self.first[_index(self.first, row, column)])
        last = int(self.last[_index(self.last, row, column)])
        return (first, last) if first <= last else (0, -1)

    @property
    def whole(self) -> bool:
        """Whether every position depends on the first and the last pixel of the image."""
        return bool((self.first <= 0).all() and (self.last >= self.extent - 1).all())


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """The receptive field of a layer.

    Attributes
    ----------
    rows, columns : Axis
        The field along the height and the width of the image.
    positions : tuple of int
        Rows and columns of the layer's output; (1, 1) where it has no spatial extent.
    gateless : ReceptiveField or None
        Where a global gate (squeeze-and-excitation, statistics over the whole map) makes every
        position depend on the whole image: the field without such gates. Else None.
    """

    rows: Axis
    columns: Axis
    positions: tuple[int, int]
    gateless: ReceptiveField | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels: unclipped where uniform, else the largest of a position."""
        return self.rows.size, self.columns.size

    @property
    def stride(self) -> tuple[int, int] | None:
        """Pixels from one position to the next (rows, columns); None where not uniform."""
        if self.rows.stride is None or self.columns.stride is None:
            return None
        return self.rows.stride, self.columns.stride

    @property
    def start(self) -> tuple[int, int] | None:
        """Row and column at which the field of position (0, 0) starts; None where not uniform."""
        if self.rows.start is None or self.columns.start is None:
            return None
        return self.rows.start, self.columns.start

    @property
    def uniform(self) -> bool:
        """Whether one size, stride and start describe every position."""
        return self.stride is not None

    @property
    def whole(self) -> bool:
        """Whether every position depends on the whole image, from border to border."""
        return self.rows.whole and self.columns.whole

    @property
    def local(self) -> ReceptiveField:
        """The field without global gates; the field itself where there are none."""
        return self.gateless or self

    def transposed(self) -> ReceptiveField:
        """Return the field of the same layer with its rows and columns exchanged."""
        rows, columns = (
            replace(axis, first=axis.first.T, last=axis.last.T)
            for axis in (self.rows, self.columns)
        )
        gateless = None if self.gateless is None else self.gateless.transposed()
        return ReceptiveField(rows, columns, (self.positions[1], self.positions[0]), gateless)

    def box(self, row: int = 0, column: int = 0, *, clipped: bool = True) -> PixelBox:
        """Return the part of the image that a position depends on.

        Parameters
        ----------
        row, column : int
            The position in the layer's output.
        clipped : bool
            Whether to return the part inside the image, which is exact for every layer. The
            unclipped window reaches into the padding, and exists for uniform layers only.

        Raises
        ------
        UsageError
            If the layer has no such position, or has no unclipped window.
        """
        height, width = self.positions
        if not (0 <= row < height and 0 <= column < width):
            raise UsageError(
                f"Position ({row}, {column}) lies outside the layer's {height} x {width} output.",
                f"Rows go from 0 to {height - 1} and columns from 0 to {width - 1}.",
            )
        if clipped:
            (top, bottom), (left, right) = (
                self.rows.interval(row, column),
                self.columns.interval(row, column),
            )
            return PixelBox(left, top, right + 1, bottom + 1)
        if self.stride is None or self.start is None:
            raise UsageError(
                "The fields of this layer differ in size, so none can be told beyond the border.",
                "Ask for the clipped box, which is exact.",
            )
        top = self.start[0] + row * self.stride[0]
        left = self.start[1] + column * self.stride[1]
        return PixelBox(left, top, left + self.size[1], top + self.size[0])

    def describe(self) -> str:
        """Return the field in a few words: "43 x 43" or "whole image (99 x 99 without gates)"."""
        if self.gateless is not None and self.whole:
            return f"whole image ({self.gateless.describe()} without gates)"
        if self.whole and not self.uniform:
            return "whole image"
        words = f"{self.size[0]} x {self.size[1]}"
        return words if self.uniform or self.positions == (1, 1) else f"up to {words}"

    def to_json(self) -> FieldNumbers:
        """Return the field as plain data, without the intervals of each position."""
        return {
            "size": self.size,
            "stride": self.stride,
            "start": self.start,
            "uniform": self.uniform,
            "whole_image": self.whole,
            "without_gates": None if self.gateless is None else self.gateless.to_json(),
        }


def _index(array: Positions, row: int, column: int) -> tuple[int, int]:
    return (row if array.shape[0] > 1 else 0, column if array.shape[1] > 1 else 0)
