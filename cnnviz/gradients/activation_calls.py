"""What an activation does to a gradient, read from the call of it: modules and functions alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from cnnviz.gradients.silencing_bias import Silenced
from cnnviz.introspection.operations import as_written
from cnnviz.introspection.rectifiers import Rectifier, read_rectifier


@dataclass(frozen=True)
class ActivationCall:
    """One call of an activation.

    Attributes
    ----------
    name : str
        As `cnnviz.models.networks` names it where it has it.
    values : torch.Tensor
        What goes in, before an in-place activation has written to it.
    slope : callable or None
        From these values to the derivative at each, or whether it is not zero; None for one that
        neither dies nor saturates.
    steepest : float
        Its greatest derivative.
    bounded : bool
        Whether it is flat on both sides, so that saturation is a word for it.
    """

    name: str
    values: torch.Tensor
    slope: Callable[[torch.Tensor], torch.Tensor] | None = None
    steepest: float = 1.0
    bounded: bool = False


@dataclass
class ActivationStatistics:
    """One call of an activation, and what became of its units.

    Attributes
    ----------
    name : str
        The module that called it.
    kind : str
        "relu", "sigmoid" and so on.
    after : int
        The place in `ForwardRecorder.met` of the layer or merge that was called last before it; -1
        for none.
    dead : torch.Tensor or None
        Which channels have a slope of zero everywhere, bool [C]; None where they cannot.
    saturated : torch.Tensor or None
        The share of positions on its flat sides; None where the word has no meaning.
    silenced : Silenced or None
        Which of the dead channels their bias alone keeps so.
    closed : bool
        Whether its slope is zero everywhere, so that nothing comes back through it.
    """

    name: str
    kind: str
    after: int
    dead: torch.Tensor | None = None
    saturated: torch.Tensor | None = None
    silenced: Silenced | None = None
    closed: bool = False


def sigmoid_slope(values: torch.Tensor) -> torch.Tensor:
    """Return s (1 - s), which does not vanish where s rounds to 1."""
    small = torch.exp(-values.abs())
    return small / (1.0 + small).square()


def tanh_slope(values: torch.Tensor) -> torch.Tensor:
    """Return 1 - tanh squared, which does not vanish where tanh rounds to 1."""
    return 4.0 * sigmoid_slope(2.0 * values)


def between(low: float, high: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what tells where a piecewise linear activation is not flat."""

    def inside(values: torch.Tensor) -> torch.Tensor:
        return (values > low) & (values < high)

    return inside


_INFINITY = float("inf")


def _rectifier(call: Rectifier) -> ActivationCall:
    if call.most is None:
        return ActivationCall("relu", call.values, between(0.0, _INFINITY))
    return ActivationCall("relu6", call.values, between(0.0, call.most))


def _hardtanh(
    input: torch.Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> ActivationCall:
    return ActivationCall("hardtanh", input, between(min_val, max_val), bounded=True)


def _hardsigmoid(input: torch.Tensor, inplace: bool = False) -> ActivationCall:
    return ActivationCall("hardsigmoid", input, between(-3.0, 3.0), bounded=True)


def _hardswish(input: torch.Tensor, inplace: bool = False) -> ActivationCall:
    return ActivationCall("hardswish", input, between(-3.0, _INFINITY), 1.5)


def _threshold(
    input: torch.Tensor, threshold: float, value: float, inplace: bool = False
) -> ActivationCall:
    return ActivationCall("threshold", input, between(threshold, _INFINITY))


def _sigmoid(input: torch.Tensor) -> ActivationCall:
    return ActivationCall("sigmoid", input, sigmoid_slope, 0.25, bounded=True)


def _tanh(input: torch.Tensor) -> ActivationCall:
    return ActivationCall("tanh", input, tanh_slope, bounded=True)


def _other(name: str) -> Callable[..., ActivationCall]:
    def read(input: torch.Tensor, *_: Any, **__: Any) -> ActivationCall:
        return ActivationCall(name, input)

    return read


def _named(readers: Mapping[Callable[..., ActivationCall], Sequence[Any]]) -> dict[Any, Any]:
    return {function: reader for reader, functions in readers.items() for function in functions}


_READERS: dict[Any, Callable[..., ActivationCall]] = _named(
    {
        _hardtanh: (F.hardtanh, F.hardtanh_),
        _hardsigmoid: (F.hardsigmoid,),
        _hardswish: (F.hardswish,),
        _threshold: (F.threshold,),
        _sigmoid: (F.sigmoid, torch.sigmoid, torch.Tensor.sigmoid, torch.Tensor.sigmoid_),
        _tanh: (F.tanh, torch.tanh, torch.Tensor.tanh, torch.Tensor.tanh_),
        _other("leaky_relu"): (F.leaky_relu, F.leaky_relu_),
        _other("prelu"): (F.prelu, torch.prelu),
        _other("rrelu"): (F.rrelu, F.rrelu_),
        _other("elu"): (F.elu, F.elu_),
        _other("selu"): (F.selu, F.selu_, torch.selu),
        _other("celu"): (F.celu, F.celu_, torch.celu),
        _other("gelu"): (F.gelu,),
        _other("silu"): (F.silu,),
        _other("mish"): (F.mish,),
        _other("softplus"): (F.softplus,),
        _other("softsign"): (F.softsign,),
    }
)


GAINS = {
    "relu": math.sqrt(2.0),
    "relu6": math.sqrt(2.0),
    "leaky_relu": math.sqrt(2.0),
    "prelu": math.sqrt(2.0),
    "elu": 1.24,
    "celu": 1.24,
    "gelu": 1.53,
    "silu": 1.68,
    "hardswish": 1.68,
    "mish": 1.48,
    "selu": 1.0,
    "tanh": 1.0,
    "hardtanh": 1.0,
}
"""The gain that keeps a signal's size: 1 / sqrt(E[phi(z)^2]) for standard normal z (He et al. 2015
for ReLU), and for activations that are odd the one whose slope at zero it is."""


def matched_gain(kind: str) -> float:
    """Return the gain that keeps a signal's size through an activation; 1 where none is known."""
    return GAINS.get(kind, 1.0)


def read_activation(
    func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> ActivationCall | None:
    """Return what a function call does as an activation; None where it is none."""
    rectifier = read_rectifier(func, args, kwargs)
    if rectifier is not None:
        return _rectifier(rectifier)
    func, named = as_written(func, kwargs)
    reader = _READERS.get(func)
    return None if reader is None else reader(*args, **named)
