"""Elements in other places: every one keeps the receptive field that it had."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from cnnviz.introspection.tracing.fields import (
    NOTHING,
    AxisFields,
    Ends,
    Field,
    Frame,
    Pair,
    Shape,
    agreed,
    compress,
    rearranged,
)


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


def concatenate(parts: Sequence[tuple[int, Field | None]], dim: int, shape: Shape) -> Field:
    """Join tensors along `dim`, given their lengths; one without a field depends on no pixel."""
    dim %= len(shape)
    lengths = [length for length, _ in parts]
    spans = []
    axes = next(len(field.spans) for _, field in parts if field is not None)
    for axis in range(axes):
        known = [None if field is None else field.spans[axis] for _, field in parts]
        frame = agreed([span.frame for span in known if span is not None])
        if frame is not None and frame.dim == dim:
            frame = None
        if frame is not None:
            pairs = [_frame_ends(span) for span in known]
            frame = replace(frame, ends=_joined(pairs, lengths, dim, len(shape)))
        clipped = [None if span is None else span.ends for span in known]
        ends = _joined(clipped, lengths, dim, len(shape))
        spans.append(AxisFields(ends, frame))
    return Field(shape, tuple(spans))


def _frame_ends(span: AxisFields | None) -> Pair | None:
    return None if span is None or span.frame is None else span.frame.ends


def _joined(pairs: Sequence[Pair | None], lengths: Sequence[int], dim: int, ndim: int) -> Pair:
    nothing = np.full((1,) * ndim, NOTHING, np.int32)

    def one(end: int) -> Ends:
        arrays = [nothing if pair is None else pair[end] for pair in pairs]
        common = np.broadcast_shapes(*(_along(array.shape, dim, 1) for array in arrays))
        joined = np.empty(_along(common, dim, sum(lengths)), np.int32)
        start = 0
        for array, length in zip(arrays, lengths, strict=True):
            joined[(slice(None),) * dim + (slice(start, start + length),)] = array
            start += length
        return compress(joined)

    return one(0), one(1)


def _along(shape: Shape, dim: int, length: int) -> Shape:
    return (*shape[:dim], length, *shape[dim + 1 :])


def moved(
    field: Field, shape: Shape, move: Callable[[Ends], Ends], touched: Sequence[int] | None
) -> Field:
    """Move elements about as `move` does with a full array.

    Parameters
    ----------
    field : Field
        What the elements see.
    shape : tuple of int
        The shape that they have afterwards.
    move : callable
        From an array of the shape before to one of the shape afterwards.
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
