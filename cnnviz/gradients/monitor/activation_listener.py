"""Hearing the activations of a network while its layers are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from cnnviz.gradients.activation_calls import ActivationCall, read_activation
from cnnviz.gradients.measures import dead_channels, saturated_fraction
from cnnviz.gradients.monitor.left_out import rests
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.operations import addends

Heard = Callable[[ActivationCall], None]


class ActivationListener(FunctionMode):
    """Calls `heard` ahead of each activation; modules, functions and methods alike.

    `summed` is called with each sum of two branches, and `rested` after each normalisation or
    dropout that is called as in evaluation, with its kind and what it gave.

    No value is changed, and passes without a graph are not heard. What goes wrong on the way is
    handed to `failed` and does not reach the network.

    Attributes
    ----------
    sums : int
        How often two branches of the network were added.
    """

    def __init__(
        self,
        heard: Heard,
        failed: Callable[[Exception], None],
        rested: Callable[[str, torch.Tensor], None],
        summed: Callable[[torch.Tensor], None],
    ) -> None:
        super().__init__()
        self._heard = heard
        self._rested = rested
        self._summed = summed
        self._failed = failed
        self.sums = 0

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Look at what goes into an activation, then make the call."""
        if not torch.is_grad_enabled():
            return func(*args, **named)
        sums = self.sums
        try:
            self._look(func, args, named)
        except Exception as error:  # whatever it is, the network's own call comes next
            self._failed(error)
        output = func(*args, **named)
        try:
            if kind := rests(func, args, named):
                self._rested(kind, output)
            if self.sums > sums:
                self._summed(output)
        except Exception as error:
            self._failed(error)
        return output

    def _look(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> None:
        activated = read_activation(func, args, named)
        if activated is not None and activated.slope is not None:
            with torch.no_grad():
                self._heard(activated)
        terms = addends(func, args, named)
        self.sums += terms is not None and terms.differentiable


def units(call: ActivationCall, axis: int) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return which channels of an activation are dead, [C], and the share that is saturated.

    None where it cannot die, or where saturation is no word for it.
    """
    assert call.slope is not None
    slope = call.slope(call.values.detach())
    dead = dead_channels(slope, axis) if slope.dtype == torch.bool else None
    if not call.bounded:
        return dead, None
    shape = slope.to(call.values.dtype) if slope.dtype == torch.bool else slope
    return dead, saturated_fraction(shape, call.steepest)
