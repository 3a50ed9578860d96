"""What a tensor that was given has to be before anything is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.errors import UsageError

if TYPE_CHECKING:
    import torch

_WIDE = 2
"""Bytes of a value from which on torch computes with it: of 8 bits it only converts."""


def check_values_are_there(tensor: torch.Tensor) -> None:
    """Raise `UsageError` unless a tensor holds a value for each place, one that torch adds up."""
    import torch

    if tensor.is_meta:
        raise UsageError(
            "The tensor that was given is on the meta device, where it has no values.",
            "Give one with values.",
        )
    if tensor.is_nested or tensor.layout is not torch.strided:
        kind = "nested" if tensor.is_nested else f"sparse ({tensor.layout})"
        raise UsageError(
            f"The tensor that was given is {kind}; only dense ones are taken.",
            "Give its single tensors, by tensor.unbind()."
            if tensor.is_nested
            else "Give tensor.to_dense().",
        )
    if tensor.is_floating_point() and tensor.element_size() < _WIDE:
        raise UsageError(
            f"The tensor that was given is of {tensor.dtype}, with which torch does not compute.",
            "Give tensor.float().",
        )
