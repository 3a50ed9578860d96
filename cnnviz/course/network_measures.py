"""What a network by name has and costs, counted on the network itself: parameters, MACs, depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.tracing import trace
from cnnviz.introspection.tracing.data_flow import INPUT
from cnnviz.introspection.tracing.trace import Trace
from cnnviz.models import load

_WEIGHTED = frozenset({"conv", "linear", "attention", "recurrent"})


@dataclass(frozen=True)
class NetworkMeasures:
    """What was counted.

    Attributes
    ----------
    parameters, macs : int
        Learned numbers, and multiply-accumulate operations for one image.
    depth : int
        The most layers with weights, convolutions and linear ones, on a way from image to answer.
    layers : int
        All calls of layers, with normalisation, activation, pooling and the like.
    input_shape : tuple of int
        The image that they are counted for: channels, height, width.
    """

    parameters: int
    macs: int
    depth: int
    layers: int
    input_shape: tuple[int, ...]


def measure(name: str) -> NetworkMeasures:
    """Count what the network has that `cnnviz.load` gives for a name.

    Its weights are not drawn: none of the numbers depends on them.

    Raises
    ------
    ModelError, InstallationError
        As `cnnviz.load`.
    """
    with _Undrawn():
        model = load(name, "random", device="cpu")
    found = trace(model.module, model.input_shape)
    return NetworkMeasures(
        parameters=found.parameters,
        macs=found.macs,
        depth=depth(found),
        layers=len(found.calls),
        input_shape=tuple(model.input_shape),
    )


def depth(found: Trace) -> int:
    """Return the most layers with weights on a way from the image to the answer.

    A layer is a convolution, or a matrix product with parameters; shortcuts are ways of their own.
    """
    sources: dict[int, list[int]] = {}
    for one, other in found.links:
        sources.setdefault(other, []).append(one)
    longest = {INPUT: 0}
    for place, call in enumerate(found.calls):
        learned = call.kind in _WEIGHTED and call.parameters + call.shared_parameters > 0
        ways = [longest[one] for one in sources.get(place, ()) if one in longest]
        if ways:
            longest[place] = max(ways) + learned
    return max((longest.get(place, 0) for place in found.answers), default=0)


class _Undrawn(FunctionMode):
    """Leaves out the drawing of random weights, which takes most of the time of building."""

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Return the tensor full of zeros.

        Not as the memory was before: what lies beyond the bounds of a truncated distribution is
        drawn again until none does. Large ones are given new memory, which the system promises to
        be zero: clearing what nobody reads took most of the time, half a gigabyte for VGG-16.
        """
        if func in _DRAWS:
            found: torch.Tensor = args[0] if args else named["tensor"]
            with torch.no_grad():
                # A part of another tensor stays a part of it.
                whole = found.nbytes == found.untyped_storage().nbytes() and not found._is_view()
                plain = whole and found.is_contiguous() and found.device.type == "cpu"
                return _filled_with_new_zeros(found) if plain else found.zero_()
        return func(*args, **named)


def _filled_with_new_zeros(tensor: torch.Tensor) -> torch.Tensor:
    # `torch.zeros` writes them; NumPy asks the system.
    zeros = torch.from_numpy(np.zeros(tensor.numel(), np.float32)).to(tensor.dtype)
    return tensor.set_(zeros.untyped_storage(), 0, tensor.shape, tensor.stride())


_DRAWS = (
    *(torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.erfinv_),
    *(nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_),
)
