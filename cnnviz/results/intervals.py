"""Intervals of shares that were counted and of means, for small counts too: their only formulas."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""How often such an interval holds the true share."""
Z = 1.959963984540054
"""Two standard deviations, nearly: 95% of a normal distribution lie within."""


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the ends of the 95% interval of a share (Wilson 1927).

    Parameters
    ----------
    hits, count : int
        How many of how many; `count` is above zero.
    """
    share, square = hits / count, Z * Z / count
    middle = share + square / 2.0
    reach = Z * math.sqrt(share * (1.0 - share) / count + square / (4.0 * count))
    low, high = (middle - reach) / (1.0 + square), (middle + reach) / (1.0 + square)
    # Rounding may leave an end a hair beside what it is exactly.
    return (low if hits else 0.0), (high if hits < count else 1.0)


_ROUNDING = 1e-6
"""The share of the larger one by which equal values may differ: networks compute in float32."""
_FURTHEST = 600.0
"""Steps of a logit beyond which a share is 0 or 1 to the last digit."""
_T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010)
"""Student's t at 97.5%, for 1 to 11 degrees of freedom."""


def student(
    degrees: float | NDArray[np.floating[Any]], confidence: float = LEVEL
) -> NDArray[np.float64]:
    """Return how many standard errors an interval of Student's t reaches to either side.

    By the expansion of Cornish and Fisher in the form of Hill (1970, "Algorithm 396"), which at 95%
    is right to a hundredth from four degrees of freedom on. From nine on it is so at any confidence
    up to that of a choice among 20,000 (Bonferroni).

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


def t_reach(count: int) -> float:
    """Return how far a 95% interval of a mean reaches, in standard deviations of its values.

    Of `count` values that are drawn from a normal distribution (Student 1908); NaN for one, of
    which nothing is known.
    """
    if count < 2:
        return math.nan
    degrees = count - 1
    times = _T[degrees - 1] if degrees <= len(_T) else float(student(degrees))
    return times / math.sqrt(count)


def mean_interval(
    values: NDArray[np.float64], least: float = -math.inf, most: float = math.inf
) -> tuple[float, float]:
    """Return the ends of the 95% interval of a mean by Student's t, `within` a measure's own ends.

    Of values that all lie at one end or the other, the mean is a share, and the interval is that
    of `wilson`. Where all values are equal, nothing tells how far others lie from them: Student's
    interval would have no width, as if the mean were known for certain; see `without_spread`.

    Parameters
    ----------
    values : ndarray of float
        [N], all finite.
    least, most : float
        The ends of what is measured. Where a value lies beyond one, there are none.

    Returns
    -------
    tuple of float
        NaN where nothing is known: of one value, and of equal ones of a measure without two ends.
    """
    count = len(values)
    if count < 2:
        return math.nan, math.nan
    if not ((values >= least) & (values <= most)).all():
        least, most = -math.inf, math.inf
    if math.isfinite(most - least) and np.isin(values, (least, most)).all():
        low, high = wilson(int((values == most).sum()), count)
        return least + low * (most - least), least + high * (most - least)
    mean = values.mean()
    if bool(alike(values.min(), values.max())):
        return without_spread(float(mean), count, least, most)
    reach = t_reach(count) * float(values.std(ddof=1))
    low_end, high_end = within(np.array(mean), np.array(reach), least, most)
    return float(low_end), float(high_end)


def alike(
    least: float | NDArray[np.floating[Any]], most: float | NDArray[np.floating[Any]]
) -> NDArray[np.bool_]:
    """Return whether the least and the greatest of several values differ by rounding at most."""
    size = np.maximum(np.abs(least), np.abs(most))
    return np.asarray(most - least <= _ROUNDING * size)


def without_spread(value: float, count: int, least: float, most: float) -> tuple[float, float]:
    """Return the ends of the 95% interval of a mean of which all values seen were equal.

    None of `count` differed, so at most the share that `wilson` leaves to none of them does: about
    3 / `count`, as in the rule of three (Hanley and Lippman-Hand 1983). These may lie anywhere
    between the ends of the measure; without two ends nothing is known, and both are NaN.
    """
    if count < 2 or not math.isfinite(most - least):
        return math.nan, math.nan
    others = wilson(0, count)[1]
    return value - others * (value - least), value + others * (most - value)


def within(
    means: NDArray[np.float64], reaches: NDArray[np.float64], least: float, most: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of symmetric intervals as they are on a scale on which a measure has no ends.

    That is the logit between two ends, as is usual for means that are shares (Korn and Graubard
    1998, "Confidence intervals for proportions with small expected number of positive counts"),
    which between -1 and 1 is Fisher's (1915), and the logarithm above one: the reach is carried
    there by the delta method, and the ends back. So none has to be cut off. A mean at an end stays
    there.

    Parameters
    ----------
    means, reaches : ndarray of float
        The middle of each interval and how far it reaches to either side, of one shape.
    least, most : float
        The ends of the measure; both infinite, or the upper one, where it has none.
    """
    if math.isinf(least):
        return means - reaches, means + reaches
    above = np.maximum(means - least, 0.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if math.isinf(most):
            factor = np.exp(np.minimum(reaches / above, _FURTHEST))
            low, high = least + above / factor, least + above * factor
        else:
            below, span = np.maximum(most - means, 0.0), most - least
            step = np.exp(np.minimum(reaches * span / (above * below), _FURTHEST))
            low = least + span * above / (above + below * step)
            high = least + span * above / (above + below / step)
    # Where nothing is spread, or the mean is an end, there is nothing to carry.
    fixed = (reaches == 0.0) | (above == 0.0) | (means >= most)
    return np.where(fixed, means, low), np.where(fixed, means, high)
