"""How far two computations of the same values may lie apart."""

from __future__ import annotations

from operator import attrgetter

import torch

_SHARE = 1e-4
"""Of the largest value: what other kernels for another number of rows round differently stays a
hundred times below it in single precision, and what one image does to another lies far above."""
_ROUNDINGS = 32.0
"""How many roundings add up in types with less precision."""
_STEPS = {"tf32": 2.0**-10, "bf16": 2.0**-7}
"""What single precision is rounded to on the way, where torch is allowed to."""
_TOLD = {
    "tf32": (
        "Convolutions and products are rounded to three digits on the way (TF32), which torch "
        "allows on this GPU; torch.backends.cudnn.allow_tf32 = False forbids it."
    ),
    "bf16": (
        "Products may be rounded to two digits on the way (bfloat16), which torch was told to "
        'allow; torch.set_float32_matmul_precision("highest") forbids it.'
    ),
}
COARSE = {torch.bfloat16: "two", torch.float16: "three"}
"""Types of less than single precision, and how many digits they hold."""
MOST_ROUNDING, COARSE_SHARE = 1.0 / 16.0, 1e-3
"""What a photo changes of a score has to be sixteen times the rounding of the score to be followed;
a larger share of rounding than the second is seen in the numbers of tables."""
_TF32 = (8, 0)
"""The first generation of GPUs that computes in it."""


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
    if values.dtype is torch.float32:
        step = max(step, *(_STEPS.get(name, step) for name in _arithmetic(values.device.type)))
    return max(_SHARE, _ROUNDINGS * step)


def told_rounding(
    device: torch.device, dtype: torch.dtype, computed: torch.dtype | None = None
) -> str:
    """Say where numbers are coarser than those of single precision; empty where they are not.

    Those of a network in half precision are, and of one that computes in it under autocast, and
    those of a device that rounds on the way.

    Parameters
    ----------
    device, dtype : torch.device, torch.dtype
        Where the network is, and what its weights are.
    computed : torch.dtype, optional
        What its layers returned, where that was coarser than single precision.
    """
    coarse_type = dtype if dtype in COARSE else computed
    if coarse_type in COARSE:
        name = str(coarse_type).removeprefix("torch.")
        what = "The network is in" if dtype in COARSE else "Under autocast layers compute in"
        return (
            f"{what} {name}, which rounds each value to {COARSE[coarse_type]} digits: what many of "
            "them make can be further off, and a gradient at single places by much, where a "
            "rounded value lies on the other side of a ReLU or a maximum."
        )
    coarse = max(_arithmetic(device.type), key=lambda name: _STEPS.get(name, 0.0))
    if dtype is not torch.float32 or coarse not in _STEPS:
        return ""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < _TF32:
        return ""
    return _TOLD[coarse]


def _arithmetic(kind: str) -> tuple[str, ...]:
    """Return what convolutions and products of a kind of device make of single precision.

    Read where torch has it for each operation: what stands above that is refused with an error
    where somebody has set some of both.
    """
    above = {"cuda": ("cudnn.conv", "cuda.matmul"), "cpu": ("mkldnn.conv", "mkldnn.matmul")}
    try:
        found = [attrgetter(name)(torch.backends).fp32_precision for name in above.get(kind, ())]
    except AttributeError:  # A torch before 2.9 has one setting for the two.
        ten_bits = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
        seven_bits = torch.get_float32_matmul_precision() == "medium"
        found = [{"cuda": ten_bits and "tf32", "cpu": seven_bits and "bf16"}.get(kind) or "ieee"]
    return (*found, "ieee")
