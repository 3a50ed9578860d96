"""The interval of a mean over images: from resamples of them, where there are enough."""

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
MANY_IMAGES = 40
"""From how many on they do so of a measure with ends, whose values are skewed where most lie near
one: of ten from Beta(0.3, 3) resamples held the mean in 86 of 100 trials, and Student's t on the
scale without ends in 91 (`docs/interval_coverage.py`)."""


def intervals(
    values: NDArray[np.float64], seed: int, measured: Sequence[Ends] = ()
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the 95% interval of the mean over the last axis.

    Those of the bootstrap (Efron 1979), see `ends`; of fewer than `ENOUGH_IMAGES` values, and than
    `MANY_IMAGES` of a measure with ends, of whose mean resamples say too little, those of Student's
    t within the ends of the measure (`mean_interval`), NaN for one. So are those of equal values,
    however many, and of such as are all 0 or 1, whose mean is a share (Wilson 1927): no resample of
    ones alone has a zero.

    Parameters
    ----------
    values : ndarray of float
        [..., N]; NaN is passed over.
    seed : int
        The seed of the resamples.
    measured : sequence of (float, float)
        The ends of what is measured along the last axis but one; none without it.
    """
    low, high = ends(resampled_means(values, seed), np.isfinite(values).sum(-1))
    for place in np.ndindex(*values.shape[:-1]):
        held = values[place][np.isfinite(values[place])]
        ends_here = measured[place[-1]] if measured else (-np.inf, np.inf)
        share, ends_here = _as_share(held, ends_here)
        enough = MANY_IMAGES if np.isfinite(ends_here).any() else ENOUGH_IMAGES
        if len(held) and (share or len(held) < enough or alike(held.min(), held.max())):
            low[place], high[place] = mean_interval(held, *ends_here)
    return low, high


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
