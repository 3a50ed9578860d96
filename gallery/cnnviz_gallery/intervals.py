"""Intervals for what few images tell: of means, of differences of means, and of shares."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENOUGH = 10
"""Of a class with fewer images than this nothing is claimed."""
CONFIDENCE = 0.95


def student(
    degrees: float | NDArray[np.floating[Any]], confidence: float = CONFIDENCE
) -> NDArray[np.float64]:
    """Return how many standard errors an interval of Student's t reaches to either side.

    By the expansion of Cornish and Fisher in the form of Hill (1970, "Algorithm 396"), which is
    right to a hundredth from four degrees of freedom on.

    Parameters
    ----------
    degrees : float or ndarray of float
        Degrees of freedom, above zero.
    confidence : float
        The share of such intervals that hold the true value.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    v = np.asarray(degrees, np.float64)
    terms = (
        (z**3 + z) / 4.0,
        (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0,
        (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0,
        (79.0 * z**9 + 776.0 * z**7 + 1482.0 * z**5 - 1920.0 * z**3 - 945.0 * z) / 92160.0,
    )
    found = z + np.zeros_like(v)
    for power, term in enumerate(terms, start=1):
        found = found + term / v**power
    return found


def share(hits: int, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the ends of the interval of a share that was counted (Wilson 1927).

    Parameters
    ----------
    hits, count : int
        How many of how many; `count` is above zero.
    confidence : float
        The share of such intervals that hold the true value.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    found, whole = hits / count, 1.0 + z * z / count
    middle = (found + z * z / (2.0 * count)) / whole
    half = z * math.sqrt(found * (1.0 - found) / count + z * z / (4.0 * count * count)) / whole
    # Rounding may leave an end a hair inside of what it is exactly.
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == count else min(1.0, middle + half)
