"""The algebra of receptive fields: what an operation does to the fields of a tensor's elements.

A `Field` says for every element of a tensor which rows and columns of the image it depends on. It
is stored as small arrays that broadcast to the tensor's shape, of length 1 along every dimension on
which the field does not depend: the rows of a feature map [1, 64, 56, 56] are [1, 1, 56, 1].

The last pixel is stored negated, so that every union of fields is one minimum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cnnviz.tracing.taps import Taps

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
        As in `Span`, but as if the image went on beyond its border.
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
class Span:
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
    """The fields of every element of a tensor, along the rows and the columns of the image."""

    shape: Shape
    spans: tuple[Span, Span]

    def positions(self) -> tuple[int, int] | None:
        """Return the dimensions that hold the rows and the columns, if each fills its own."""
        frames = [span.frame for span in self.spans]
        if any(frame is None or not frame.alone_in(self.shape) for frame in frames):
            return None
        dims = tuple(frame.dim for frame in frames if frame is not None)
        return (dims[0], dims[1]) if dims[0] != dims[1] else None


Relocate = Callable[[Frame], Frame | None]


def of_image(height: int, width: int, channels: int) -> Field:
    """Return the field of the image itself, [1, C, H, W]: every pixel depends on itself."""
    spans = []
    for dim, length in ((2, height), (3, width)):
        shape = tuple(length if axis == dim else 1 for axis in range(4))
        pixels = np.arange(length, dtype=np.int32).reshape(shape)
        ends = (pixels, -pixels)
        spans.append(Span(ends, Frame(dim, 1, length, 1, ends)))
    return Field((1, channels, height, width), (spans[0], spans[1]))


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
        spans.append(Span(both(span.ends), frame))
    return Field(shape, (spans[0], spans[1]))


def permute(field: Field, order: Sequence[int]) -> Field:
    """Reorder the dimensions."""
    order = [dim % len(field.shape) for dim in order]
    shape = tuple(field.shape[dim] for dim in order)
    return rearranged(
        field,
        shape,
        lambda ends: ends.transpose(order),
        lambda frame: replace(frame, dim=order.index(frame.dim)),
    )


def reshape(field: Field, shape: Shape) -> Field:
    """Give the elements, in their order, another shape."""
    if shape == field.shape:
        return field
    groups = _groups(field.shape, shape)

    def change(ends: Ends) -> Ends:
        spread = list(ends.shape)
        target = [1] * len(shape)
        for old, new in groups:
            if any(ends.shape[dim] > 1 for dim in old):
                for dim in old:
                    spread[dim] = field.shape[dim]
                for dim in new:
                    target[dim] = shape[dim]
        return compress(np.broadcast_to(ends, spread).reshape(target))

    def relocate(frame: Frame) -> Frame | None:
        place = frame.inner * math.prod(field.shape[frame.dim + 1 :])
        for dim, length in enumerate(shape):
            below = math.prod(shape[dim + 1 :])
            fits = below * length % (place * frame.count) == 0
            if length > 1 and fits and place % below == 0:
                return replace(frame, dim=dim, inner=place // below)
        return None

    return rearranged(field, shape, change, relocate)


def _groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    # The smallest runs of old and new dimensions that hold the same elements.
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        mine, theirs = [], []
        size = other = 1
        while True:
            if i < len(old) and (size <= other or j >= len(new)):
                size *= old[i]
                mine.append(i)
                i += 1
            elif j < len(new):
                other *= new[j]
                theirs.append(j)
                j += 1
            if size == other or (i >= len(old) and j >= len(new)):
                break
        groups.append((mine, theirs))
    return groups


def compress(ends: Ends) -> Ends:
    """Shorten to 1 every dimension along which the array does not change."""
    for dim, length in enumerate(ends.shape):
        if length > 1:
            first = ends.take([0], axis=dim)
            if (ends == first).all():
                ends = first
    return ends


def gather(field: Field, dim: int, taps: Taps) -> Field:
    """Let every position of a dimension depend on the positions that its taps read."""
    dim %= len(field.shape)
    shape = (*field.shape[:dim], taps.outputs, *field.shape[dim + 1 :])
    spans = []
    for span in field.spans:
        first, last = span.ends
        ends = (_gather_clipped(first, dim, taps), _gather_clipped(last, dim, taps))
        spans.append(Span(ends, _gather_frame(span.frame, dim, field.shape, taps)))
    return Field(shape, (spans[0], spans[1]))


def _gather_clipped(ends: Ends, dim: int, taps: Taps) -> Ends:
    if ends.shape[dim] == 1:
        reached = taps.valid.any(axis=1)
        if reached.all():
            return ends
        along = [1] * ends.ndim
        along[dim] = taps.outputs
        return np.where(reached.reshape(along), ends, np.int32(NOTHING))
    return _least(ends, dim, taps.read, taps.valid)


def _least(ends: Ends, dim: int, read: NDArray[np.int64], valid: NDArray[np.bool_]) -> Ends:
    taken = np.moveaxis(ends, dim, -1)[..., read]
    least = np.where(valid, taken, np.int32(NOTHING)).min(axis=-1)
    return np.asarray(np.moveaxis(least, -1, dim), np.int32)


def _gather_frame(frame: Frame | None, dim: int, shape: Shape, taps: Taps) -> Frame | None:
    if frame is None:
        return None
    if frame.dim != dim:
        first, last = (
            ends if ends.shape[dim] == 1 else _least(ends, dim, taps.read, taps.valid)
            for ends in frame.ends
        )
        return replace(frame, ends=(first, last))
    if taps.step is None or not frame.alone_in(shape):
        return None
    inside = np.clip(taps.raw, 0, frame.count - 1)
    # Beyond the border the pixels go on at the stride of the positions.
    beyond = ((taps.raw - inside) * frame.stride).astype(np.int32)
    ends = tuple(
        np.asarray(
            np.moveaxis((np.moveaxis(end, dim, -1)[..., inside] + sign * beyond).min(-1), -1, dim),
            np.int32,
        )
        for end, sign in zip(frame.ends, (1, -1), strict=True)
    )
    return replace(
        frame, count=taps.outputs, stride=frame.stride * taps.step, ends=(ends[0], ends[1])
    )


def hull(field: Field, dims: Sequence[int]) -> Field:
    """Let every element depend on what any element along `dims` depends on."""
    along = tuple(sorted({dim % len(field.shape) for dim in dims}))
    return rearranged(
        field,
        field.shape,
        lambda ends: ends.min(axis=along, keepdims=True),
        lambda frame: None if frame.dim in along else frame,
    )


def reduce(field: Field, dims: Sequence[int], *, keep: bool) -> Field:
    """Unite the fields along `dims`, which shrink to length 1 if `keep` and go if not."""
    united = hull(field, dims)
    along = {dim % len(field.shape) for dim in dims}
    if keep:
        shape = tuple(1 if dim in along else size for dim, size in enumerate(field.shape))
        return Field(shape, united.spans)
    left = [dim for dim in range(len(field.shape)) if dim not in along]
    return rearranged(
        united,
        tuple(field.shape[dim] for dim in left),
        lambda ends: ends.reshape([ends.shape[dim] for dim in left]),
        lambda frame: replace(frame, dim=left.index(frame.dim)),
    )


def union(fields: Sequence[Field], shape: Shape) -> Field:
    """Let every element depend on what the elements combined in it depend on, broadcast alike."""
    if all(field is fields[0] for field in fields) and fields[0].shape == shape:
        return fields[0]
    aligned = [_aligned(field, len(shape)) for field in fields]
    spans = []
    for axis in (0, 1):
        parts = [field.spans[axis] for field in aligned]
        first, last = (_minimum([part.ends[end] for part in parts]) for end in (0, 1))
        frames = [_unbroadcast(field.spans[axis].frame, field.shape, shape) for field in aligned]
        spans.append(Span((first, last), _united(frames)))
    return Field(shape, (spans[0], spans[1]))


def _unbroadcast(frame: Frame | None, old: Shape, new: Shape) -> Frame | None:
    return frame if frame is not None and old[frame.dim] == new[frame.dim] else None


def _aligned(field: Field, ndim: int) -> Field:
    extra = ndim - len(field.shape)
    if extra == 0:
        return field
    new = (1,) * extra
    return rearranged(
        field,
        (*new, *field.shape),
        lambda ends: ends.reshape(new + ends.shape),
        lambda frame: replace(frame, dim=frame.dim + extra),
    )


def _united(frames: Sequence[Frame | None]) -> Frame | None:
    one = _agreed(frames)
    if one is None:
        return None
    pairs = [frame.ends for frame in frames if frame is not None]
    first, last = (_minimum([pair[end] for pair in pairs]) for end in (0, 1))
    return replace(one, ends=(first, last))


def _agreed(frames: Sequence[Frame | None]) -> Frame | None:
    # Any of the frames, if all hold the same positions in the same place.
    places = {
        None if frame is None else (frame.dim, frame.inner, frame.count, frame.stride)
        for frame in frames
    }
    return frames[0] if len(places) == 1 else None


def _minimum(arrays: Sequence[Ends]) -> Ends:
    least = arrays[0]
    for array in arrays[1:]:
        if array is not least:
            least = np.minimum(least, array)
    return least


def concatenate(parts: Sequence[tuple[int, Field | None]], dim: int, shape: Shape) -> Field:
    """Join tensors along `dim`, given their lengths; one without a field depends on no pixel."""
    dim %= len(shape)
    lengths = [length for length, _ in parts]
    spans = []
    for axis in (0, 1):
        known = [None if field is None else field.spans[axis] for _, field in parts]
        frame = _agreed([span.frame for span in known if span is not None])
        if frame is not None and frame.dim == dim:
            frame = None
        if frame is not None:
            pairs = [_frame_ends(span) for span in known]
            frame = replace(frame, ends=_joined(pairs, lengths, dim, len(shape)))
        clipped = [None if span is None else span.ends for span in known]
        ends = _joined(clipped, lengths, dim, len(shape))
        spans.append(Span(ends, frame))
    return Field(shape, (spans[0], spans[1]))


def _frame_ends(span: Span | None) -> Pair | None:
    return None if span is None or span.frame is None else span.frame.ends


def _joined(pairs: Sequence[Pair | None], lengths: Sequence[int], dim: int, ndim: int) -> Pair:
    nothing = np.full((1,) * ndim, NOTHING, np.int32)

    def one(end: int) -> Ends:
        arrays = [nothing if pair is None else pair[end] for pair in pairs]
        common = np.broadcast_shapes(*(_along(array.shape, dim, 1) for array in arrays))
        wide = [
            np.broadcast_to(array, _along(common, dim, length))
            for array, length in zip(arrays, lengths, strict=True)
        ]
        return compress(np.concatenate(wide, axis=dim))

    return one(0), one(1)


def _along(shape: Shape, dim: int, length: int) -> Shape:
    return (*shape[:dim], length, *shape[dim + 1 :])


def mixed_channels(field: Field, dim: int, groups: int, channels: int) -> Field:
    """Let every output channel depend on all input channels of its group."""
    shape = (*field.shape[:dim], channels, *field.shape[dim + 1 :])

    def change(ends: Ends) -> Ends:
        count = ends.shape[dim]
        if count == 1:
            return ends
        if groups == 1:
            return np.asarray(ends.min(axis=dim, keepdims=True))
        before, after = ends.shape[:dim], ends.shape[dim + 1 :]
        least = ends.reshape((*before, groups, count // groups, *after)).min(axis=dim + 1)
        return compress(least.repeat(channels // groups, axis=dim))

    return rearranged(field, shape, change, lambda frame: None if frame.dim == dim else frame)


def moved(
    field: Field, shape: Shape, move: Callable[[Ends], Ends], touched: Sequence[int] | None
) -> Field:
    """Move elements about as `move` does with a full array.

    Parameters
    ----------
    touched : sequence of int or None
        The dimensions along which elements change place, the others keeping their index; None
        where that cannot be said.
    """
    kept = () if touched is None else set(range(len(shape))) - {d % len(shape) for d in touched}

    def change(ends: Ends) -> Ends:
        return compress(move(np.broadcast_to(ends, field.shape).copy()))

    def relocate(frame: Frame) -> Frame | None:
        stays = frame.dim in kept and len(shape) == len(field.shape)
        return frame if stays and shape[frame.dim] == field.shape[frame.dim] else None

    return rearranged(field, shape, change, relocate)


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
