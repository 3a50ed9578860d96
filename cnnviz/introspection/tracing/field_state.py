"""What is known of each tensor of a forward pass: its receptive field, or why it has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from cnnviz.introspection.receptive_fields import Axis, Positions, ReceptiveField
from cnnviz.introspection.tracing.constant_elements import (
    blank,
    changing,
    constants,
    constants_after,
)
from cnnviz.introspection.tracing.fields import (
    NOTHING,
    AxisFields,
    Ends,
    Field,
    Frame,
    Pair,
    compress,
    equal,
)
from cnnviz.introspection.tracing.kept_values import known_of, without_image, written_over
from cnnviz.introspection.tracing.map_layout import MapLayout
from cnnviz.introspection.tracing.marks import (
    FREE,
    UNKNOWN,
    Depends,
    Flags,
    Independent,
    Mark,
    Unknown,
)
from cnnviz.introspection.tracing.operation import Operation
from cnnviz.introspection.tracing.registry import Found, Look, UnknownFieldError
from cnnviz.introspection.tracing.rule_lookup import CONSTANT, find_rule, may_gate
from cnnviz.introspection.tracing.rules_masked import through_masks
from cnnviz.introspection.tracing.rules_position import Place, places_after
from cnnviz.results.space import space_of


def derive(operation: Operation, mark: Callable[[torch.Tensor], Mark]) -> list[Mark] | None:
    """Return a mark for each output of an operation.

    Returns None where the operation depends on the image and has no rule.
    """
    unread = operation.overwritten
    marks = [
        FREE if operation.name in CONSTANT or tensor is unread else mark(tensor)
        for tensor in operation.inputs
    ]
    count = len(operation.outputs)
    if UNKNOWN in marks:
        return [UNKNOWN] * count
    if not any(isinstance(found, Depends) for found in marks):
        return [without_image(operation, marks)] * count
    return _apply_rule(operation, mark, marks)


def _apply_rule(
    operation: Operation, mark: Callable[[torch.Tensor], Mark], marks: list[Mark]
) -> list[Mark] | None:
    rule = find_rule(operation)
    if rule is None:
        return None

    found = [mark for mark in marks if isinstance(mark, Depends)]

    known_values = known_of(operation, mark)

    def look(tensor: object, gateless: bool) -> Field | None:
        known = mark(tensor) if isinstance(tensor, torch.Tensor) else None
        if not isinstance(known, Depends):
            return None
        return known.gateless if gateless else known.exact

    def after(seen: Look, gateless: bool) -> Found:
        masked = through_masks(operation, seen, gateless, known_values)
        return rule(operation, seen, gateless) if masked is None else masked

    try:
        exact = after(lambda tensor: look(tensor, False), False)
        gateless = exact
        if may_gate(operation, len(found)) or any(m.exact is not m.gateless for m in found):
            gateless = after(lambda tensor: look(tensor, True), True)
        each = _for_each(exact, operation)
        constant = constants_after(operation, mark, each, lambda seen: after(seen, False))
    except (UnknownFieldError, IndexError, KeyError, TypeError, ValueError, RuntimeError):
        # A form of the operator that the rule was not written for must not end a user's work.
        return None
    places = _places(operation, mark)
    found_each = zip(each, _for_each(gateless, operation), places, constant, strict=True)
    return [
        _checked(one, other, place, tuple(output.shape), flags)
        for (one, other, place, flags), output in zip(found_each, operation.outputs, strict=True)
    ]


def _places(operation: Operation, mark: Callable[[torch.Tensor], Mark]) -> list[Place | None]:
    def look(tensor: object) -> Place | None:
        known = mark(tensor) if isinstance(tensor, torch.Tensor) else None
        return known.place if isinstance(known, Depends) else None

    try:
        found = places_after(operation, look)
    except (UnknownFieldError, IndexError, KeyError, TypeError, ValueError, RuntimeError):
        # What is not known of places leaves the receptive fields as they are.
        found = None
    return found or [None] * len(operation.outputs)


def _for_each(found: Found, operation: Operation) -> list[Field | None]:
    if isinstance(found, list):
        return [*found]
    # Further outputs of the same shape (the indices of max pooling) share the field; others, such
    # as the statistics of a normalisation, are not followed.
    first = operation.outputs[0].shape
    return [found if output.shape == first else None for output in operation.outputs]


def _checked(
    exact: Field | None,
    gateless: Field | None,
    place: Place | None,
    shape: tuple[int, ...],
    constant: Flags | None,
) -> Mark:
    if 0 in shape:
        return FREE
    if exact is None or gateless is None or exact.shape != shape or gateless.shape != shape:
        return UNKNOWN
    if place is not None and place.field.shape != shape:
        place = None
    return Depends(exact, exact if equal(exact, gateless) else gateless, place, constant)


def map_field(mark: Mark | None, image: Sequence[int], layout: MapLayout) -> ReceptiveField | None:
    """Return the receptive field of the map that a tensor holds, for each position of the map."""
    if not isinstance(mark, Depends):
        return None
    if layout.order is not None:
        exact = _gathered(mark.exact, layout, image)
        if mark.gateless is mark.exact:
            return exact
        return replace(exact, gateless=_gathered(mark.gateless, layout, image))
    found = receptive_field(mark, image, layout.dims or None)
    return found.reordered(layout.order_of_dims) if found is not None and layout.turned else found


def receptive_field(
    mark: Mark | None, image: Sequence[int], dims: tuple[int, ...] | None = None
) -> ReceptiveField | None:
    """Return the receptive field in an image of a size [height, width] that a mark stands for.

    `dims` are the dimensions that hold the positions, where that is known.
    """
    if not isinstance(mark, Depends):
        return None
    dims = _positions(mark) if dims is None else tuple(sorted(dims))
    exact = _summary(mark.exact, dims, image)
    if mark.gateless is mark.exact:
        return exact
    return replace(exact, gateless=_summary(mark.gateless, dims, image))


def _positions(mark: Depends) -> tuple[int, ...] | None:
    dims = mark.exact.positions() or mark.gateless.positions() or _varying(mark.gateless)
    if dims is None:
        usual = space_of(len(mark.exact.spans)).dims
        return usual if len(mark.exact.shape) == 2 + len(usual) else None
    return tuple(sorted(dims))


def _gathered(field: Field, layout: MapLayout, image: Sequence[int]) -> ReceptiveField:
    axes = tuple(
        _gathered_axis(field, span, layout, extent)
        for span, extent in zip(field.spans, image, strict=True)
    )
    return ReceptiveField(axes, layout.size)


def _gathered_axis(field: Field, span: AxisFields, layout: MapLayout, extent: int) -> Axis:
    others = tuple(dim for dim in range(len(field.shape)) if dim not in layout.dims)
    shape = [field.shape[dim] for dim in layout.dims]
    first, last = (
        np.broadcast_to(ends.min(axis=others), shape).reshape(-1)[layout.order].reshape(layout.size)
        for ends in span.ends
    )
    return Axis(extent, first, -last, max(0, int((1 - last - first).max())), None, None)


def _varying(field: Field) -> tuple[int, ...] | None:
    # Without frames, the only dimension along which the rows (or columns) change holds them.
    dims = [
        {dim for ends in span.ends for dim, length in enumerate(ends.shape) if length > 1}
        for span in field.spans
    ]
    each = tuple(next(iter(found)) for found in dims if len(found) == 1)
    return each if len(each) == len(dims) == len(set(each)) else None


def _summary(field: Field, dims: tuple[int, ...] | None, image: Sequence[int]) -> ReceptiveField:
    # Where a network turns its maps, rows of the layer are not rows of the image, and no stride
    # between positions can be given.
    upright = dims is not None and field.positions() == dims
    axes = tuple(
        _axis(field, span, dims, extent, upright)
        for span, extent in zip(field.spans, image, strict=True)
    )
    if dims is None:
        each = tuple(_largest(span) for span in field.spans)
        together = tuple(axis.size for axis in axes)
        one_place = space_of(len(axes)).one_place
        return ReceptiveField(axes, one_place, each=None if each == together else each)
    return ReceptiveField(axes, tuple(field.shape[dim] for dim in dims))


def _largest(span: AxisFields) -> int:
    """Return the most pixels that one value sees along an axis, within the image."""
    first, last = span.ends
    return max(0, int((1 - last - first).max()))


def _axis(
    field: Field, span: AxisFields, dims: tuple[int, ...] | None, extent: int, upright: bool
) -> Axis:
    first, last = _over_positions(span.ends, dims, len(field.spans))
    frame = span.frame
    if upright and frame is not None:
        uniform = _uniform(frame)
        if uniform is not None:
            size, start = uniform
            return Axis(extent, first, -last, size, frame.stride, start)
    return Axis(extent, first, -last, max(0, int((1 - last - first).max())), None, None)


def _over_positions(
    ends: Pair, dims: tuple[int, ...] | None, axes: int
) -> tuple[Positions, Positions]:
    def one(array: Ends) -> Positions:
        if dims is None:
            return np.asarray(array.min()).reshape((1,) * axes)
        others = tuple(dim for dim in range(array.ndim) if dim not in dims)
        return np.asarray(array.min(axis=others))

    return one(ends[0]), one(ends[1])


def _uniform(frame: Frame) -> tuple[int, int] | None:
    # One size and stride hold for all positions if both ends advance by the stride everywhere.
    first, last = (
        ends.min(axis=tuple(dim for dim in range(ends.ndim) if dim != frame.dim))
        for ends in frame.ends
    )
    steps = frame.stride * np.arange(frame.count)
    if first.shape != steps.shape or last.shape != steps.shape:
        return None
    if (first - steps != first[0]).any() or (last + steps != last[0]).any():
        return None
    return 1 - int(last[0]) - int(first[0]), int(first[0])


def overlaid(other: torch.Tensor, below: Mark, written: torch.Tensor, above: Mark) -> Mark:
    """Return the mark of a tensor after another one, which shares its memory, was written to."""
    if isinstance(above, Independent) and isinstance(below, Independent):
        return written_over(other, below, written, above)
    if isinstance(above, Unknown) or isinstance(below, Unknown):
        return UNKNOWN
    shape = tuple(other.shape)
    exact, gateless = (
        _overlaid_field(other, _field(below, passed), written, _field(above, passed))
        for passed in (False, True)
    )
    place = _overlaid_place(other, below, written, above)
    constant = _overlaid_constant(exact, other, below, written, above)
    return _checked(exact, gateless, place, shape, constant)


def _overlaid_constant(
    exact: Field | None, other: torch.Tensor, below: Mark, written: torch.Tensor, above: Mark
) -> Flags | None:
    if exact is None or blank(exact) is None:
        return None
    changes = changing(other, below), changing(written, above)
    return constants(exact, _overlaid_field(other, changes[0], written, changes[1]))


def _overlaid_place(
    other: torch.Tensor, below: Mark, written: torch.Tensor, above: Mark
) -> Place | None:
    places = [mark.place if isinstance(mark, Depends) else None for mark in (below, above)]
    known = [place for place in places if place is not None]
    if not known:
        return None
    old, new = (None if place is None else place.field for place in places)
    field = _overlaid_field(other, old, written, new)
    return None if field is None else Place(field, any(place.paired for place in known))


def _field(mark: Mark, gateless: bool) -> Field | None:
    if isinstance(mark, Depends):
        return mark.gateless if gateless else mark.exact
    return None


def _overlaid_field(
    other: torch.Tensor, below: Field | None, written: torch.Tensor, above: Field | None
) -> Field | None:
    length = other.untyped_storage().nbytes() // other.element_size()

    def place(old: Pair | None, new: Pair | None, end: int) -> Ends:
        memory = torch.full((length,), NOTHING, dtype=torch.int32)
        for tensor, pair in ((other, old), (written, new)):
            view = memory.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
            if pair is None:
                view.fill_(NOTHING)
            else:
                full = np.broadcast_to(pair[end], tuple(tensor.shape))
                view.copy_(torch.from_numpy(full.copy()))
        answer = memory.as_strided(other.shape, other.stride(), other.storage_offset())
        return compress(np.asarray(answer.numpy()))

    spans = []
    axes = next(len(field.spans) for field in (below, above) if field is not None)
    for axis in range(axes):
        old, new = (None if field is None else field.spans[axis].ends for field in (below, above))
        spans.append(AxisFields((place(old, new, 0), place(old, new, 1)), None))
    return Field(tuple(other.shape), tuple(spans))


def says_the_same(one: Mark, other: Mark) -> bool:
    """Return whether two marks tell the same of the image, position by position."""
    if isinstance(one, Depends) and isinstance(other, Depends):
        return (
            equal(one.exact, other.exact)
            and equal(one.gateless, other.gateless)
            and _same_place(one.place, other.place)
            and _same_flags(one.constant, other.constant)
        )
    if isinstance(one, Independent) and isinstance(other, Independent):
        return one == other and one.valued == other.valued and _same_support(one, other)
    return one == other


def _same_support(one: Independent, other: Independent) -> bool:
    if one.support is None or other.support is None:
        return one.support is other.support
    return torch.equal(one.support, other.support)


def _same_flags(one: Flags | None, other: Flags | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def _same_place(one: Place | None, other: Place | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.paired == other.paired and equal(one.field, other.field)
