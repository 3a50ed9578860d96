"""What a network would be with another activation, normalisation or skip: modes to run it under.

A change is made where functions are called, so that modules, functions and in-place forms are all
met and the network itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from cnnviz.gradients.activation_calls import read_activation
from cnnviz.gradients.recorded_layer import LAYERS
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.operations import CONVOLUTION, NORMALISATION, addends, operation

_SLOPE = 0.1


class _Change(FunctionMode):
    """Answers calls of functions, pass after pass."""

    def __enter__(self) -> Any:
        """Begin a pass."""
        self.begin()
        return super().__enter__()  # type: ignore[no-untyped-call]

    def begin(self) -> None:
        """Forget the last pass."""


class WithActivation(_Change):
    """Every activation that is not a gate becomes a ReLU, or a leaky ReLU of slope 0.1.

    Parameters
    ----------
    leaky : bool
        Which of the two.
    """

    def __init__(self, *, leaky: bool = False) -> None:
        super().__init__()
        self._leaky = leaky

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Answer a call."""
        activated = read_activation(func, args, named)
        if activated is None:
            return func(*args, **named)
        return F.leaky_relu(activated.values, _SLOPE) if self._leaky else F.relu(activated.values)


class WithBatchNorm(_Change):
    """Batch norm after every convolution and linear layer but the last, with this batch's moments.

    Parameters
    ----------
    layers : int
        How many calls of layers a forward pass has, so that the last is left alone.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self._layers = layers
        self._met = 0

    def begin(self) -> None:
        """Forget the last pass."""
        self._met = 0

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Answer a call."""
        result = func(*args, **named)
        if operation(func) not in LAYERS:
            return result
        self._met += 1
        by_channel = result.ndim in (2, 4) or operation(func) == CONVOLUTION
        if self._met >= self._layers or not by_channel:
            return result
        values = result.detach()
        axes = [axis for axis in range(values.ndim) if axis != 1]
        mean, variance = values.mean(axes), values.var(axes, unbiased=False)
        return F.batch_norm(result, mean, variance, training=False)


class WithSkips(_Change):
    """A skip around every layer and its activation that keep the shape of what goes in.

    Parameters
    ----------
    scale : float
        What each branch is multiplied by before its skip is added.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self._scale = scale
        self._sources: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.count = 0

    def begin(self) -> None:
        """Forget the last pass."""
        self._sources, self.count = {}, 0

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Answer a call."""
        given = args[0] if args else named.get("input")
        activated = read_activation(func, args, named)
        source = self._source(given)
        result = func(*args, **named)
        what = operation(func)
        if what in LAYERS:
            self._sources[id(result)] = (result, args[0] if args else named["input"])
        elif what == NORMALISATION and source is not None:
            self._sources[id(result)] = (result, source)
        elif activated is not None and source is not None and source.shape == result.shape:
            self.count += 1
            return result * self._scale + source
        return result

    def _source(self, given: Any) -> torch.Tensor | None:
        held = self._sources.get(id(given))
        return held[1] if held is not None and held[0] is given else None


class WithScaledBranches(_Change):
    """Each residual branch is multiplied by a number before it is added (Hayou et al. 2021).

    Parameters
    ----------
    scale : float
        The number: one over the square root of how many branches there are.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self._scale = scale
        self._order: dict[int, tuple[Any, int]] = {}

    def begin(self) -> None:
        """Forget the last pass."""
        self._order = {}

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Answer a call."""
        terms = addends(func, args, named)
        ages = [self._age(value) for value in args if isinstance(value, torch.Tensor)]
        if terms is not None and min(self._age(terms.first), self._age(terms.second)) > 0:
            # The branch is the operand that a layer has touched last. A sum in place gives a new
            # tensor, which Python binds to the same name.
            later = self._age(terms.second) > self._age(terms.first)
            scales = (1.0, self._scale) if later else (self._scale, 1.0)
            result = terms.first * scales[0] + terms.second * (scales[1] * terms.weight)
        else:
            result = func(*args, **named)
        if not isinstance(result, torch.Tensor):
            return result
        layer = operation(func) in LAYERS
        age = len(self._order) + 1 if layer else max(ages, default=0)
        self._order[id(result)] = (result, age)
        return result

    def _age(self, value: Any) -> int:
        held = self._order.get(id(value))
        return held[1] if held is not None and held[0] is value else 0
