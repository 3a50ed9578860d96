"""Matrix products and attention in which zeros shut something out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnviz.introspection.tracing.field_union import union
from cnnviz.introspection.tracing.fields import (
    NOTHING,
    AxisFields,
    Ends,
    Field,
    Frame,
    Shape,
    compress,
    rearranged,
)
from cnnviz.introspection.tracing.kept_values import Known
from cnnviz.introspection.tracing.marks import Flags
from cnnviz.introspection.tracing.operation import Operation
from cnnviz.introspection.tracing.registry import Found, Look
from cnnviz.introspection.tracing.rules_compute import (
    FACTORS,
    multiply_matrices,
)

_MOST = 1 << 24
"""Numbers that a product of masks and fields holds at a time."""


def through_matrices(operation: Operation, look: Look, gateless: bool, known: Known) -> Found:
    """Each element depends on the pairs of elements neither of which is zero."""
    name = operation.name
    first, second = (operation[factor] for factor in FACTORS[name])
    kept = known.support(first), known.support(second)
    if all(flags is None for flags in kept):
        return None
    if not name.endswith("mm"):
        return _vector_product(operation, look, gateless, kept)
    output = tuple(operation.outputs[0].shape)
    bias = look(operation["self"]) if name in ("addmm", "baddbmm") else None
    found = [] if bias is None else [bias]
    mine, theirs = look(first), look(second)
    if theirs is not None:
        found.append(_through_matrix(theirs, kept[0], first.shape, output))
    if mine is not None:
        turned = None if kept[1] is None else kept[1].swapaxes(-1, -2)
        shape = (*second.shape[:-2], second.shape[-1], second.shape[-2])
        there = _through_matrix(
            _turned(mine), turned, shape, (*output[:-2], output[-1], output[-2])
        )
        found.append(_turned(there))
    return union(found, output)


def _vector_product(
    operation: Operation, look: Look, gateless: bool, kept: Sequence[Flags | None]
) -> Found:
    first, second = (operation[factor] for factor in FACTORS[operation.name])
    found: dict[int, Field] = {}
    for one, flags in ((first, kept[1]), (second, kept[0])):
        field = look(one)
        # What a vector meets of a matrix may be zero in every row.
        wide = flags is not None and flags.ndim > one.ndim
        used = np.asarray(flags.any(axis=0)) if flags is not None and wide else flags
        if field is not None and used is not None:
            found[id(one)] = blanked(field, ~used, field.shape)
    if not found:
        return None
    return multiply_matrices(operation, lambda one: found.get(id(one)) or look(one), gateless)


def _turned(field: Field) -> Field:
    def swapped(frame: Frame) -> None:
        return None

    shape = (*field.shape[:-2], field.shape[-1], field.shape[-2])
    return rearranged(field, shape, lambda ends: ends.swapaxes(-1, -2), swapped)


def _through_matrix(
    field: Field, kept: Flags | None, matrix: Sequence[int], output: Shape
) -> Field:
    """Return the field of a matrix [..., rows, inner] times a tensor [..., inner, columns]."""
    used = np.ones((1,) * len(matrix), bool) if kept is None else kept
    spans = []
    for span in field.spans:
        first, last = (compress(least_used(ends, used)) for ends in span.ends)
        spans.append(AxisFields((first, last), None))
    return Field(output, tuple(spans))


def least_used(ends: Ends, used: Flags) -> Ends:
    """Return for each row of a matrix the least end of what it uses; one where all use all."""
    if used.all():
        return np.asarray(ends.min(axis=-2, keepdims=True))
    inner = np.broadcast_shapes(used.shape[-1:], ends.shape[-2:-1])[0]
    size = inner * int(np.prod(np.broadcast_shapes(used.shape[:-2], ends.shape[:-2])))
    step = max(1, _MOST // max(1, size * ends.shape[-1]))
    found = []
    for start in range(0, used.shape[-2], step):
        row = used[..., start : start + step, :, None]
        taken = np.where(row, ends[..., None, :, :], np.int32(NOTHING))
        found.append(taken.min(axis=-2))
    return np.concatenate(found, axis=-2)


def through_attention(operation: Operation, look: Look, known: Known) -> Found:
    """Every token depends on its query and on the keys and values that a mask lets through."""
    query = operation["query"]
    mask = operation["attn_mask"] if "attn_mask" in operation.values else operation["attn_bias"]
    used = None
    if mask is not None:
        values = known.value(mask)
        used = None if values is None else values != 0 if values.dtype == bool else values > -np.inf
    shape = (query.shape[-2], operation["key"].shape[-2])
    if operation["is_causal"]:
        used = np.tril(np.ones(shape, bool)) if used is None else used & np.tril(used)
    if used is None or used.all():
        return None
    output = tuple(operation.outputs[0].shape)
    others = [look(operation[name]) for name in ("key", "value")]
    found = [_over_channels(field) for field in (look(query), *others) if field is not None]
    own = 1 if look(query) is not None else 0
    through = [
        _through_matrix(field, used, (*query.shape[:-2], *shape), (*output[:-1], 1))
        for field in found[own:]
    ]
    return union([*found[:own], *through], output)


def _over_channels(field: Field) -> Field:
    return rearranged(
        field,
        (*field.shape[:-1], 1),
        lambda ends: ends.min(axis=-1, keepdims=True),
        lambda frame: None if frame.dim == len(field.shape) - 1 else frame,
    )


def blanked(field: Field, shut: Flags, shape: Shape) -> Field:
    """Return a field, of a shape, whose elements depend on nothing where they are shut out."""
    field = union([field], shape)
    flags = shut.reshape((1,) * (len(shape) - shut.ndim) + shut.shape)
    flags = np.asarray(compress(np.asarray(flags, np.int32)) != 0)

    def change(ends: Ends) -> Ends:
        return compress(np.where(flags, np.int32(NOTHING), ends))

    def relocate(frame: Frame) -> Frame | None:
        return frame if flags.shape[frame.dim] == 1 and not flags.all() else None

    return rearranged(field, shape, change, relocate)
