"""How often a network is right: shares with their intervals, for all images and for each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.results.aligned_numbers import share_between
from cnnviz.results.intervals import wilson

BINS = 15
"""Bins of confidence from 0 to 1, as Guo et al. (2017) have them."""


@dataclass(frozen=True)
class Share:
    """How many of how many, with the 95% interval of the share (Wilson 1927).

    Attributes
    ----------
    count, of : int
        So many of so many.
    """

    derived: ClassVar[tuple[str, ...]] = ("value", "interval")

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN of none."""
        return self.count / self.of if self.of else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the interval, which holds for small numbers too; NaN of none."""
        if not self.of:
            return float("nan"), float("nan")
        return wilson(self.count, self.of)

    def __str__(self) -> str:
        if not self.of:
            return "–"
        return share_between(self.value, *self.interval)


@dataclass(frozen=True)
class ClassMeasures:
    """Recall, precision and F1 of one class, with what they are counted from.

    Attributes
    ----------
    index : int
        The class.
    name : str
        What it is called.
    labelled : int
        How many images have its label (the support).
    answered : int
        How many images the network answers with it.
    right : int
        How many of both.
    """

    derived: ClassVar[tuple[str, ...]] = ("recall", "precision", "f1")

    index: int
    name: str
    labelled: int
    answered: int
    right: int

    @property
    def recall(self) -> Share:
        """Of the images with the label, those that are answered so."""
        return Share(self.right, self.labelled)

    @property
    def precision(self) -> Share:
        """Of the images that are answered so, those with the label."""
        return Share(self.right, self.answered)

    @property
    def f1(self) -> float:
        """The harmonic mean of recall and precision; NaN where there is neither."""
        both = self.labelled + self.answered
        return 2.0 * self.right / both if both else float("nan")


@dataclass(frozen=True, eq=False)
class Calibration:
    """Whether the network is as often right as it is sure.

    Attributes
    ----------
    counts, right : ndarray of int64
        Answers and right answers in each of 15 equal bins of confidence from 0 to 1.
    confidence : ndarray of float64
        The mean confidence in each bin; NaN where it is empty.
    """

    derived: ClassVar[tuple[str, ...]] = ("error", "shares")

    counts: NDArray[np.int64]
    right: NDArray[np.int64]
    confidence: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error (Guo et al. 2017): |right - sure| over all answers."""
        filled = self.counts > 0
        weights = self.counts[filled] / self.counts.sum()
        apart = self.right[filled] / self.counts[filled] - self.confidence[filled]
        return float((weights * np.abs(apart)).sum())

    @property
    def shares(self) -> tuple[Share, ...]:
        """How often the answers of each bin are right."""
        return tuple(
            Share(int(right), int(count))
            for right, count in zip(self.right, self.counts, strict=True)
        )


def mean_of(values: Sequence[float]) -> float:
    """Return the mean of the values that are numbers; NaN of none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def bins_of(sure: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin of confidence that each answer belongs to."""
    return np.minimum((sure * BINS).astype(np.int64), BINS - 1)
