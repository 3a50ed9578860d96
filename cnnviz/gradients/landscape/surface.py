"""The shape of a surface of losses: how many valleys it has, and where it curves downwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-6


def local_minima(losses: NDArray[np.float64]) -> int:
    """Return how many points are lower than all their neighbours, the border left out.

    Parameters
    ----------
    losses : ndarray of float64
        [Q, P], or [1, P] along a line. What is not finite counts as higher than all else.
    """
    padded = np.where(np.isfinite(losses), losses, np.inf)
    if len(losses) == 1:
        line = padded[0]
        return int(((line[1:-1] < line[:-2]) & (line[1:-1] < line[2:])).sum())
    inner = padded[1:-1, 1:-1]
    steps = [(i, j) for i in (0, 1, 2) for j in (0, 1, 2) if (i, j) != (1, 1)]
    high, wide = inner.shape
    around = [padded[i : i + high, j : j + wide] for i, j in steps]
    return int(np.all([inner < other for other in around], axis=0).sum())


def share_curved_downwards(losses: NDArray[np.float64]) -> float:
    """Return the share of points at which a surface curves downwards along some way in its plane.

    That is where the least eigenvalue of the matrix of second differences is below zero, as Li et
    al. (2018) tell how far from convex a surface is; the border has no such differences, nor has a
    point beside one where the loss is not finite.

    Parameters
    ----------
    losses : ndarray of float64
        [Q, P], or [1, P] along a line.

    Returns
    -------
    float
        NaN where no point has second differences.
    """
    least, middle = _least_curvature(losses)
    known = np.isfinite(least)
    # Less than this is rounding of a loss of 32 bits, which a flat plain is full of.
    below = least[known] < -_ROUNDING * np.abs(middle[known])
    return float(below.mean()) if known.any() else float("nan")


def _least_curvature(
    losses: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least second difference of any way at each inner point, and the loss there."""
    values = np.where(np.isfinite(losses), losses, np.nan)
    across = np.diff(values, 2, axis=1)
    if len(values) == 1:
        return across, values[:, 1:-1]
    across, along = across[1:-1], np.diff(values, 2, axis=0)[:, 1:-1]
    slopes = values[:, 2:] - values[:, :-2]
    mixed = (slopes[2:] - slopes[:-2]) / 4.0
    # The lesser eigenvalue of [[across, mixed], [mixed, along]].
    least = (across + along) / 2.0 - np.hypot((across - along) / 2.0, mixed)
    return least, values[1:-1, 1:-1]
