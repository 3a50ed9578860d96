"""Measures of a classifier beside its counts, each with the interval that its field has for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.evaluation.answers.measures import ClassMeasures, Share
from cnnviz.results.intervals import Z, mean_interval
from cnnviz.results.text import percent

FEW = 10
"""Images of a class below which its measures say little: one image more or less is a tenth."""


@dataclass(frozen=True)
class Estimate:
    """A measure with the ends of its 95% interval; NaN where it could not be taken.

    Attributes
    ----------
    value : float
        The measure.
    low, high : float
        The ends of the interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return self.written(percent)

    def written(self, text: Callable[[float], str]) -> str:
        """Return it in words, each number as `text` has it; a dash where there is none."""
        if math.isnan(self.value):
            return "–"
        return f"{text(self.value)} ({text(self.low)} to {text(self.high)})"


NONE = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class TopK:
    """How often the label is among the k likeliest classes.

    Attributes
    ----------
    k : int
        How many classes count.
    right : Share
        So many images of all; among equal probabilities the lower class comes first.
    """

    k: int
    right: Share

    @property
    def wrong(self) -> Share:
        """The images whose label is not among them."""
        return Share(self.right.of - self.right.count, self.right.of)


@dataclass(frozen=True)
class Brier:
    """The mean squared distance of the probabilities from what is right (Brier 1950).

    Attributes
    ----------
    score : Estimate
        0 is best. The squares are summed over the classes, so that the worst is 2; of one logit,
        and of each of several labels, there is one square, and the worst is 1. The interval is
        that of Student's t, carried over to the logit between the ends of the score.
    of_frequencies : float
        That of a network that gives every image the shares of the labels in these data.
    """

    score: Estimate
    of_frequencies: float


def mean_error(shares: Sequence[Share]) -> Estimate:
    """Return the mean of shares that do not depend on each other, with its interval.

    Their Wilson intervals are put together as Zou & Donner (2008) do, by squares, which leaves an
    interval even where every share is 0 or 1. Shares of nothing are passed over.
    """
    known = [share for share in shares if share.of]
    if not known:
        return NONE
    mean = sum(share.value for share in known) / len(known)
    below = sum((share.value - share.interval[0]) ** 2 for share in known)
    above = sum((share.interval[1] - share.value) ** 2 for share in known)
    low, high = mean - math.sqrt(below) / len(known), mean + math.sqrt(above) / len(known)
    return Estimate(mean, max(low, 0.0), min(high, 1.0))


def f1_of(measured: ClassMeasures) -> Estimate:
    """Return the F1 of a class with its interval.

    F1 is 2 J / (1 + J), where J counts the images that have both label and answer among those that
    have either; its interval is that of this share (Wilson 1927), sent through the same formula.
    """
    either = measured.labelled + measured.answered - measured.right
    low, high = Share(measured.right, either).interval
    return Estimate(measured.f1, 2.0 * low / (1.0 + low), 2.0 * high / (1.0 + high))


def auc_of(value: float, positives: int, negatives: int) -> Estimate:
    """Return an area under the ROC curve with its interval (Newcombe 2006, method 5).

    Like Wilson's of a share, the interval holds all areas from which the measured one is no further
    than 1.96 of their own standard errors, by the formula of Hanley & McNeil (1982); it has a width
    for a perfect area, too.
    """
    if math.isnan(value) or not positives or not negatives:
        return NONE

    def beyond(area: float) -> bool:
        return abs(area - value) > Z * math.sqrt(_auc_variance(area, positives, negatives))

    low, high = _edge(beyond, value, 0.0), _edge(beyond, value, 1.0)
    return Estimate(value, low, high)


def _auc_variance(area: float, positives: int, negatives: int) -> float:
    """Return the variance of an area; both groups are taken as large as their mean in between."""
    more = (positives + negatives) / 2.0 - 1.0
    spread = 1.0 + more * (1.0 - area) / (2.0 - area) + more * area / (1.0 + area)
    return area * (1.0 - area) * spread / (positives * negatives)


def _edge(beyond: Callable[[float], bool], inside: float, end: float) -> float:
    """Return where `beyond` begins between a value inside and an end of the scale."""
    if not beyond(end):
        return end
    for _ in range(60):
        middle = (inside + end) / 2.0
        inside, end = (inside, middle) if beyond(middle) else (middle, end)
    return inside


def brier_of(truths: NDArray[np.bool_], scores: NDArray[np.float64], *, summed: bool) -> Brier:
    """Return the Brier score of probabilities.

    Parameters
    ----------
    truths : ndarray of bool
        What is right, [N, K].
    scores : ndarray of float64
        The probabilities, [N, K].
    summed : bool
        Whether the squares of an image are summed over the classes; their mean is taken otherwise.
    """
    squares = (scores - truths) ** 2
    of_each = squares.sum(1) if summed else squares.mean(1)
    shares = truths.mean(0)
    spread = shares * (1.0 - shares)
    return Brier(
        _mean(of_each, 2.0 if summed else 1.0), float(spread.sum() if summed else spread.mean())
    )


def _mean(values: NDArray[np.float64], most: float) -> Estimate:
    return Estimate(float(values.mean()), *mean_interval(values, 0.0, most))


def top_k_of(truths: NDArray[np.int64], scores: NDArray[np.float64], k: int) -> TopK:
    """Count the images whose label is among the k likeliest classes."""
    own = scores[np.arange(len(truths)), truths][:, None]
    classes = np.arange(scores.shape[1])
    before = (scores > own) | ((scores == own) & (classes < truths[:, None]))
    return TopK(k, Share(int((before.sum(1) < k).sum()), len(truths)))
