"""A gradient for units that are dead at the start: rectifiers that leak on the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.rectifiers import changeable_rectifier

LEAK = 0.1
"""The share of the gradient that passes a rectifier at most, where it would otherwise stop."""
_SHARP = 1.0
"""How much faster than the distance from the largest value the leak falls off."""


class _Leaky(torch.autograd.Function):
    """Rectify on the way forward; let a share of the signal through where that was zero.

    Of each map the positions nearest to waking leak most. If all leaked alike, the gradient would
    be that of the map's mean, in which a filter that tells light from dark cancels itself.
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, most: float | None) -> torch.Tensor:
        passes = values > 0.0
        if most is not None:
            passes &= values < most
        ctx.save_for_backward(torch.where(passes, 1.0, LEAK * _nearness(values)).to(values.dtype))
        return values.clamp(0.0, most)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (shares,) = ctx.saved_tensors
        return gradients[0] * shares, None


def _nearness(values: torch.Tensor) -> torch.Tensor:
    """Return for each position of a map how near to its largest value it lies, 1 at most."""
    if values.ndim < 3:
        return torch.ones_like(values)
    places = tuple(range(2, values.ndim))
    below = values - values.amax(places, keepdim=True)
    spread = below.square().mean(places, keepdim=True).sqrt()
    return torch.exp(below / spread.clamp(min=torch.finfo(values.dtype).tiny) * _SHARP)


class leaky_backward(FunctionMode):  # noqa: N801
    """Let every ReLU and ReLU6 called inside the context leak on the way back.

    Values do not change. Where a unit's rectifier stops all gradient, so that no step could ever
    move its picture, this one still says which way its input grows.
    """

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Take the calls of rectifiers; pass every other call on."""
        call = changeable_rectifier(func, args, named)
        return func(*args, **named) if call is None else call.through(_Leaky)
