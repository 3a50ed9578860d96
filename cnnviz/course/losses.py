"""Loss functions of one number, with their slopes, and what a descent along each does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

Over = Literal["residual", "margin"]
Curve = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Loss:
    """One loss as a function of one number.

    Attributes
    ----------
    name, title : str
        As it is asked for, and as it is written.
    formula : str
        What it computes, in one line.
    over : {"residual", "margin"}
        Of what: the residual r, the prediction less the truth; or the margin m, the logit of the
        right class less that of the others, which is above 0 where the answer is right.
    value, slope : callable
        The loss, and its derivative, for each place of a tensor. At a kink the derivative is the
        one that torch takes; where there is none it is NaN.
    """

    name: str
    title: str
    formula: str
    over: Over
    value: Curve
    slope: Curve


def table(delta: float = 1.0, classes: int = 10) -> Mapping[str, Loss]:
    """Return every loss by its name: those of quantities first, then those of classes.

    Parameters
    ----------
    delta : float
        Where the loss of Huber (1964) goes from a square to a line.
    classes : int
        How many classes the cross-entropy is of; the logits of all wrong ones are equal.
    """
    others = math.log(classes - 1)
    found = (
        Loss("mse", "squared error (MSE)", "r^2", "residual", torch.square, lambda r: 2.0 * r),
        Loss("mae", "absolute error (MAE)", "|r|", "residual", torch.abs, torch.sign),
        Loss(
            "huber",
            "Huber",
            f"r^2 / 2, or d (|r| - d / 2) past d = {delta:g}",
            "residual",
            lambda r: torch.where(
                r.abs() <= delta, r.square() / 2.0, delta * (r.abs() - delta / 2.0)
            ),
            lambda r: r.clamp(-delta, delta),
        ),
        Loss(
            "zero_one", "zero-one", "1 where wrong, else 0", "margin",
            lambda m: (m <= 0.0).to(m.dtype),
            lambda m: torch.where(m == 0.0, torch.nan, torch.zeros_like(m)),
        ),
        Loss(
            "hinge", "hinge", "max(0, 1 - m)", "margin",
            lambda m: (1.0 - m).clamp(min=0.0),
            lambda m: -(m < 1.0).to(m.dtype),
        ),
        Loss(
            "bce", "binary cross-entropy (BCE)", "-ln p = ln(1 + e^-m)", "margin",
            lambda m: torch.logaddexp(torch.zeros_like(m), -m),
            lambda m: -torch.sigmoid(-m),
        ),
        Loss(
            "cross_entropy", f"cross-entropy, {classes} classes",
            f"-ln p = ln(1 + {classes - 1} e^-m)", "margin",
            lambda m: torch.logaddexp(torch.zeros_like(m), others - m),
            lambda m: -torch.sigmoid(others - m),
        ),
        Loss(
            "brier", "squared error of the sigmoid", "(1 - p)^2, p = 1 / (1 + e^-m)", "margin",
            lambda m: torch.sigmoid(-m).square(),
            lambda m: -2.0 * torch.sigmoid(-m).square() * torch.sigmoid(m),
        ),
    )  # fmt: skip
    return {loss.name: loss for loss in found}


def saturation(
    places: NDArray[np.float64], slopes: NDArray[np.float64], share: float
) -> tuple[float, float]:
    """Return up to where from the left, and from where to the right, a slope stays small.

    Parameters
    ----------
    places, slopes : ndarray
        Places in ascending order, and the slopes there, [P].
    share : float
        Small is below this share of the greatest slope of all; a slope of zero always is.

    Returns
    -------
    tuple of float
        NaN on a side on which it is not small.
    """
    sizes = np.abs(np.nan_to_num(slopes))
    steep = np.flatnonzero(sizes >= share * sizes.max()) if sizes.max() > 0.0 else np.array([])
    if not steep.size:
        return float(places[-1]), float(places[0])
    first, last = int(steep[0]) - 1, int(steep[-1]) + 1
    left = float(places[first]) if first >= 0 else float("nan")
    return left, float(places[last]) if last < len(places) else float("nan")


def descend(slope: Curve, start: float, rate: float, steps: int) -> NDArray[np.float64]:
    """Return where gradient descent goes from a start, [steps + 1]; NaN slopes move nothing."""
    path = torch.full((steps + 1,), start, dtype=torch.float64)
    for step in range(steps):
        path[step + 1] = path[step] - rate * slope(path[step]).nan_to_num()
    return path.numpy()
