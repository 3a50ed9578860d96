"""Which elements of a tensor are zero whatever the image and the parameters are.

A mask that the network holds as a buffer, or writes out in its forward pass, counts at its values:
what it shuts out, nothing depends on. A parameter counts as if it could be anything, also where it
happens to be zero; times a mask it is zero where the mask is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.introspection.memory_order import memory_of
from cnnviz.introspection.tracing.marks import Depends, Flags, Independent, Mark, merged
from cnnviz.introspection.tracing.operation import Operation

Values = NDArray[Any]

_ALIKE = frozenset(
    {
        *("mul", "div", "neg", "abs", "clone", "alias", "detach", "_to_copy"),
        *("masked_fill", "where", "tril", "triu", "index_put", "scatter", "copy", "index_copy"),
        *("index_fill",),
        *("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "permute", "transpose", "t"),
        *("expand", "slice", "select", "flip", "index", "index_select", "cat", "stack", "repeat"),
        *("constant_pad_nd", "slice_scatter", "select_scatter", "as_strided", "gather", "roll"),
    }
)
"""Operators whose answers to ones in place of parameters are zero where all others are, too."""
_WRITING = frozenset({"masked_fill", "index_put", "scatter", "copy", "index_copy", "index_fill"})
"""Of those in place, the ones whose first argument may be read after they have written to it."""
_MAKING = frozenset({"tril", "triu", "constant_pad_nd", "masked_fill", "scatter", "index_fill"})
"""Those that bring in zeros of their own."""
NOT_COMPUTED = frozenset({"mm", "bmm", "addmm", "convolution"})
"""Operators that a trace may give zeros for, in place of their numbers."""


def support_of(tensor: torch.Tensor, state: Independent) -> torch.Tensor | None:
    """Return where a tensor that does not depend on the image may be other than zero.

    Returns None where that may be anywhere.
    """
    if state.parameters or not state.valued:
        return state.support
    constant = value_of(tensor, state)
    if constant is None:
        return None
    kept = constant != 0
    return None if bool(kept.all()) else kept


def value_of(tensor: torch.Tensor, state: Independent) -> torch.Tensor | None:
    """Return the values of a constant; None of what parameters go into."""
    plain = memory_of(tensor) and not tensor.is_quantized and tensor.device.type != "meta"
    return tensor.detach() if plain and state.valued and not state.parameters else None


def without_image(operation: Operation, marks: Sequence[Mark]) -> Independent:
    """Return the mark of what an operation made of tensors that do not depend on the image."""
    given = [mark for mark in marks if isinstance(mark, Independent)]
    found = merged(given)
    states = {id(one): mark for one, mark in zip(operation.inputs, given, strict=True)}
    support = None
    if found.parameters:
        # A mask or an index that is made of parameters may be any other.
        told = all(
            one.is_floating_point() or value_of(one, states[id(one)]) is not None
            for one in operation.inputs
        )
        if told:
            support = _support_after(operation, lambda one: support_of(one, states[id(one)]))
    valued = found.valued and operation.name not in NOT_COMPUTED and not operation.draws
    return replace(found, support=support, valued=valued)


def _support_after(
    operation: Operation, support: Callable[[torch.Tensor], torch.Tensor | None]
) -> torch.Tensor | None:
    """Return where the answer of an operation on parameters may be other than zero.

    Parameters
    ----------
    operation : Operation
        The operation.
    support : callable
        Returns the same of what it read.
    """
    first = operation.args[0] if operation.args else None
    overwritten = operation.writes and operation.name not in _WRITING
    if operation.name not in _ALIKE or len(operation.outputs) != 1:
        return None
    found = {id(one): support(one) for one in operation.inputs}
    anywhere = all(kept is None for kept in found.values()) and operation.name not in _MAKING
    if anywhere or (overwritten and found.get(id(first)) is not None):
        return None

    def probe(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            kept = found.get(id(value))
            if not value.is_floating_point():
                return value
            return torch.ones_like(value) if kept is None else kept.to(value)
        if isinstance(value, (list, tuple)):
            return type(value)(map(probe, value))
        return value

    keywords = {key: probe(value) for key, value in operation.kwargs.items()}
    try:
        kept = operation.func(*map(probe, operation.args), **keywords) != 0
    except (TypeError, ValueError, RuntimeError, IndexError):
        return None
    return None if bool(kept.all()) else kept


def written_over(
    other: torch.Tensor, below: Independent, written: torch.Tensor, above: Independent
) -> Independent:
    """Return the mark of a tensor after another one, which shares its memory, was written to."""
    found = merged([above, below])
    if not found.parameters:
        return found
    under, over = support_of(other, below), support_of(written, above)
    memory = torch.ones(other.untyped_storage().nbytes() // other.element_size(), dtype=torch.bool)
    layout = (tuple(other.shape), other.stride(), other.storage_offset())
    memory.as_strided(*layout).copy_(torch.ones(other.shape) if under is None else under)
    view = memory.as_strided(written.shape, written.stride(), written.storage_offset())
    view.copy_(torch.ones(written.shape) if over is None else over)
    kept = memory.as_strided(*layout).clone()
    return replace(found, support=None if bool(kept.all()) else kept)


@dataclass(frozen=True)
class Known:
    """What is known of the tensors that an operation reads.

    Attributes
    ----------
    value : callable
        Returns the values of a constant, as an array; None of anything else.
    support : callable
        Returns where a tensor may be other than zero; None where that may be anywhere.
    blank : callable
        Returns which elements of what depends on the image are constants, and its values; None for
        not one.
    """

    value: Callable[[Any], Values | None]
    support: Callable[[Any], Flags | None]
    blank: Callable[[Any], tuple[Flags, Values] | None]


def known_of(operation: Operation, mark: Callable[[torch.Tensor], Mark]) -> Known:
    """Return what is known of the values that an operation read."""
    # What it wrote to has other values by now.
    written = operation.args[0] if operation.writes and operation.args else None

    def value(given: Any) -> Values | None:
        state = mark(given) if isinstance(given, torch.Tensor) and given is not written else None
        found = value_of(given, state) if isinstance(state, Independent) else None
        return None if found is None else _array(found)

    def empty(given: Any) -> tuple[Flags, Values] | None:
        state = mark(given) if isinstance(given, torch.Tensor) and given is not written else None
        flags = state.constant if isinstance(state, Depends) else None
        return None if flags is None else (flags, _array(given.detach()))

    def support(given: Any) -> Flags | None:
        state = mark(given) if isinstance(given, torch.Tensor) and given is not written else None
        if isinstance(state, Independent):
            kept = support_of(given, state)
            return None if kept is None else _array(kept)
        found = empty(given)
        if found is None:
            return None
        kept = ~(found[0] & (found[1] == 0))
        return None if kept.all() else kept

    return Known(value, support, empty)


def _array(tensor: torch.Tensor) -> Values:
    # NumPy has no bfloat16.
    found = tensor.double() if tensor.is_floating_point() else tensor
    return np.asarray(found.cpu().numpy())
