"""Which operators of ATen pool, are activation functions, pad, or take each element by itself."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

# Names, parted by spaces.
POOLS = (
    "max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d "
    "adaptive_avg_pool1d _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool1d "
    "adaptive_max_pool2d adaptive_max_pool3d"
)
ACTIVATIONS = (
    "relu hardtanh leaky_relu elu selu celu gelu silu mish sigmoid tanh hardswish hardsigmoid "
    "softplus prelu threshold"
)
PADS = (
    "constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d "
    "replication_pad2d replication_pad3d"
)

_UNTAGGED = frozenset({"_conj_physical", "ldexp", "leaky_relu"})
"""Which torch 2.6 does not say it of: the only ones that later versions name besides."""


@cache
def is_pointwise(func: Any) -> bool:
    """Whether every element of an operator's output depends on the same element of its inputs.

    torch 2.6 says so of `hardtanh` and not of `hardtanh_`, which writes in place: both do the same.
    """
    name = func.overloadpacket.__name__.removesuffix("_")
    if torch.Tag.pointwise in func.tags or (func.namespace == "aten" and name in _UNTAGGED):
        return True
    if not func._schema.is_mutable:
        return False
    other = getattr(torch.ops.aten, name, None)
    named = getattr(other, func._overloadname, None)
    return named is not None and torch.Tag.pointwise in named.tags
