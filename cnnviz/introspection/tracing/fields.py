"""Receptive fields of the elements of a tensor.

A `Field` says for every element of a tensor which rows and columns of the image it depends on, or
which places along each axis of a signal or a volume. It
is stored as small arrays that broadcast to the tensor's shape, of length 1 along every dimension on
which the field does not depend: the rows of a feature map [1, 64, 56, 56] are [1, 1, 56, 1].

The last pixel is stored negated, so that every union of fields is one minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Ends = NDArray[np.int32]
Shape = tuple[int, ...]
Pair = tuple[Ends, Ends]

NOTHING = 1 << 29
"""The first pixel (and the negated last one) of an element that depends on no pixel."""


@dataclass(frozen=True, eq=False)
class Frame:
    """Where the positions along one axis of the image lie in a tensor, and their unclipped field.

    Attributes
    ----------
    dim : int
        The dimension of the tensor that holds the positions.
    inner : int
        1 where `dim` holds the positions alone. Where a reshape merged dimensions, the elements of
        `dim` between one position and the next.
    count : int
        The number of positions.
    stride : int
        Pixels of the image from one position to the next.
    ends : pair of ndarray
        As in `AxisFields`, but as if the image went on beyond its border.
    """

    dim: int
    inner: int
    count: int
    stride: int
    ends: Pair

    def alone_in(self, shape: Shape) -> bool:
        """Whether the positions fill their dimension of a tensor of this shape."""
        return self.inner == 1 and self.count == shape[self.dim]


@dataclass(frozen=True, eq=False)
class AxisFields:
    """The fields of a tensor's elements along one axis of the image.

    Attributes
    ----------
    ends : pair of ndarray
        First pixel and negated last pixel, both broadcastable to the tensor.
    frame : Frame or None
        None where the positions do not follow one another at a constant stride.
    """

    ends: Pair
    frame: Frame | None


@dataclass(frozen=True, eq=False)
class Field:
    """The fields of every element of a tensor, along each axis of the image: rows, columns."""

    shape: Shape
    spans: tuple[AxisFields, ...]

    def positions(self) -> tuple[int, ...] | None:
        """Return the dimensions that hold the places along each axis, if each fills its own."""
        frames = [span.frame for span in self.spans]
        if any(frame is None or not frame.alone_in(self.shape) for frame in frames):
            return None
        dims = tuple(frame.dim for frame in frames if frame is not None)
        return dims if len(set(dims)) == len(dims) else None


Relocate = Callable[[Frame], Frame | None]


def of_image(size: Sequence[int], channels: int) -> Field:
    """Return the field of the image itself, [1, C, H, W]: every pixel depends on itself."""
    spans = []
    for dim, length in enumerate(size, start=2):
        shape = tuple(length if axis == dim else 1 for axis in range(2 + len(size)))
        pixels = np.arange(length, dtype=np.int32).reshape(shape)
        ends = (pixels, -pixels)
        spans.append(AxisFields(ends, Frame(dim, 1, length, 1, ends)))
    return Field((1, channels, *size), tuple(spans))


def rearranged(
    field: Field, shape: Shape, change: Callable[[Ends], Ends], relocate: Relocate
) -> Field:
    """Return a field whose arrays went through `change` and whose frames through `relocate`."""

    def both(ends: Pair) -> Pair:
        return change(ends[0]), change(ends[1])

    spans = []
    for span in field.spans:
        frame = relocate(span.frame) if span.frame is not None else None
        if frame is not None:
            frame = replace(frame, ends=both(frame.ends))
        spans.append(AxisFields(both(span.ends), frame))
    return Field(shape, tuple(spans))


def compress(ends: Ends) -> Ends:
    """Shorten to 1 every dimension along which the array does not change."""
    for dim, length in enumerate(ends.shape):
        if length > 1:
            first = ends.take([0], axis=dim)
            if (ends == first).all():
                ends = first
    return ends


def axes_of(dims: Iterable[int], rank: int) -> tuple[int, ...]:
    """Return which axes are meant, counted from the first; a number alone, of rank 0, has none."""
    return tuple(sorted({dim % rank for dim in dims})) if rank else ()


def agreed(frames: Sequence[Frame | None]) -> Frame | None:
    """Return any of the frames, if all hold the same positions in the same place."""
    places = {
        None if frame is None else (frame.dim, frame.inner, frame.count, frame.stride)
        for frame in frames
    }
    return frames[0] if len(places) == 1 else None


def equal(one: Field, other: Field) -> bool:
    """Whether two fields say the same."""
    if one is other:
        return True
    return one.shape == other.shape and all(
        _equal_pairs(mine.ends, theirs.ends) and (mine.frame is None) == (theirs.frame is None)
        for mine, theirs in zip(one.spans, other.spans, strict=True)
    )


def _equal_pairs(one: Pair, other: Pair) -> bool:
    return all(
        mine is theirs or bool((mine == theirs).all())
        for mine, theirs in zip(one, other, strict=True)
    )
