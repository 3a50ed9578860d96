"""Elements computed from several others: each has the union of their receptive fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.introspection.tracing.fields import (
    NOTHING,
    AxisFields,
    Ends,
    Field,
    Frame,
    Shape,
    agreed,
    axes_of,
    compress,
    rearranged,
)
from cnnviz.introspection.tracing.kernel_taps import Taps


def gather(field: Field, dim: int, taps: Taps) -> Field:
    """Let every position of a dimension depend on the positions that its taps read."""
    dim %= len(field.shape)
    shape = (*field.shape[:dim], taps.outputs, *field.shape[dim + 1 :])
    spans = []
    for span in field.spans:
        first, last = span.ends
        ends = (_gather_clipped(first, dim, taps), _gather_clipped(last, dim, taps))
        spans.append(AxisFields(ends, _gather_frame(span.frame, dim, field.shape, taps)))
    return Field(shape, tuple(spans))


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
    taken = ends.take(read, axis=dim)
    if not valid.all():
        taken = np.where(_along(valid, dim, ends.ndim), taken, np.int32(NOTHING))
    return np.asarray(taken.min(axis=dim + 1), np.int32)


def _along(taps: NDArray[Any], dim: int, ndim: int) -> NDArray[Any]:
    """Return what there is for each tap as it stands in what was taken along a dimension."""
    return taps.reshape((1,) * dim + taps.shape + (1,) * (ndim - dim - 1))


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
    beyond = _along(beyond, dim, len(shape))
    ends = tuple(
        np.asarray((end.take(inside, axis=dim) + sign * beyond).min(axis=dim + 1), np.int32)
        for end, sign in zip(frame.ends, (1, -1), strict=True)
    )
    return replace(
        frame, count=taps.outputs, stride=frame.stride * taps.step, ends=(ends[0], ends[1])
    )


def hull(field: Field, dims: Sequence[int]) -> Field:
    """Let every element depend on what any element along `dims` depends on."""
    along = axes_of(dims, len(field.shape))
    return rearranged(
        field,
        field.shape,
        lambda ends: ends.min(axis=along, keepdims=True),
        lambda frame: None if frame.dim in along else frame,
    )


def reduce(field: Field, dims: Sequence[int], *, keep: bool) -> Field:
    """Unite the fields along `dims`, which shrink to length 1 if `keep` and go if not."""
    united = hull(field, dims)
    along = axes_of(dims, len(field.shape))
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


def union(fields: Sequence[Field], shape: Shape) -> Field:
    """Let every element depend on what the elements combined in it depend on, broadcast alike."""
    if all(field is fields[0] for field in fields) and fields[0].shape == shape:
        return fields[0]
    aligned = [_aligned(field, len(shape)) for field in fields]
    spans = []
    for axis in range(len(fields[0].spans)):
        parts = [field.spans[axis] for field in aligned]
        first, last = (_minimum([part.ends[end] for part in parts]) for end in (0, 1))
        frames = [_unbroadcast(field.spans[axis].frame, field.shape, shape) for field in aligned]
        spans.append(AxisFields((first, last), _united(frames)))
    return Field(shape, tuple(spans))


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
    one = agreed(frames)
    if one is None:
        return None
    pairs = [frame.ends for frame in frames if frame is not None]
    first, last = (_minimum([pair[end] for pair in pairs]) for end in (0, 1))
    return replace(one, ends=(first, last))


def _minimum(arrays: Sequence[Ends]) -> Ends:
    least = arrays[0]
    for array in arrays[1:]:
        if array is not least:
            least = np.minimum(least, array)
    return least
