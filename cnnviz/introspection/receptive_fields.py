"""Which part of the image the positions of a layer see: exact, over the real graph of the network.

Exact whatever the parameters are: what a constant mask shuts out is left out, and a parameter that
happens to be zero, or terms that cancel, take nothing out.

A receptive field is kept for every position of a layer's output, so that it is exact at the border
and where no single size and stride describe the layer (branches of unequal stride, upsampling,
adaptive pooling). Where one size and stride do, they are given too, in the usual sense: as if the
image went on beyond its border (Araujo, Norris and Sim 2019, "Computing Receptive Fields of
Convolutional Neural Networks").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.results.space import IMAGE, Space, space_of
from cnnviz.results.text import dimensions

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

    @property
    def starts(self) -> tuple[int, ...]:
        """The first row and column inside."""
        return self.top, self.left

    @property
    def ends(self) -> tuple[int, ...]:
        """The first row and column outside."""
        return self.bottom, self.right

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows and columns covered."""
        return self.height, self.width


class ArrayBox(NamedTuple):
    """Whole places along each axis of a signal or a volume, as `PixelBox` has them of an image.

    `starts` are the first places inside, and `ends` the first ones outside. The names of a
    `PixelBox` mean the rows and columns of a volume, and the samples of a signal, which is one row.
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Places covered along each axis."""
        return tuple(end - start for start, end in zip(self.starts, self.ends, strict=True))

    @property
    def left(self) -> int:
        """The first column inside."""
        return self.starts[-1]

    @property
    def right(self) -> int:
        """The first column outside."""
        return self.ends[-1]

    @property
    def top(self) -> int:
        """The first row inside."""
        return self.starts[-2] if len(self.starts) > 1 else 0

    @property
    def bottom(self) -> int:
        """The first row outside."""
        return self.ends[-2] if len(self.ends) > 1 else 1

    @property
    def width(self) -> int:
        """Columns covered."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows covered."""
        return self.bottom - self.top


Box = PixelBox | ArrayBox


def box_of(starts: Sequence[int], ends: Sequence[int]) -> Box:
    """Return the box from some places up to others, along each axis from the slowest."""
    if len(starts) == IMAGE.axes:
        return PixelBox(starts[1], starts[0], ends[1], ends[0])
    return ArrayBox(tuple(starts), tuple(ends))


class FieldNumbers(TypedDict):
    """A receptive field as plain data."""

    size: tuple[int, ...]
    stride: tuple[int, ...] | None
    start: tuple[int, ...] | None
    uniform: bool
    whole_image: bool
    each_value: tuple[int, ...] | None
    without_gates: FieldNumbers | None


