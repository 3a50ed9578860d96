"""The convolutions of a network: layers of torch, and those of exported programs.

Those of programs have no class that says what they are; their graph calls the operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch
from torch import nn
from torch.fx import Node
from torch.nn.modules.conv import _ConvNd

from cnnviz.introspection.layers import named_layers
from cnnviz.introspection.program_layers import kind_in_program, operator_calls


@dataclass(frozen=True, eq=False)
class Convolution:
    """A layer that is a convolution.

    Attributes
    ----------
    layer : torch.nn.Module
        The layer.
    axes : int or None
        Along how many axes it slides; None where that cannot be read.
    transposed : bool
        Whether it is a transposed convolution.
    dilation : int
        That along its first axis.
    weight : str or None
        The name of its weight in the layer; None where a program computes it at each call.
    """

    layer: nn.Module
    axes: int | None
    transposed: bool
    dilation: int
    weight: str | None = "weight"


def convolutions(module: nn.Module) -> dict[str, Convolution]:
    """Return the convolutions of a network by name, in the order of definition."""
    found = {}
    for name, layer in named_layers(module).items():
        if isinstance(layer, _ConvNd):
            axes, transposed = len(layer.kernel_size), layer.transposed
            found[name] = Convolution(layer, axes, transposed, layer.dilation[0])
        elif _is_of_program(layer):
            found[name] = _of_program(layer)
    return found


def _is_of_program(layer: nn.Module) -> bool:
    # What is under weight norm has a layer inside that computes its weight.
    alone = all(name == "parametrizations" for name, _ in layer.named_children())
    return alone and kind_in_program(layer) == "conv"


def _of_program(layer: nn.Module) -> Convolution:
    (call,) = operator_calls(layer, "conv")
    named = _arguments(call)
    weight, dilation = named["weight"], named.get("dilation", 1)
    held = isinstance(weight, Node) and weight.op == "get_attr"
    name = str(weight.target) if held else None
    operator = str(call.target)
    return Convolution(
        layer=layer,
        axes=None if name is None else attrgetter(name)(layer).ndim - 2,
        transposed="transpose" in operator or bool(named.get("transposed", False)),
        dilation=dilation if isinstance(dilation, int) else dilation[0],
        weight=name,
    )


def _arguments(call: Node) -> Mapping[str, Any]:
    """Return the arguments of a call of an operator by the names of its schema."""
    operator = call.target
    assert isinstance(operator, torch._ops.OpOverload)
    names = [argument.name for argument in operator._schema.arguments]
    return {**dict(zip(names, call.args, strict=False)), **call.kwargs}
