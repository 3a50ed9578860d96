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

    Such are products of matrices, attention as torch has it, and sums and products of tensors that
    are repeated along each other's dimensions: attention between all positions of a map grows with
    the fourth power of its side. So does a mask for it, which is made from nothing or by repeating.
    What other calls return is not much larger than what they are given.

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
        size, special = _SIZES.get(func), _SPECIAL.get(func)
        if size is not None:
            given = (*args, *named.values())
            shapes = [entry.shape for entry in given if isinstance(entry, torch.Tensor)]
            if len(shapes) > 1 and size(shapes) > self._most:
                raise TooLargeError
        elif special is not None and special(args, named) > self._most:
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


def _of_inner(shapes: Sequence[_Shape]) -> int:
    one, other = shapes[:2]
    return math.prod(one[:-1]) * math.prod(other[:-1])


def _of_outer(shapes: Sequence[_Shape]) -> int:
    one, other = shapes[:2]
    return math.prod(one) * math.prod(other)


def _of_heads(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    """Return how many weights `multi_head_attention_forward` makes, queries [L, N, E] or [L, E]."""
    names = ("query", "key", "value", "embed_dim_to_check", "num_heads")
    given = {**dict(zip(names, args, strict=False)), **named}
    query, key = given["query"].shape, given["key"].shape
    batch = query[1] if len(query) == 3 else 1
    return int(batch * given["num_heads"] * query[0] * key[0])


def _of_contraction(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    """Return the size of what `tensordot` gives; 0 where its dimensions are in some other form."""
    given = {**dict(zip(("a", "b", "dims"), args, strict=False)), **named}
    one, other, dims = given["a"].shape, given["b"].shape, given.get("dims", 2)
    if isinstance(dims, int):
        return int(math.prod(one[: len(one) - dims]) * math.prod(other[dims:]))
    if not isinstance(dims, (list, tuple)) or not isinstance(dims[0], (list, tuple)):
        return 0
    joined = math.prod(one[each] for each in dims[0]) * math.prod(other[each] for each in dims[1])
    return int(math.prod(one) * math.prod(other) // max(joined, 1))


def _of_equation(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    if not args or not isinstance(args[0], str):
        return 0
    given, arrow, result = args[0].replace(" ", "").partition("->")
    if not arrow:
        result = "".join(letter for letter in set(given) - {","} if given.count(letter) == 1)
    operands = args[1] if isinstance(args[1], (list, tuple)) else args[1:]
    lengths: dict[str, int] = {}
    for letters, operand in zip(given.split(","), operands, strict=False):
        lengths.update(zip(letters, operand.shape, strict=False))
    return math.prod(lengths.get(letter, 1) for letter in result)


def _of_shape(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    """Return the size of a tensor that is made from its shape, given as numbers or as one list."""
    given = named.get("size", args)
    lengths = given[0] if given and isinstance(given[0], (list, tuple)) else given
    return math.prod(int(length) for length in lengths if isinstance(length, (int, torch.SymInt)))


def _of_square(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    given = {**dict(zip(("n", "m"), args, strict=False)), **named}
    rows, columns = given["n"], given.get("m")
    return int(rows) * int(rows if columns is None else columns)


def _of_new_shape(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    return _of_shape(args[1:], named)


def _of_repeats(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    return int(args[0].numel()) * _of_shape(args[1:], {"size": named.get("repeats", args[1:])})


def _of_tiles(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    return int(args[0].numel()) * _of_shape(args[1:], {"size": named.get("dims", args[1:])})


def _of_each_repeated(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    times = named.get("repeats", args[1] if len(args) > 1 else 1)
    return int(args[0].numel()) * times if isinstance(times, int) else 0


def _named(names: str) -> list[Any]:
    return [func for owner in (torch, torch.Tensor, F) for func in _of(owner, names)]


def _of(owner: Any, names: str) -> list[Any]:
    return [getattr(owner, name) for name in names.split() if hasattr(owner, name)]


_SIZES: Mapping[Any, Callable[[Sequence[_Shape]], int]] = {
    **dict.fromkeys(_named("matmul __matmul__ __rmatmul__ bmm baddbmm"), _of_product),
    # Of attention the weights of each query for each key, though some kernels never hold them all.
    **dict.fromkeys(_named("cdist scaled_dot_product_attention"), _of_distances),
    **dict.fromkeys(_named("inner"), _of_inner),
    **dict.fromkeys(_named("outer ger"), _of_outer),
    **dict.fromkeys(
        _named(
            "add sub mul div maximum minimum where __add__ __radd__ __sub__ __rsub__ __mul__ "
            "__rmul__ __truediv__ __rtruediv__"
        ),
        _of_broadcast,
    ),
}
"""What tells the size of a result from the shapes of the tensors that are given."""

_SPECIAL: Mapping[Any, Callable[[Sequence[Any], Mapping[str, Any]], int]] = {
    F.multi_head_attention_forward: _of_heads,
    torch.tensordot: _of_contraction,
    torch.einsum: _of_equation,
    **dict.fromkeys(_of(torch, "zeros ones empty full rand randn"), _of_shape),
    **dict.fromkeys(_of(torch, "eye"), _of_square),
    **dict.fromkeys(_of(torch.Tensor, "new_zeros new_ones new_empty new_full"), _of_new_shape),
    **dict.fromkeys(_of(torch.Tensor, "repeat"), _of_repeats),
    **dict.fromkeys(_named("tile"), _of_tiles),
    **dict.fromkeys(_named("repeat_interleave"), _of_each_repeated),
}
"""What tells it from all that is given."""
