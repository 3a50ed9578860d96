"""Maps that are kept for the backward pass, in the order of memory of the gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from cnnviz.introspection.function_calls import FunctionMode

_READ_ANYHOW = frozenset(
    {
        *("relu", "relu_", "relu6", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "prelu"),
        *("elu", "elu_", "selu", "selu_", "celu", "celu_", "gelu", "silu", "silu_", "mish"),
        *("hardswish", "hardswish_", "hardsigmoid", "softplus", "threshold", "threshold_"),
        *("sigmoid", "sigmoid_", "tanh", "tanh_", "clamp", "clamp_", "clamp_min", "clamp_min_"),
        *("mul", "mul_", "__mul__", "__rmul__", "__imul__", "where", "maximum", "masked_fill"),
        *("batch_norm", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d"),
    }
)
"""Functions whose derivatives read what they keep in any order of memory.

Others may not, and say nothing: that of a layer norm takes its means, and that of attention its
queries, to lie in memory as they did on the way forward.
"""


class kept_by_places(FunctionMode):  # noqa: N801
    """Let maps that are kept for the backward pass be laid out place by place when needed.

    Gradients come so from packed convolutions, and maps channel by channel from those of the
    network. Whatever reads both, such as the derivative of a rectifier, would take several times
    as long, and would hand the gradient on in the other order.
    """

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Lay out what a function keeps, if its derivative does not mind."""
        if getattr(func, "__name__", "") not in _READ_ANYHOW:
            return func(*args, **named)
        with torch.autograd.graph.saved_tensors_hooks(_pack, _unpack):
            return func(*args, **named)


def _pack(tensor: torch.Tensor) -> tuple[torch.Tensor, int]:
    return tensor, tensor._version


def _unpack(kept: tuple[torch.Tensor, int]) -> torch.Tensor:
    tensor, version = kept
    if tensor._version != version:
        # As autograd has it, which does not look at what a hook keeps.
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            "operation"
        )
    if tensor.ndim != 4 or type(tensor) is not torch.Tensor:
        return tensor
    return tensor.contiguous(memory_format=torch.channels_last)
