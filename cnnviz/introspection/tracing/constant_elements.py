"""Which elements of what depends on the image hold one value whatever image and parameters are.

An element that depends on no pixel is not for that reason a constant: behind a mask, a convolution
leaves its bias, which happens to be zero or is not computed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from cnnviz.introspection.tracing.fields import NOTHING, AxisFields, Field
from cnnviz.introspection.tracing.kept_values import NOT_COMPUTED, support_of
from cnnviz.introspection.tracing.marks import Depends, Flags, Independent, Mark
from cnnviz.introspection.tracing.operation import Operation
from cnnviz.introspection.tracing.registry import Found, Look


def constants_after(
    operation: Operation,
    mark: Callable[[torch.Tensor], Mark],
    exact: list[Field | None],
    rule: Callable[[Look], Found],
) -> list[Flags | None]:
    """Return, for each output of an operation, which elements are constants; None for not one.

    Parameters
    ----------
    operation : Operation
        The operation.
    mark : callable
        Returns the mark of a tensor that it read.
    exact : list of Field or None
        The fields of its outputs.
    rule : callable
        Returns the same fields for what is looked up.
    """
    nothing: list[Flags | None] = [None] * len(exact)
    left_out = operation.name in NOT_COMPUTED or operation.draws
    if left_out or all(blank(field) is None for field in exact):
        return nothing
    looked: set[int] = set()

    def look(tensor: object) -> Field | None:
        looked.add(id(tensor))
        return changing(tensor, mark(tensor)) if isinstance(tensor, torch.Tensor) else None

    found = rule(look)
    for tensor in operation.inputs:
        # A rule that leaves out a parameter, as that of a norm does, cannot tell of it.
        unread = tensor is operation.overwritten or id(tensor) in looked
        if not unread and changing(tensor, mark(tensor)) is not None:
            return nothing
    each = found if isinstance(found, list) else [found] * len(exact)
    return [
        None
        if field is None or (after is not None and after.shape != field.shape)
        else constants(field, after)
        for field, after in zip(exact, each, strict=True)
    ]


def constants(exact: Field, after: Field | None) -> Flags | None:
    """Return the elements that depend on no pixel, and on nothing else that may change."""
    flags, fixed = blank(exact), None if after is None else blank(after)
    if after is None:
        return flags
    if flags is None or fixed is None:
        return None
    both = flags & fixed
    return both if both.any() else None


def changing(tensor: torch.Tensor, state: Mark) -> Field | None:
    """Return a field that is blank where a tensor is constant; None where it is so everywhere."""
    shape = tuple(tensor.shape)
    kept: Flags | None = None
    if isinstance(state, Depends):
        kept = None if state.constant is None else ~state.constant
    elif isinstance(state, Independent):
        if state.valued and not state.parameters:
            return None
        support = support_of(tensor, state)
        kept = None if support is None else support.cpu().numpy()
    flags = np.ones((1,) * len(shape), bool) if kept is None else kept
    ends = np.where(flags, np.int32(0), np.int32(NOTHING)).astype(np.int32)
    return Field(shape, (AxisFields((ends, ends), None),))


def blank(field: Field | None) -> Flags | None:
    """Return which elements depend on no pixel, broadcastable to them; None for not one."""
    if field is None:
        return None
    shut = np.ones((1,) * len(field.shape), bool)
    for span in field.spans:
        for ends in span.ends:
            shut = shut & (ends >= NOTHING)
    return shut if shut.any() else None
