"""Which masks and indices a network makes of its own values, marked on the tensors themselves.

A mask chooses what a gradient goes through as a rectifier does, and the graph says nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from cnnviz.introspection.rectifiers import OF_SIGNS, is_zero, mark_signs, marked_signs

_OF_VALUES = "_cnnviz_of_values"
_DETACHED = "_cnnviz_detached"

_COMPARES = frozenset(
    f"{before}{name}{before}"
    for before in ("", "__")
    for name in ["gt", "ge", "lt", "le", "greater", "greater_equal", "less", "less_equal"]
)
_CASTS = frozenset(["to", "type", "type_as", "float", "double", "half", "bfloat16"])
_STEPS = frozenset(
    ["ceil", "copysign", "floor", "heaviside", "round", "sgn", "sign", "signbit", "trunc"]
)


def note_marks(
    func: Any, args: Sequence[Any], named: Mapping[str, Any], result: Any
) -> list[torch.Tensor]:
    """Mark what a call returns, or writes to, as a mask of signs or of values.

    One of signs comes of a comparison with zero: of values that are nowhere below zero only that
    tells a rectifier from another mask. One of values comes of whatever a gradient goes through.

    Returns
    -------
    list of torch.Tensor
        What was there before the call, such as a buffer of the network, to be unmarked later.
    """
    made = list(_tensors(args[:1] if result is None else (result,)))
    given = list(_tensors((*args, *named.values())))
    _mark(func, args, given, made, result)
    return [one for one in made if any(one is each for each in given) and _is_marked(one)]


def unmark(tensor: torch.Tensor) -> None:
    """Take off what `note_marks` has put on a tensor."""
    for mark in (OF_SIGNS, _OF_VALUES, _DETACHED):
        vars(tensor).pop(mark, None)


def _is_marked(tensor: torch.Tensor) -> bool:
    return any(_marked(tensor, mark) for mark in (OF_SIGNS, _OF_VALUES, _DETACHED))


def _mark(
    func: Any,
    args: Sequence[Any],
    given: Sequence[torch.Tensor],
    made: Sequence[torch.Tensor],
    result: Any,
) -> None:
    name = str(getattr(func, "__name__", ""))
    if isinstance(result, torch.Tensor) and args and _is_of_signs(name, args):
        mark_signs(result)
    if name.endswith("_like") or name.startswith("new_") or "max_pool" in name:
        # Of the shape and kind of what they are given, and not of its values; or the switches of
        # pooling, which unpooling puts values back by.
        return
    masked = any(_marked(one, _OF_VALUES) for one in given)
    if not masked and not any(one.requires_grad or _marked(one, _DETACHED) for one in given):
        return
    for one in made:
        if not one.requires_grad:
            of_values = masked or not one.is_floating_point() or name.strip("_") in _STEPS
            setattr(one, _OF_VALUES if of_values else _DETACHED, True)


def is_masked(args: Sequence[Any], named: Mapping[str, Any], result: Any) -> bool:
    """Whether a call puts a mask or index of the network's own values to values."""
    given = _tensors((*args, *named.values()))
    return result.requires_grad and any(_marked(one, _OF_VALUES) for one in given)


def _is_of_signs(name: str, args: Sequence[Any]) -> bool:
    compares = name in _COMPARES and len(args) == 2 and is_zero(args[1])
    return compares or (name in _CASTS and marked_signs(args[0]))


def _marked(tensor: torch.Tensor, mark: str) -> bool:
    return bool(getattr(tensor, mark, False))


def _tensors(values: Sequence[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _tensors(value)
