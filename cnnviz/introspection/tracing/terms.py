"""What the numbers of an operation are made of: the shapes and settings that its formulas have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from cnnviz.introspection import operations
from cnnviz.introspection.tracing.operation import Operation
from cnnviz.introspection.tracing.registry import RULES
from cnnviz.introspection.tracing.rules_compute import FACTORS, pool, pool_adaptively

Shape = tuple[int, ...]
Sort = Literal[
    "convolution",
    "transposed convolution",
    "deformable convolution",
    "pooling",
    "adaptive pooling",
    "matrix product",
    "normalization",
    "concatenation",
    "padding",
    "other",
]


@dataclass(frozen=True)
class Terms:
    """What goes into the formulas of one operation.

    Attributes
    ----------
    sort : str
        Which formulas it has; "other" for none.
    inputs : tuple of tuple of int
        The shapes of what it reads: of a matrix product both factors, the weights included.
    output : tuple of int
        The shape of what it gives.
    weight : tuple of int
        The shape of its weights, of a normalization its gains; () where it has none.
    bias : bool
        Whether it adds a bias.
    output_padding : tuple of int
        Of a transposed convolution, along each axis.
    ceil_mode : bool
        Of pooling, whether the number of windows is rounded up.
    pads : tuple of (int, int)
        Of padding, what it adds before and after along each of the last axes.
    """

    sort: Sort
    inputs: tuple[Shape, ...]
    output: Shape
    weight: Shape = ()
    bias: bool = False
    output_padding: Shape = ()
    ceil_mode: bool = False
    pads: tuple[tuple[int, int], ...] = ()


def terms(operation: Operation) -> Terms:
    """Return the terms of an operation that returned a tensor."""
    name, what = operation.name, operations.of_operator(operation.name)
    shapes = tuple(tuple(one.shape) for one in operation.inputs)
    output = tuple(operation.outputs[0].shape)
    if name == "torchvision::deform_conv2d":
        return Terms("deformable convolution", shapes, output)
    if what == operations.CONVOLUTION:
        transposed = bool(operation["transposed"])
        weight, axes = tuple(operation["weight"].shape), len(output) - 2
        return Terms(
            "transposed convolution" if transposed else "convolution",
            (tuple(operation["input"].shape),),
            output,
            weight,
            operation["bias"] is not None,
            operation.pair("output_padding", axes) if transposed else (),
        )
    if RULES.get(name) is pool:
        return Terms("pooling", shapes, output, ceil_mode=bool(operation["ceil_mode"]))
    if RULES.get(name) is pool_adaptively:
        return Terms("adaptive pooling", shapes, output)
    if name in FACTORS:
        pair = tuple(tuple(operation[factor].shape) for factor in FACTORS[name])
        bias = name in ("addmm", "addmv", "baddbmm")
        return Terms("matrix product", pair, output, pair[1], bias)
    if what == operations.NORMALISATION:
        return Terms(
            "normalization", shapes, output, _shape(operation["weight"]), _is_there(operation)
        )
    if what == operations.CAT:
        return Terms("concatenation", shapes, output)
    pads = operation["pad"] if name == "constant_pad_nd" else operation["padding"]
    if name.startswith(("constant_pad", "reflection_pad", "replication_pad")):
        return Terms("padding", shapes, output, pads=pairs(pads))
    return Terms("other", shapes, output)


def _shape(tensor: Any) -> Shape:
    return tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else ()


def _is_there(operation: Operation) -> bool:
    return isinstance(operation["bias"], torch.Tensor)


def pairs(amounts: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return padding as torch takes it, from the last axis, as pairs from the first."""
    pairs = zip(amounts[::2], amounts[1::2], strict=True)
    return tuple((int(before), int(after)) for before, after in pairs)[::-1]
