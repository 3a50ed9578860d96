"""Which dead units their bias alone keeps below zero, channel by channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from cnnviz.gradients import measures
from cnnviz.results.text import number

VARIANCES: dict[Any, int] = {F.batch_norm: 2, torch.batch_norm: 4}
"""Where among the arguments of a batch norm the variance stands that it has gathered."""
BIASES: dict[Any, int] = {
    F.batch_norm: 4,
    F.instance_norm: 4,
    F.group_norm: 3,
    torch.batch_norm: 2,
    torch.instance_norm: 2,
    torch.group_norm: 3,
}
"""Where among those of a normalisation of channels the bias stands that it adds."""


@dataclass(frozen=True)
class Silenced:
    """Dead channels that would pass something without their bias.

    Attributes
    ----------
    count : int
        How many there are.
    biases : (float, float)
        The least and the greatest of their biases.
    reach : float
        The greatest of their values before the bias, at any position of any image.
    normalised : bool
        Whether the bias is that of a normalisation, and the values are normalised; else they are
        the weighted sums of a layer.
    """

    count: int
    biases: tuple[float, float]
    reach: float
    normalised: bool = False

    def told(self, dead: int) -> str:
        """Say of so many dead channels which the bias silences, with the numbers that show it."""
        low, high = map(number, self.biases)
        of = f"of {low}" if low == high else f"from {low} to {high}"
        which = "these" if self.count == dead else f"{self.count} of these {dead}"
        norm, values = "", "weighted sums"
        if self.normalised:
            norm, values = " of the normalisation", "normalised values"
        return (
            f"It is the bias{norm} that silences {which}: one {of}, where {values} reach "
            f"{number(self.reach)} at most and would pass without it."
        )


def silenced_by_bias(
    values: torch.Tensor,
    slope: Callable[[torch.Tensor], torch.Tensor],
    dead: torch.Tensor | None,
    bias: torch.Tensor | None,
    axis: int,
    *,
    normalised: bool = False,
) -> Silenced | None:
    """Return the dead channels that have a slope somewhere once their bias is taken away.

    Parameters
    ----------
    values : torch.Tensor
        What goes into the activation, [N, ...]: with the bias added.
    slope : callable
        From such values to the derivative at each, or whether it is not zero.
    dead : torch.Tensor or None
        Which channels are dead, bool [C].
    bias : torch.Tensor or None
        The bias of the layer or the normalisation right before, [C].
    axis : int
        The dimension of the channels.
    normalised : bool
        Whether it is the bias of a normalisation.
    """
    if dead is None or bias is None or bias.shape != dead.shape or not bool(dead.any()):
        return None
    axis %= values.ndim
    shape = [1] * values.ndim
    shape[axis] = -1
    sums = values - bias.detach().view(shape)
    chosen = dead & ~measures.dead_channels(slope(sums), axis)
    if not bool(chosen.any()):
        return None
    others = tuple(place for place in range(values.ndim) if place != axis)
    held = bias.detach()[chosen]
    return Silenced(
        int(chosen.sum()),
        (float(held.min()), float(held.max())),
        float(sums.amax(others)[chosen].max()),
        normalised,
    )
