"""Intervals for what few images tell: of means, and of differences of means."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results.intervals import LEVEL

ENOUGH = 10
"""Of a class with fewer images than this nothing is claimed."""


def student(
    degrees: float | NDArray[np.floating[Any]], confidence: float = LEVEL
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
