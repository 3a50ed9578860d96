"""Tensors within torch.vmap, whose values can be neither read nor taken out."""

from __future__ import annotations

import torch


def is_vmapped(tensor: torch.Tensor) -> bool:
    """Whether a tensor lives within torch.vmap, however many transforms of torch.func lie between.

    >>> found = []
    >>> _ = torch.vmap(lambda row: found.append(is_vmapped(row)) or row)(torch.ones(2))
    >>> found, is_vmapped(torch.ones(2))
    ([True], False)
    """
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        if functorch.is_batchedtensor(tensor):
            return True
        tensor = functorch.get_unwrapped(tensor)
    return False
