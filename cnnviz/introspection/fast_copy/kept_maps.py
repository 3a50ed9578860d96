"""Maps that are kept for the backward pass, in the order of memory of the gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch


def kept_by_places() -> AbstractContextManager[Any]:
    """Let every map that is kept for the backward pass be laid out place by place when needed.

    Gradients come so from packed convolutions, and maps channel by channel from those of the
    network. Whatever reads both, such as the derivative of a rectifier, would take several times
    as long, and would hand the gradient on in the other order.
    """
    return torch.autograd.graph.saved_tensors_hooks(_pack, _unpack)


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