@dataclass(frozen=True, eq=False)
class Axis:
    """The field of every position of a layer along one axis of the image.

    Attributes
    ----------
    extent : int
        Pixels of the image along this axis.
    first, last : ndarray of int32
        [H, W] of the layer's output, with as many dimensions as the image has axes, or 1 in place
        of a length along which they do not change: the first and last pixel that the position
        depends on. `first` > `last` where it depends on none, its window lying wholly in the
        padding.
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

    def interval(self, *position: int) -> tuple[int, int]:
        """Return the first and last pixel inside the image for a position, or (0, -1) for none."""
        first = int(self.first[_index(self.first, position)])
        last = int(self.last[_index(self.last, position)])
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
    axes : tuple of Axis
        The field along each axis of the input: height and width of an image, the length of a
        signal, depth, height and width of a volume.
    positions : tuple of int
        Rows and columns of the layer's output; (1, 1) where it has no spatial extent.
    gateless : ReceptiveField or None
        Where a global gate (squeeze-and-excitation, statistics over the whole map) makes every
        position depend on the whole image: the field without such gates. Else None.
    each : tuple of int or None
        Where the output has no positions and no value of it sees all that the others see together,
        as behind a flattened map: the largest extent that one value sees of the image. Else None.
    """

    axes: tuple[Axis, ...]
    positions: tuple[int, ...]
    gateless: ReceptiveField | None = None
    each: tuple[int, ...] | None = None

    @property
    def rows(self) -> Axis:
        """The field along the height of an image."""
        return self.axes[-2]

    @property
    def columns(self) -> Axis:
        """The field along the width of an image."""
        return self.axes[-1]

    @property
    def space(self) -> Space:
        """Which axes there are."""
        return space_of(len(self.axes))

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width in pixels: unclipped where uniform, else the largest of a position."""
        return tuple(axis.size for axis in self.axes)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """Pixels from one position to the next (rows, columns); None where not uniform."""
        return _all_known(axis.stride for axis in self.axes)

    @property
    def start(self) -> tuple[int, ...] | None:
        """Row and column at which the field of position (0, 0) starts; None where not uniform."""
        return _all_known(axis.start for axis in self.axes)

    @property
    def uniform(self) -> bool:
        """Whether one size, stride and start describe every position."""
        return self.stride is not None

    @property
    def whole(self) -> bool:
        """Whether every position depends on the whole image, from border to border."""
        return all(axis.whole for axis in self.axes)

    @property
    def local(self) -> ReceptiveField:
        """The field without global gates; the field itself where there are none."""
        return self.gateless or self

    def reordered(self, order: Sequence[int]) -> ReceptiveField:
        """Return the field of the same layer with the dimensions of its output in another order."""
        axes = tuple(
            replace(axis, first=axis.first.transpose(order), last=axis.last.transpose(order))
            for axis in self.axes
        )
        gateless = None if self.gateless is None else self.gateless.reordered(order)
        positions = tuple(self.positions[dim] for dim in order)
        return replace(self, axes=axes, positions=positions, gateless=gateless)

    def window(self, *position: int) -> tuple[tuple[int, int], ...]:
        """Return, along each axis, the first pixel that a position depends on and the one after.

        It is the part inside the image, which is exact for every layer.

        Raises
        ------
        UsageError
            If the layer has no such position.
        """
        inside = len(position) == len(self.positions) and all(
            0 <= at < count for at, count in zip(position, self.positions, strict=True)
        )
        if not inside:
            said = ", ".join(map(str, position))
            ends = ", ".join(str(count - 1) for count in self.positions)
            raise UsageError(
                f"Position ({said}) lies outside the layer's {dimensions(self.positions)} output.",
                f"Positions go from 0 to ({ends}).",
            )
        intervals = (axis.interval(*position) for axis in self.axes)
        return tuple((first, last + 1) for first, last in intervals)

    def inside(self, *position: int) -> Box:
        """Return what `window` does, as a box."""
        starts, ends = zip(*self.window(*position), strict=True)
        return box_of(starts, ends)

    def box(self, row: int = 0, column: int = 0, *, clipped: bool = True) -> PixelBox:
        """Return the part of an image that a position depends on.

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
        (top, bottom), (left, right) = self.window(row, column)
        if clipped:
            return PixelBox(left, top, right, bottom)
        if self.stride is None or self.start is None:
            raise UsageError(
                "The fields of this layer differ in size, so none can be told beyond the border.",
                "Ask for the clipped box, which is exact.",
            )
        top = self.start[0] + row * self.stride[0]
        left = self.start[1] + column * self.stride[1]
        return PixelBox(left, top, left + self.size[1], top + self.size[0])

    def describe(self, *, unit: bool = False) -> str:
        """Return the field in a few words: "43 x 43" or "whole image (99 x 99 without gates)".

        With `unit` the numbers have theirs: "43 x 43 px".
        """
        noun = self.space.noun
        if self.gateless is not None and self.whole:
            return f"whole {noun} ({self.gateless.describe(unit=unit)} without gates)"
        if self.each is not None:
            # Of values without positions what they see together says little about any of them.
            said = self.space.size if unit else self.space.extent
            together = f"whole {noun}" if self.whole else said(self.size)
            return f"inside the {noun} up to {said(self.each)} a value, together {together}"
        if self.whole and not self.uniform:
            return f"whole {noun}"
        words = self.space.size(self.size) if unit else self.space.extent(self.size)
        single = self.positions == self.space.one_place
        return words if self.uniform or single else f"up to {words}"

    def to_json(self) -> FieldNumbers:
        """Return the field as plain data, without the intervals of each position."""
        return {
            "size": self.size,
            "stride": self.stride,
            "start": self.start,
            "uniform": self.uniform,
            "whole_image": self.whole,
            "each_value": self.each,
            "without_gates": None if self.gateless is None else self.gateless.to_json(),
        }


def _all_known(numbers: Iterable[int | None]) -> tuple[int, ...] | None:
    found = tuple(numbers)
    known = tuple(number for number in found if number is not None)
    return known if len(known) == len(found) else None


def _index(array: Positions, position: Sequence[int]) -> tuple[int, ...]:
    return tuple(at if length > 1 else 0 for at, length in zip(position, array.shape, strict=True))
