"""Rules of positions: which place of the image each element of a tensor stands for.

It is another question than the receptive field. After one layer of attention every token depends
on the whole image, and each still stands for its own patch: attention keeps the place of the query,
a convolution that of the middle of its window, and a gate has no place at all. Elements that stand
for no place (a class token, padding) hold `NOTHING`; a tensor without any has no field.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnnviz.introspection.tracing import kernel_taps as tapping
from cnnviz.introspection.tracing import rules_compute, rules_layout
from cnnviz.introspection.tracing.field_union import gather, mixed_channels, reduce, union
from cnnviz.introspection.tracing.fields import (
    NOTHING,
    AxisFields,
    Ends,
    Field,
    Shape,
    compress,
)
from cnnviz.introspection.tracing.operation import Operation
from cnnviz.introspection.tracing.registry import RULES, Found

_COARSE = 1.5
"""How many times as long the places of channels are that are left out beside others.

Between those of a map and those of one of half its size, which are twice as long.
"""
_NEARLY = 0.65
"""What of its share of the image the step from one element to the next has to be.

Of n positions united with those s positions further on it is (n - s) / n: a half of two halves,
which are refused, and three quarters or more of windows that share as much, which are kept.
"""


@dataclass(frozen=True, eq=False)
class Place:
    """Which places of the image the elements of a tensor stand for.

    Attributes
    ----------
    field : Field
        For each element the rows and columns of the image.
    paired : bool
        Whether the elements stand for pairs of places, as the weights of attention do.
    """

    field: Field
    paired: bool = False


Look = Callable[[Any], Place | None]


def places_after(operation: Operation, look: Look) -> list[Place | None] | None:
    """Return the place of each output of an operation; None where none of them has one.

    Parameters
    ----------
    operation : Operation
        The operation.
    look : callable
        Returns the place of a tensor argument, None where it has none.
    """
    name = operation.name
    places = [place for tensor in operation.inputs if (place := look(tensor)) is not None]
    if not places:
        return None
    if name in rules_compute.FACTORS:
        return [_product(operation, look)]
    found = _field_after(operation, lambda tensor: _field(look(tensor)))
    fields = found if isinstance(found, list) else _each(found, operation)
    paired = name not in _ATTENTION and any(place.paired for place in places)
    return [None if field is None else Place(field, paired) for field in fields]


def _each(field: Field | None, operation: Operation) -> list[Field | None]:
    first = operation.outputs[0].shape
    return [field if output.shape == first else None for output in operation.outputs]


def _field(place: Place | None) -> Field | None:
    return None if place is None else place.field


FieldLook = Callable[[Any], Field | None]


def _field_after(operation: Operation, look: FieldLook) -> Found:
    name, rule = operation.name, RULES.get(operation.name)
    if name in _ATTENTION:
        query = operation["query"] if operation["query"] is not None else operation["src"]
        return _at_queries(look(query), tuple(operation.outputs[0].shape))
    if name in _UNMOVED:
        return look(operation["self"] if operation["self"] is not None else operation["input"])
    if rule in (rules_compute.convolve, rules_compute.pool):
        return _middle(operation, look)
    if rule is rules_layout.pad:
        # What padding copies of the image lies beyond it, as zeros do.
        source = look(operation["self"])
        return (
            None
            if source is None
            else rules_layout.padded(source, rules_layout.padding_of(operation))
        )
    if rule is rules_compute.combine or (rule is None and operation.pointwise):
        return _together(operation, look)
    if rule is None:
        return None
    found = rule(operation, look, False)
    if rule is rules_compute.reduce_dims and isinstance(found, Field):
        return found if in_step(found) else None
    return found


_ATTENTION = frozenset(
    {
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_fused_attention_overrideable",
        "_scaled_dot_product_attention_math",
        "_native_multi_head_attention",
        "_transformer_encoder_layer_fwd",
    }
)
_UNMOVED = frozenset(
    {
        *("_softmax", "_log_softmax", "native_layer_norm", "_fused_rms_norm", "native_group_norm"),
        *("native_batch_norm", "_native_batch_norm_legit", "_batch_norm_no_update"),
        *("_native_batch_norm_legit_no_training", "cudnn_batch_norm", "miopen_batch_norm"),
    }
)
"""Operators that mix elements and leave each where it is."""


def _at_queries(query: Field | None, shape: Shape) -> Field | None:
    if query is None or query.shape == shape:
        return query
    return union([reduce(query, [-1], keep=True)], shape)


def _middle(operation: Operation, look: FieldLook) -> Field | None:
    """Place each window at its middle: at as many of its positions as it moves on by."""
    convolves = RULES[operation.name] is rules_compute.convolve
    source = look(operation["input"] if convolves else operation["self"])
    if source is None:
        return None
    output = operation.outputs[0]
    if convolves and operation["transposed"]:
        # Its windows overlap in the output; what each output position reads is place enough.
        return _convolved(operation, look)
    if convolves:
        whole, groups = source, operation["groups"]
        telling = _finest(whole) if groups == 1 and _varies_along(whole, 1) else whole
        source = mixed_channels(telling, 1, groups, output.shape[1])
        if _varies_along(telling, 1) and not in_step(source):
            return None
        kernel = tuple(operation["weight"].shape[2:])
        count = len(kernel)
        window = {
            "kernel": kernel,
            **{key: operation.pair(key, count) for key in ("stride", "padding", "dilation")},
        }
    else:
        window = rules_compute.pool_window(operation)
        count = len(window["kernel"])
    for axis in range(count):
        dim = len(source.shape) - count + axis
        wide, stride, padding, dilation = (
            window[key][axis] for key in ("kernel", "stride", "padding", "dilation")
        )
        reach = dilation * (wide - 1) + 1
        taken = min(reach, stride)
        begin = np.arange(output.shape[dim]) * stride - padding + (reach - taken) // 2
        read = begin[:, None] + np.arange(taken)[None, :]
        length = source.shape[dim]
        source = gather(source, dim, _nearest(read, length))
        if convolves and reach > 1:
            source = _between_neighbours(source, dim)
    return _compressed(source)


def _between_neighbours(field: Field, dim: int) -> Field:
    """Place what lies between neighbours that stand for places at both of these.

    So lie the zeros that a network puts between all positions to enlarge a map, once a convolution
    has read what is beside them; those behind the last lie at its place. A class token between
    others is no such thing.
    """
    spans = []
    for span in field.spans:
        first, last = span.ends
        ends = (_filled(first, dim), _filled(last, dim))
        same = ends[0] is first and ends[1] is last
        spans.append(span if same else AxisFields(ends, None))
    return Field(field.shape, tuple(spans))


def _filled(ends: Ends, dim: int) -> Ends:
    others = tuple(axis for axis in range(ends.ndim) if axis != dim)
    held = np.flatnonzero((ends < NOTHING).any(others))
    step = int(np.diff(held).min(initial=1 << 20)) if len(held) > 1 else 0
    if step < 2:
        return ends
    behind = range(held[-1] + 1, min(held[-1] + step, ends.shape[dim]))
    ahead = range(max(held[0] - step + 1, 0), held[0])
    gaps = [(at, held[-1], held[-1]) for at in behind] + [(at, held[0], held[0]) for at in ahead]
    for before, after in itertools.pairwise(held):
        gaps += [(at, before, after) for at in range(before + 1, after)]
    found = np.moveaxis(ends.copy(), dim, 0)
    for at, before, after in gaps:
        found[at] = np.minimum(found[before], found[after])
    return np.moveaxis(found, 0, dim)


def _compressed(field: Field) -> Field:
    """Return a field without a frame of padding, where no middle lies in it, as one without any."""
    spans = (
        replace(span, ends=(compress(span.ends[0]), compress(span.ends[1]))) for span in field.spans
    )
    return Field(field.shape, tuple(spans))


def _nearest(read: tapping.Numbers, length: int) -> tapping.Taps:
    inside = np.clip(read, 0, length - 1).astype(np.int64)
    return tapping.Taps(inside, np.ones(inside.shape, bool), inside, None)


def _convolved(operation: Operation, look: FieldLook) -> Field | None:
    def source_alone(tensor: object) -> Field | None:
        return look(tensor) if tensor is operation["input"] else None

    found = rules_compute.convolve(operation, source_alone, False)
    return None if isinstance(found, list) else found


def _together(operation: Operation, look: FieldLook) -> Field | None:
    """Along each axis those operands count that tell places apart; a gate tells none."""
    shape = tuple(operation.outputs[0].shape)
    found = [field for tensor in operation.inputs if (field := look(tensor)) is not None]
    if not found or (len(found) == 1 and found[0].shape == shape):
        return found[0] if found else None
    united = Field(shape, tuple(_axis(found, axis, shape) for axis in range(len(found[0].spans))))
    return _unless_far_apart(united, found)


def _unless_far_apart(united: Field, parts: list[Field]) -> Field | None:
    """Return nothing where places that were added, compared or averaged lie far apart."""
    moved = [
        axis
        for axis, span in enumerate(united.spans)
        if varies(united, axis) and not all(_same_places(span, each.spans[axis]) for each in parts)
    ]
    return united if all(_in_step(united.spans[axis]) for axis in moved) else None


def _same_places(one: AxisFields, other: AxisFields) -> bool:
    pairs = zip(one.ends, other.ends, strict=True)
    return all(mine is theirs or np.array_equal(mine, theirs) for mine, theirs in pairs)


def _axis(found: list[Field], axis: int, shape: Shape) -> AxisFields:
    telling = [field for field in found if varies(field, axis)]
    return union(telling or found, shape).spans[axis]


def varies(field: Field, axis: int) -> bool:
    """Whether the elements stand for different places along an axis: rows (0) or columns (1)."""
    return any(
        ends.size > 1 and bool((ends != ends.flat[0]).any()) for ends in field.spans[axis].ends
    )


def _finest(field: Field) -> Field:
    """Leave out the channels that stand for far more of the image along an axis than others.

    So pooled context stands beside a map that it was enlarged to: the map tells places apart.
    """
    return Field(field.shape, tuple(map(_finest_along, field.spans)))


def _finest_along(span: AxisFields) -> AxisFields:
    first, last = np.broadcast_arrays(*span.ends)
    held = first < NOTHING
    others = tuple(axis for axis in range(first.ndim) if axis != 1)
    # The last are held as their negatives.
    totals = np.where(held, 1 - last - first, 0).sum(others, dtype=np.float64)
    lengths = np.where(held.any(others), totals / np.maximum(held.sum(others), 1), np.inf)
    coarse = lengths > _COARSE * lengths.min()
    if len(coarse) == 1 or not np.isfinite(lengths.min()) or not coarse.any():
        return span
    along = coarse.reshape(1, -1, *(1,) * (first.ndim - 2))
    blank = np.int32(NOTHING)
    return AxisFields((np.where(along, blank, first), np.where(along, blank, last)), None)


def in_step(united: Field) -> bool:
    """Whether elements whose places were united lie as far apart as they share out the image.

    Halves of a map that lie in one another's channels, and a mirrored copy beside the map, give
    elements that stand for two places far apart: the middle of the two is neither.
    """
    return all(_in_step(span) for axis, span in enumerate(united.spans) if varies(united, axis))


def _in_step(span: AxisFields) -> bool:
    first, last = np.broadcast_arrays(*span.ends)
    held = first < NOTHING
    middles = np.unique((first[held] - last[held]) / 2.0)
    # The last are held as their negatives.
    shared_out = (1 - last[held].min() - first[held].min()) / max(len(middles), 1)
    return bool(np.diff(middles).max(initial=0.0) >= _NEARLY * shared_out)


def _product(operation: Operation, look: Look) -> Place | None:
    """Return the place of a matrix product.

    The rows of the first factor count, or else the columns of the second. Where both stand for
    places the product pairs them; it goes on doing so until one of the two is summed over.
    """
    name = operation.name
    first, second = (look(operation[factor]) for factor in rules_compute.FACTORS[name])
    shape, matrix = tuple(operation.outputs[0].shape), name.endswith("mm")
    rows = None if first is None else _rows(first, matrix)
    columns = None
    if second is not None:
        columns = reduce(second.field, [-2 if matrix else -1], keep=name != "dot")
    by_row = rows is not None and matrix and _varies_along(rows, -2)
    by_column = columns is not None and matrix and _varies_along(columns, -1)
    alone = [place for place in (first, second) if place is not None]
    paired = (by_row and by_column) or (len(alone) == 1 and alone[0].paired)
    kept = columns if rows is None or (by_column and not by_row) else rows
    return None if kept is None else Place(union([kept], shape), paired)


def _rows(first: Place, matrix: bool) -> Field | None:
    found = reduce(first.field, [-1], keep=matrix)
    mixes = matrix and not first.paired and _varies_along(first.field, -1)
    return None if mixes and not in_step(found) else found


def _varies_along(field: Field, dim: int) -> bool:
    return any(ends.shape[dim] > 1 for span in field.spans for ends in span.ends)
