"""Gradients at the input of a network that rewrites a buffer which the input is multiplied with.

Torch trains it: nobody asks for the gradient at the image then, so that autograd needs no such
buffer later. With that gradient it does, and finds it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from cnnviz.errors import ModelError
from cnnviz.introspection.memory_order import memory_of

_T = TypeVar("_T")


def through_rewritten_buffers(module: nn.Module, make: Callable[[], _T]) -> _T:
    """Return what some passes through a network make, again with copies of buffers if they fail.

    Only what autograd keeps of buffers is copied: whatever else a network writes to before its
    gradient is computed is refused, as torch does.

    Raises
    ------
    ModelError
        As the passes do.
    """
    try:
        return make()
    except ModelError:
        if next(module.buffers(), None) is None:
            raise
    places = {memory_of(buffer) for buffer in module.buffers()} - {0}

    def pack(tensor: torch.Tensor) -> tuple[torch.Tensor, int]:
        kept = tensor.detach().clone() if memory_of(tensor) in places else tensor
        return kept, kept._version

    with torch.autograd.graph.saved_tensors_hooks(pack, _unpack):
        return make()


def _unpack(kept: tuple[torch.Tensor, int]) -> torch.Tensor:
    tensor, version = kept
    if tensor._version != version:  # Torch itself does not look where it was handed to a hook.
        raise RuntimeError("a tensor needed for the gradient was modified by an inplace operation")
    return tensor
