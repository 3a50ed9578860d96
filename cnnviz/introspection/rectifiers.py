"""Telling a rectifier from any other call of a torch function, in whatever form it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from cnnviz.introspection.operations import as_written


@dataclass(frozen=True)
class Rectifier:
    """One call of a function that is zero below zero, and constant from `most` on.

    Attributes
    ----------
    values : torch.Tensor
        What is rectified.
    most : float or None
        Where it is cut off above.
    in_place : bool
        Whether the call writes to `values`.
    returns : bool
        Whether the call returns what it made; an assignment to an index does not.
    strict : bool
        Whether its own derivative at zero and at `most` is zero. Elsewhere it depends on the form:
        that of a maximum with zero is a half at zero, and that of a mask of what is not below zero
        is one.
    """

    values: torch.Tensor
    most: float | None = None
    in_place: bool = False
    returns: bool = True
    strict: bool = False

    @property
    def output_is_whole(self) -> bool:
        """Whether every signal that comes back passes through the one tensor that is returned.

        An in-place call on a view has no such tensor.
        """
        return self.returns and not (self.in_place and self.values._is_view())

    def through(self, function: type[torch.autograd.Function]) -> torch.Tensor:
        """Return what the call returns, by a function of `values` and `most`."""
        output: torch.Tensor = function.apply(self.values, self.most)
        # The caller of an in-place rectifier may go on with the tensor it handed in.
        return self.values.copy_(output) if self.in_place else output


def read_rectifier(func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Rectifier | None:
    """Return what a call hands to a rectifier, or None where it calls something else."""
    func, named = as_written(func, named)
    reads = _RECTIFIERS.get(func)
    if reads is None or "out" in named:
        return None
    try:
        return reads(*args, **named)
    except RuntimeError:
        # Values that cannot be looked at, such as under vmap, tell of no mask.
        return None


def changeable_rectifier(
    func: Any, args: Sequence[Any], named: Mapping[str, Any]
) -> Rectifier | None:
    """Return what `read_rectifier` does, or None where no other derivative reaches autograd.

    Inside torch.func a function that brings its own is refused, and a hook is never called.
    """
    found = read_rectifier(func, args, named)
    if found is None or torch._C._functorch.is_functorch_wrapped_tensor(found.values):
        return None
    return found


def _relu(input: torch.Tensor, inplace: bool = False) -> Rectifier:
    return Rectifier(input, None, inplace, strict=True)


def _relu_in_place(input: torch.Tensor) -> Rectifier:
    return Rectifier(input, None, True, strict=True)


def _relu6(input: torch.Tensor, inplace: bool = False) -> Rectifier:
    return Rectifier(input, 6.0, inplace, strict=True)


def _hardtanh(
    input: torch.Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Rectifier | None:
    # torch's ReLU6 module is a hardtanh from 0 to 6.
    return Rectifier(input, max_val, inplace, strict=True) if min_val == 0.0 else None


def _hardtanh_in_place(
    input: torch.Tensor, min_val: float = -1.0, max_val: float = 1.0
) -> Rectifier | None:
    return _hardtanh(input, min_val, max_val, True)


def _threshold(
    input: torch.Tensor, threshold: float, value: float, inplace: bool = False
) -> Rectifier | None:
    zero = threshold == 0.0 == value
    return Rectifier(input, None, inplace, strict=True) if zero else None


def _threshold_in_place(input: torch.Tensor, threshold: float, value: float) -> Rectifier | None:
    return _threshold(input, threshold, value, True)


def _leaky_relu(
    input: torch.Tensor, negative_slope: float = 0.01, inplace: bool = False
) -> Rectifier | None:
    return Rectifier(input, None, inplace) if negative_slope == 0.0 else None


def _prelu(input: torch.Tensor, weight: torch.Tensor) -> Rectifier | None:
    # A slope for each channel, which may be learned: none of them lets anything through.
    return Rectifier(input) if not bool(weight.detach().any()) else None


def _elu(input: torch.Tensor, alpha: float = 1.0, inplace: bool = False) -> Rectifier | None:
    return Rectifier(input, None, inplace) if alpha == 0.0 else None


def _rrelu(
    input: torch.Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Rectifier | None:
    return Rectifier(input, None, inplace) if lower == 0.0 == upper else None


def _clamp(input: torch.Tensor, min: Any = None, max: Any = None) -> Rectifier | None:
    if not is_zero(min) or not _signed(input):
        return None
    if max is None:
        return Rectifier(input)
    if isinstance(max, torch.Tensor) and (max.numel() != 1 or max.requires_grad):
        return None
    return Rectifier(input, float(max)) if float(max) > 0.0 else None


def _maximum(input: torch.Tensor, other: Any = None, **_: Any) -> Rectifier | None:
    # torch.max has a form with a dimension too, which takes the largest of a row.
    if not isinstance(other, torch.Tensor):
        return None
    for values, least in ((input, other), (other, input)):
        if is_zero(least, values) and _signed(values):
            return Rectifier(values)
    return None


def _where(condition: torch.Tensor, input: Any = None, other: Any = None) -> Rectifier | None:
    if isinstance(input, torch.Tensor) and is_zero(other, input) and _keeps(condition, input):
        return Rectifier(input)
    if isinstance(other, torch.Tensor) and is_zero(input, other) and _drops(condition, other):
        return Rectifier(other)
    return None


def _where_method(input: torch.Tensor, condition: torch.Tensor, other: Any) -> Rectifier | None:
    return _where(condition, input, other)


def _multiply(input: Any, other: Any) -> Rectifier | None:
    for values, mask in ((input, other), (other, input)):
        if isinstance(values, torch.Tensor) and _keeps(mask, values):
            return Rectifier(values)
    return None


def _multiply_in_place(input: torch.Tensor, other: Any) -> Rectifier | None:
    return Rectifier(input, None, True) if _keeps(other, input) else None


def _masked_fill(input: torch.Tensor, mask: torch.Tensor, value: Any) -> Rectifier | None:
    return Rectifier(input) if is_zero(value) and _drops(mask, input) else None


def _assignment(input: torch.Tensor, index: Any, value: Any) -> Rectifier | None:
    zeroed = is_zero(value) and _drops(index, input)
    return Rectifier(input, None, True, returns=False) if zeroed else None


def _index_put(
    input: torch.Tensor, indices: Sequence[Any], values: Any, accumulate: bool = False
) -> Rectifier | None:
    # So exported programs write an assignment.
    zeroed = len(indices) == 1 and is_zero(values) and _drops(indices[0], input)
    return Rectifier(input) if zeroed and not accumulate else None


def _in_place(reads: Callable[..., Rectifier | None]) -> Callable[..., Rectifier | None]:
    def read(*args: Any, **named: Any) -> Rectifier | None:
        found = reads(*args, **named)
        return found and Rectifier(found.values, found.most, True)

    return read


def _signed(values: Any) -> bool:
    return isinstance(values, torch.Tensor) and values.is_floating_point()


def is_zero(value: Any, beside: torch.Tensor | None = None) -> bool:
    """Whether something is the number zero, or zeros that make no larger tensor of another."""
    if isinstance(value, (int, float)):
        return value == 0
    if not isinstance(value, torch.Tensor) or value.requires_grad or value.is_complex():
        return False
    if value.numel() != 1 and (beside is None or value.shape != beside.shape):
        return False
    return not bool(value.detach().any())


def _keeps(mask: Any, values: torch.Tensor) -> bool:
    """Whether a mask is one where values are above zero, and zero elsewhere."""
    return _is_mask(mask, values) and (_same(mask, values > 0) or _same(mask, values >= 0))


def _drops(mask: Any, values: torch.Tensor) -> bool:
    """Whether a mask is true where values are below zero, and false elsewhere."""
    if not _is_mask(mask, values) or mask.dtype is not torch.bool:
        return False
    return _same(mask, values < 0) or _same(mask, values <= 0)


def _is_mask(mask: Any, values: torch.Tensor) -> bool:
    return (
        isinstance(mask, torch.Tensor)
        and _signed(values)
        and mask.shape == values.shape
        and not mask.requires_grad
        and not mask.is_complex()
        # A mask of ones over what is positive anyway, such as one of padding, rectifies nothing
        # unless it was made of signs.
        and (marked_signs(mask) or bool((values < 0).any()))
    )


OF_SIGNS = "_cnnviz_of_signs"


def mark_signs(mask: torch.Tensor) -> None:
    """Mark a mask as one that was made of signs, by comparing with zero."""
    setattr(mask, OF_SIGNS, True)


def marked_signs(mask: Any) -> bool:
    """Whether a mask is marked as one that was made of signs."""
    return bool(getattr(mask, OF_SIGNS, False))


def _same(mask: torch.Tensor, wanted: torch.Tensor) -> bool:
    return torch.equal(mask.detach(), wanted.to(mask.dtype))


_Reader = Callable[..., Rectifier | None]


def _named(owners: Sequence[Any], names: str) -> Iterator[Any]:
    for owner in owners:
        yield from (getattr(owner, name) for name in names.split() if hasattr(owner, name))


_ANYWHERE = (torch, torch.Tensor, F)

_FORMS: Sequence[tuple[_Reader, Sequence[Any], str]] = (
    (_relu, _ANYWHERE, "relu"),
    (_relu_in_place, _ANYWHERE, "relu_"),
    (_relu6, (F,), "relu6"),
    (_hardtanh, (F,), "hardtanh"),
    (_hardtanh_in_place, (F,), "hardtanh_"),
    (_threshold, (torch, F), "threshold"),
    (_threshold_in_place, (torch, F), "threshold_"),
    (_leaky_relu, (F,), "leaky_relu"),
    (_in_place(_leaky_relu), (F,), "leaky_relu_"),
    (_prelu, _ANYWHERE, "prelu"),
    (_elu, (F,), "elu"),
    (_rrelu, (torch, F), "rrelu"),
    (_clamp, _ANYWHERE, "clamp clip clamp_min"),
    (_in_place(_clamp), _ANYWHERE, "clamp_ clip_ clamp_min_"),
    (_maximum, _ANYWHERE, "maximum fmax max"),
    (_where, (torch,), "where"),
    (_where_method, (torch.Tensor,), "where"),
    (_multiply, _ANYWHERE, "mul multiply __mul__ __rmul__"),
    (_multiply_in_place, (torch.Tensor,), "mul_ multiply_ __imul__"),
    (_masked_fill, _ANYWHERE, "masked_fill"),
    (_in_place(_masked_fill), (torch.Tensor,), "masked_fill_"),
    (_index_put, (torch, torch.Tensor), "index_put"),
    (_in_place(_index_put), (torch, torch.Tensor), "index_put_"),
    (_assignment, (torch.Tensor,), "__setitem__"),
)

_RECTIFIERS: Mapping[Any, _Reader] = {
    function: reads for reads, owners, names in _FORMS for function in _named(owners, names)
}
