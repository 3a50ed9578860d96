"""Tensors that are a multiple of another where that is below zero, and one where it is above.

So a rectifier can be told that is written with other functions, as ``(x + x.abs()) / 2``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cnnviz.introspection import operations
from cnnviz.introspection.activation_nodes import set_aside
from cnnviz.introspection.operations import operation

_NOTED = "_cnnviz_two_slopes"


@dataclass(frozen=True, eq=False)
class TwoSlopes:
    """What a tensor is of another: ``below * x`` where x is below zero, and ``above * x`` above.

    Attributes
    ----------
    base : torch.Tensor
        The other tensor, x.
    version : int
        How often that had been written to.
    below, above : float
        The two slopes.
    """

    base: torch.Tensor
    version: int
    below: float
    above: float

    @property
    def rectifies(self) -> bool:
        """Whether it is x or -x, rectified and multiplied with a number above zero."""
        return (self.below == 0.0 < self.above) or (self.below < 0.0 == self.above)

    def tells_of(self, result: torch.Tensor) -> bool:
        """Whether a call has left the other tensor as it was, and returned one of its shape."""
        unwritten = self.base._version == self.version
        return unwritten and result is not self.base and result.shape == self.base.shape

    def through(
        self, rule: Callable[[torch.Tensor], torch.Tensor], result: torch.Tensor
    ) -> torch.Tensor:
        """Return the values of a result, with the gradient of a rule for rectifiers."""
        up = self.above > 0.0
        follows = (self.above if up else -self.below) * rule(self.base if up else -self.base)
        values: torch.Tensor = _Instead.apply(follows, result.detach().clone())
        set_aside(values)
        return values


class _Instead(torch.autograd.Function):
    """The same values to the last bit, whose gradient goes another way."""

    @staticmethod
    def forward(ctx: Any, follows: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return gradients[0], None


def two_slopes(func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> TwoSlopes | None:
    """Return what the result of a call will be, or None where it is no such tensor.

    To be asked before the call, which may write to what it is given.
    """
    reads = _reader(func)
    if reads is None or "out" in named:
        return None
    try:
        return reads(*args, **named)
    except (TypeError, RuntimeError):
        # Another way to call it, or values that cannot be looked at.
        return None


def note(result: torch.Tensor, slopes: TwoSlopes) -> None:
    """Keep with a tensor what it is of another."""
    setattr(result, _NOTED, (slopes, result._version))


def _of(value: Any) -> TwoSlopes | None:
    if not isinstance(value, torch.Tensor):
        return None
    if not value.requires_grad or not value.is_floating_point():
        return None
    known = getattr(value, _NOTED, None)
    if known is not None:
        slopes: TwoSlopes = known[0]
        if known[1] == value._version and slopes.version == slopes.base._version:
            return slopes
    return TwoSlopes(value, value._version, 1.0, 1.0)


def _scaled(slopes: TwoSlopes | None, by: float) -> TwoSlopes | None:
    if slopes is None:
        return None
    return TwoSlopes(slopes.base, slopes.version, by * slopes.below, by * slopes.above)


def _both(
    first: Any, second: Any, join: Callable[[float, float], float], below: Any = None
) -> TwoSlopes | None:
    """Return what two tensors of one base make, where a number or tensor of zeros is of any."""
    one, other = _of(first), _of(second)
    if one is None and other is not None and _is_zero(first):
        one = _scaled(other, 0.0)
    if other is None and one is not None and _is_zero(second):
        other = _scaled(one, 0.0)
    if one is None or other is None or one.base is not other.base:
        return None
    return TwoSlopes(
        one.base, one.version, (below or join)(one.below, other.below), join(one.above, other.above)
    )


def _is_zero(value: Any) -> bool:
    if isinstance(value, (int, float)):
        return value == 0
    return isinstance(value, torch.Tensor) and not bool(value.detach().any())


def _number(value: Any) -> float | None:
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 and not value.requires_grad else None
    return float(value) if isinstance(value, (int, float)) else None


def _negative(input: Any) -> TwoSlopes | None:
    return _scaled(_of(input), -1.0)


def _absolute(input: Any) -> TwoSlopes | None:
    found = _of(input)
    if found is None:
        return None
    return TwoSlopes(found.base, found.version, -abs(found.below), abs(found.above))


def _plus(input: Any, other: Any, *, alpha: float = 1.0) -> TwoSlopes | None:
    return _both(input, other, lambda one, two: one + alpha * two)


def _minus(input: Any, other: Any, *, alpha: float = 1.0) -> TwoSlopes | None:
    return _both(input, other, lambda one, two: one - alpha * two)


def _minus_reversed(input: Any, other: Any) -> TwoSlopes | None:
    return _minus(other, input)


def _times(input: Any, other: Any) -> TwoSlopes | None:
    for value, by in ((input, _number(other)), (other, _number(input))):
        if by is not None:
            return _scaled(_of(value), by)
    return None


def _over(input: Any, other: Any) -> TwoSlopes | None:
    by = _number(other)
    return None if not by else _scaled(_of(input), 1.0 / by)


def _larger(input: Any, other: Any) -> TwoSlopes | None:
    return _both(input, other, max, min)


def _smaller(input: Any, other: Any) -> TwoSlopes | None:
    return _both(input, other, min, max)


def _larger_of_tensors(input: Any, other: torch.Tensor) -> TwoSlopes | None:
    # A number is a dimension to `torch.max`, and to `torch.min`.
    return _larger(input, other) if isinstance(other, torch.Tensor) else None


def _smaller_of_tensors(input: Any, other: torch.Tensor) -> TwoSlopes | None:
    return _smaller(input, other) if isinstance(other, torch.Tensor) else None


def _nothing(input: Any, other: Any) -> None:
    """One divided by a tensor is no multiple of it."""


def _clamp(input: Any, min: Any = None, max: Any = None) -> TwoSlopes | None:
    return _smaller(input, max) if min is None and max is not None else None


def _leaky(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> TwoSlopes | None:
    found = _of(input)
    if found is None or found.below != found.above or found.above < 0.0:
        return None
    return TwoSlopes(found.base, found.version, negative_slope * found.below, found.above)


_READERS: Mapping[str, Callable[..., TwoSlopes | None]] = {
    operations.ADD: _plus,
    operations.SUBTRACT: _minus,
    operations.MULTIPLY: _times,
    operations.DIVIDE: _over,
    operations.MAXIMUM: _larger,
    operations.MINIMUM: _smaller,
    **dict.fromkeys(("neg", "negative"), _negative),
    **dict.fromkeys(("abs", "absolute"), _absolute),
    **dict.fromkeys(("clamp", "clip"), _clamp),
    "clamp_max": _smaller,
    "rsub": _minus_reversed,
    **dict.fromkeys(("rdiv", "rtruediv"), _nothing),
    "max": _larger_of_tensors,
    "min": _smaller_of_tensors,
    "leaky_relu": _leaky,
}


def _reader(func: Any) -> Callable[..., TwoSlopes | None] | None:
    name = str(getattr(func, "__name__", "")).strip("_")
    return _READERS.get(name) or _READERS.get(operation(func) or "")
