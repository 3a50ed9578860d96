"""The forward pass of a network in a type of more digits than its own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from cnnviz.models import Model


class _Wrapped(nn.Module):
    """A model as a module, for `functional_call`."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.module, self._forward = model.module, model.forward

    def forward(self, inputs: torch.Tensor) -> Any:
        return self._forward(inputs)


def wider_forward(model: Model, dtype: torch.dtype) -> Callable[[torch.Tensor], Any]:
    """Return the forward pass with all parameters, buffers and inputs in a wider type.

    Parameters
    ----------
    model : Model
        The network, which stays as it is.
    dtype : torch.dtype
        The type; what has as many digits already keeps its own.
    """
    wrapped, digits = _Wrapped(model), torch.finfo(dtype).eps

    def run(inputs: torch.Tensor) -> Any:
        # Anew in each pass, for one may write to its buffers.
        wider = {
            name: held.to(dtype)
            for name, held in chain(wrapped.named_parameters(), wrapped.named_buffers())
            if held.is_floating_point() and torch.finfo(held.dtype).eps > digits
        }
        return functional_call(wrapped, wider, (inputs.to(dtype),))

    return run
