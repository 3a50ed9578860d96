"""The interval of a mean over images: by Student's t, or from resamples of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cnnviz.heatmaps.checks.measure_ends import Ends
from cnnviz.results.intervals import alike, mean_interval, t_reach

RESAMPLES = 2000
ENOUGH_IMAGES = 10
"""From how many images on resamples show how much their mean varies (Hesterberg 2015)."""


def intervals(
    values: NDArray[np.float64], seed: int, measured: Sequence[Ends] = ()
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the 95% interval of the mean over the last axis.

    Those of Student's t within the ends of the measure (`mean_interval`), NaN for one image. Values
    of such a measure lie near an end, or at it, where most images are alike, and resamples may hold
    none of the others: of 80 images of which one in fifty is above zero, they held the mean in 69
    of 100 trials, and Student's t on the scale without ends in 92 (`docs/interval_coverage.py`).

    Of a measure without ends those of the bootstrap (Efron 1979), see `ends`, from `ENOUGH_IMAGES`
    on; not where all values are equal, nor where they are all 0 or 1, and the mean is a share
    (Wilson 1927): no resample of ones alone has a zero.

    Parameters
    ----------
    values : ndarray of float
        [..., N]; NaN is passed over.
    seed : int
        The seed of the resamples.
    measured : sequence of (float, float)
        The ends of what is measured along the last axis but one; none without it.
    """
    low, high = np.full((2, *values.shape[:-1]), np.nan)
    resampled = np.zeros(low.shape, np.bool_)
    for place in np.ndindex(*values.shape[:-1]):
        held = values[place][np.isfinite(values[place])]
        if not len(held):
            continue
        known = measured[place[-1]] if measured else (-np.inf, np.inf)
        share, known = _as_share(held, known)
        if share or np.isfinite(known).any() or len(held) < ENOUGH_IMAGES or _equal(held):
            low[place], high[place] = mean_interval(held, *known)
        else:
            resampled[place] = True
    if resampled.any():
        some = values[resampled]
        low[resampled], high[resampled] = ends(
            resampled_means(some, seed), np.isfinite(some).sum(-1)
        )
    return low, high


def _equal(held: NDArray[np.float64]) -> bool:
    return bool(alike(held.min(), held.max()))


def _as_share(held: NDArray[np.float64], measured: Ends) -> tuple[bool, Ends]:
    """Return whether the mean of such values is a share, and the ends of the measure.

    Where a measure is not known to have ends, zeros alone, or ones alone, do not tell.
    """
    known = measured == (0.0, 1.0)
    share = bool(np.isin(held, (0.0, 1.0)).all()) and (known or len(np.unique(held)) > 1)
    return share, (0.0, 1.0) if share else measured


def resampled_means(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the mean over the last axis in each of R resamples, [..., R]; see `intervals`."""
    count = values.shape[-1]
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), RESAMPLES)
    held: NDArray[np.bool_] = np.isfinite(values)
    sums = np.where(held, values, 0.0) @ drawn.T
    counts = held.astype(np.float64) @ drawn.T
    return np.where(counts > 0.0, sums / np.maximum(counts, 1.0), np.nan)


def ends(
    means: NDArray[np.float64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the 95% interval by resampled means, over the last axis.

    The middle 95% of them, expanded as Hesterberg (2015, "What teachers should know about the
    bootstrap", section 5.3) does, so that it is as wide as Student's t for values that are drawn
    from a normal distribution: resamples spread less than what they stand for.

    Parameters
    ----------
    means : ndarray of float
        [..., R].
    counts : ndarray of int
        Of how many values each is the mean, [...].
    """
    found = np.full((2, *means.shape[:-1]), np.nan)
    for place in np.ndindex(*means.shape[:-1]):
        several = np.asarray(means[place])
        finite = several[np.isfinite(several)]
        if finite.size:
            count = max(int(counts[place]), 2)
            times = t_reach(count) * count / math.sqrt(count - 1)
            tail = 100.0 * NormalDist().cdf(-times)
            found[(slice(None), *place)] = np.percentile(finite, [tail, 100.0 - tail])
    return found[0], found[1]
