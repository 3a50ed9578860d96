"""Ending a trial run before it makes a tensor that no memory holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from cnnviz.introspection.function_calls import FunctionMode

MOST = 2**27
"""Elements of a tensor at most: half a gigabyte of single precision."""

_Shape = Sequence[int]


class TooLargeError(Exception):
    """A call would have made a tensor of more elements than allowed."""


class SizeLimit(FunctionMode):
    """Raise `TooLargeError` before a call whose result compares each element with each other.

    Such are products of matrices, and sums and products of tensors that are repeated along each
    other's dimensions: attention between all positions of a map grows with the fourth power of its
    side. What other calls return is not much larger than what they are given.

    Parameters
    ----------
    most : int
        How many elements a result may have.
    """

    def __init__(self, most: int = MOST) -> None:
        super().__init__()
        self._most = most

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Ask for the size of the result first, where that may be large."""
        size = _SIZES.get(func)
        if size is not None:
            shapes = [entry.shape for entry in args if isinstance(entry, torch.Tensor)]
            if len(shapes) > 1 and size(shapes) > self._most:
                raise TooLargeError
        elif func is torch.einsum and _of_equation(args) > self._most:
            raise TooLargeError
        return func(*args, **named)


def _of_product(shapes: Sequence[_Shape]) -> int:
    one, other = shapes[-2:]
    if len(one) < 2 or len(other) < 2:
        return 0
    return math.prod(_together([one[:-2], other[:-2]])) * one[-2] * other[-1]


def _of_distances(shapes: Sequence[_Shape]) -> int:
    one, other = shapes[:2]
    return math.prod(_together([one[:-2], other[:-2]])) * one[-2] * other[-2]


def _of_broadcast(shapes: Sequence[_Shape]) -> int:
    return math.prod(_together(shapes))


def _together(shapes: Sequence[_Shape]) -> _Shape:
    try:
        found: _Shape = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    except RuntimeError:
        return (0,)  # the call itself says what does not fit
    return found


def _of_equation(args: Sequence[Any]) -> int:
    if not args or not isinstance(args[0], str) or "->" not in args[0]:
        return 0
    given, _, result = args[0].replace(" ", "").partition("->")
    operands = args[1] if isinstance(args[1], (list, tuple)) else args[1:]
    lengths: dict[str, int] = {}
    for letters, operand in zip(given.split(","), operands, strict=False):
        lengths.update(zip(letters, operand.shape, strict=False))
    return math.prod(lengths.get(letter, 1) for letter in result)


def _named(names: str) -> list[Any]:
    return [
        getattr(owner, name)
        for owner in (torch, torch.Tensor, F)
        for name in names.split()
        if hasattr(owner, name)
    ]


_SIZES: Mapping[Any, Callable[[Sequence[_Shape]], int]] = {
    **dict.fromkeys(_named("matmul __matmul__ __rmatmul__ bmm baddbmm"), _of_product),
    **dict.fromkeys(_named("cdist"), _of_distances),
    **dict.fromkeys(
        _named(
            "add sub mul div maximum minimum where __add__ __radd__ __sub__ __rsub__ __mul__ "
            "__rmul__ __truediv__ __rtruediv__"
        ),
        _of_broadcast,
    ),
}
