"""How large the calibration error of a perfectly calibrated network would come out by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.evaluation.answers.measures import BINS, bins_of

DRAWS = 400


@dataclass(frozen=True)
class ChanceCalibration:
    """The expected calibration error of answers that are as often right as they are sure.

    Few answers in a bin miss their confidence by chance, and the error counts every miss; so it is
    never 0, and means little where it is no larger than this. Consistency resampling (Bröcker &
    Smith 2007): the confidences stay, and answers are right at random as often as these say.

    Attributes
    ----------
    mean, high : float
        The mean of these errors, and the one that 95% of them stay below.
    draws, seed : int
        How often the answers were drawn, and from which seed.
    """

    mean: float
    high: float
    draws: int
    seed: int


def chance_calibration(sure: NDArray[np.float64], seed: int) -> ChanceCalibration:
    """Draw right and wrong answers for confidences [D] that are true, and measure each draw."""
    random = np.random.default_rng(seed)
    bins = bins_of(sure)
    summed = np.bincount(bins, sure, BINS)
    errors = np.empty(DRAWS)
    for place in range(DRAWS):
        right = np.bincount(bins, random.random(len(sure)) < sure, BINS)
        errors[place] = np.abs(right - summed).sum() / len(sure)
    return ChanceCalibration(float(errors.mean()), float(np.percentile(errors, 95.0)), DRAWS, seed)
