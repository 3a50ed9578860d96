"""Optimizers let loose on a surface: torch's own, with many learning rates at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.course.surfaces import LossSurface

MOMENTUM = 0.9
OTHER_NAMES = {"gradient_descent": "gd", "sgd": "gd"}
RATES = ("too small", "right", "too large")
"""The learning rates that are chosen of those tried, in the order of `choose_rates`."""


@dataclass(frozen=True)
class Optimizer:
    """An optimizer of torch with its settings, all but the learning rate.

    Attributes
    ----------
    name, title : str
        As it is asked for, and as it is written.
    paper : str
        Where it comes from.
    make : callable
        From torch's groups of parameters to the optimizer.
    """

    name: str
    title: str
    paper: str
    make: Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


def table() -> Mapping[str, Optimizer]:
    """Return every optimizer by its name, in the order of their papers."""
    optim, given = torch.optim, partial
    found = (
        Optimizer("gd", "gradient descent", "Cauchy 1847", optim.SGD),
        Optimizer(
            "momentum", "momentum", "Polyak 1964", given(optim.SGD, momentum=MOMENTUM)
        ),
        Optimizer(
            "nesterov", "Nesterov", "Nesterov 1983; Sutskever et al. 2013",
            given(optim.SGD, momentum=MOMENTUM, nesterov=True),
        ),
        Optimizer("adagrad", "AdaGrad", "Duchi, Hazan and Singer 2011", optim.Adagrad),
        Optimizer(
            "rmsprop", "RMSprop", "Tieleman and Hinton 2012", given(optim.RMSprop, alpha=0.9)
        ),
        Optimizer(
            "adadelta", "AdaDelta", "Zeiler 2012", given(optim.Adadelta, rho=0.95, eps=1e-6)
        ),
        Optimizer(
            "adam", "Adam", "Kingma and Ba 2015", given(optim.Adam, betas=(0.9, 0.999), eps=1e-8)
        ),
    )  # fmt: skip
    return {optimizer.name: optimizer for optimizer in found}


@dataclass(frozen=True, eq=False)
class Descents:
    """Descents of one optimizer from one start, one for each learning rate.

    Attributes
    ----------
    paths : ndarray of float64
        Where each was before each step and after the last, [R, S + 1, 2]; not a number, or
        infinite, once it has left all numbers or the known part of the surface.
    losses : ndarray of float64
        The loss there, [R, S + 1].
    """

    paths: NDArray[np.float64]
    losses: NDArray[np.float64]


def descend(
    surface: LossSurface, optimizer: Optimizer, rates: Sequence[float], steps: int
) -> Descents:
    """Let an optimizer go down a surface with each of R learning rates, in double precision."""
    points = [torch.tensor(surface.start, dtype=torch.float64) for _ in rates]
    groups = [
        {"params": [point], "lr": float(rate)} for point, rate in zip(points, rates, strict=True)
    ]
    mover = optimizer.make(groups)
    paths, losses = [], []
    for step in range(steps + 1):
        together = torch.stack(points).requires_grad_()
        with torch.enable_grad():
            heights = surface.height(together)
        paths.append(together.detach().numpy().copy())
        losses.append(heights.detach().numpy())
        if step == steps:
            break
        (gradients,) = torch.autograd.grad(heights.sum(), together)
        for point, gradient in zip(points, gradients, strict=True):
            point.grad = gradient
        mover.step()
    return Descents(np.stack(paths, 1), np.stack(losses, 1))


def choose_rates(losses: NDArray[np.float64], least: float) -> tuple[int, int, int]:
    """Return which of ascending learning rates is too small, which right, and which too large.

    Parameters
    ----------
    losses : ndarray
        The losses of the descent with each, [R, S + 1].
    least : float
        The least loss of the surface.

    Returns
    -------
    tuple of int
        Right is the one with the lowest mean loss over all steps. Too small is the largest rate
        below it that leaves more than a quarter of the loss at the end (or the smallest that was
        tried); too large is the smallest rate above it whose mean loss is higher than the loss it
        began with, or no number at all (or the largest that was tried).
    """
    known = np.where(np.isfinite(losses), losses, np.inf)
    first, best = float(known[0, 0]), int(known.mean(1).argmin())
    slow = np.flatnonzero(known[:best, -1] - least > (first - least) / 4.0)
    lost = np.flatnonzero(known[best + 1 :].mean(1) > first)
    small = int(slow[-1]) if slow.size else 0
    large = best + 1 + int(lost[0]) if lost.size else len(losses) - 1
    return small, best, large
