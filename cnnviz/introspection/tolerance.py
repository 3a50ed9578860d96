"""How far two computations of the same values may lie apart."""

from __future__ import annotations

import torch

_SHARE = 1e-4
"""Of the largest value: what other kernels for another number of rows round differently stays a
hundred times below it in single precision, and what one image does to another lies far above."""
_ROUNDINGS = 32.0
"""How many roundings add up in types with less precision."""


def differ(one: torch.Tensor, two: torch.Tensor) -> float:
    """Return by which share of the largest value two tensors differ; 0 where it is rounding."""
    if one.shape != two.shape:
        return float("inf")
    first, second = one.detach().double(), two.detach().double()
    apart = ~((first == second) | (first.isnan() & second.isnan()))
    if not bool(apart.any()):
        return 0.0
    size = float(
        torch.stack(
            [
                first[first.isfinite()].abs().max()
                if first.isfinite().any()
                else first.new_tensor(0.0),
                second.new_tensor(0.0),
            ]
        ).max()
    )
    share = float((first - second)[apart].abs().max()) / max(size, torch.finfo(torch.double).tiny)
    if share != share:  # A NaN on one side alone.
        return float("inf")
    return share if share > tolerance(one) else 0.0


def tolerance(values: torch.Tensor) -> float:
    """Return the share of the largest value below which a difference is rounding."""
    if not values.is_floating_point():
        return 0.0
    step = torch.finfo(values.dtype).eps
    if values.is_cuda and values.dtype is torch.float32 and torch.backends.cudnn.allow_tf32:
        step = 2.0**-10
    return max(_SHARE, _ROUNDINGS * step)
