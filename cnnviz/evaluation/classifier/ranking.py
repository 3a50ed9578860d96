"""How well the probability of a class ranks its images before all others, one class at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.evaluation.classifier.measures import FEW, NONE, Estimate, auc_of

MOST_CURVES = 8
"""Curves that can be told apart in one panel."""


@dataclass(frozen=True)
class ClassRanking:
    """The images with a label against all others, ranked by the probability of its class.

    Attributes
    ----------
    index : int
        The class.
    name : str
        What it is called.
    positives, negatives : int
        Images with the label, and without it.
    auc : Estimate
        The area under the ROC curve: how often an image with the label gets a higher probability
        than one without it (Hanley & McNeil 1982), with its interval (Newcombe 2006).
    average_precision : float
        The mean precision over the recalls; that of a random order is the share of the label.
    """

    index: int
    name: str
    positives: int
    negatives: int
    auc: Estimate
    average_precision: float


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Which part of the images with and without a label lies above each threshold.

    Attributes
    ----------
    index : int
        The class.
    name : str
        What it is called.
    false_positive_rate, true_positive_rate : ndarray of float64
        The shares, [P], where the curve bends.
    thresholds : ndarray of float64
        The probabilities, [P], from which on an image counts; the first is infinite.
    """

    index: int
    name: str
    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def rank(
    index: int, name: str, has: NDArray[np.bool_], scores: NDArray[np.float64]
) -> ClassRanking:
    """Measure how a class ranks; `has` says which images have its label, [N]."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    positives = int(has.sum())
    negatives = len(has) - positives
    if not positives or not negatives:
        return ClassRanking(index, name, positives, negatives, NONE, math.nan)
    return ClassRanking(
        index,
        name,
        positives,
        negatives,
        auc_of(float(roc_auc_score(has, scores)), positives, negatives),
        float(average_precision_score(has, scores)),
    )


def curve(index: int, name: str, has: NDArray[np.bool_], scores: NDArray[np.float64]) -> RocCurve:
    """Return the ROC curve of a class with images that have its label and images that do not."""
    from sklearn.metrics import roc_curve

    return RocCurve(index, name, *roc_curve(has, scores))


def drawn_rankings(rankings: Sequence[ClassRanking]) -> list[ClassRanking]:
    """Return the classes whose curve is drawn: all, or those with the least area, least first.

    A class with few images may have any area, so that others come before it.
    """
    known = [one for one in rankings if not math.isnan(one.auc.value)]
    if len(known) > MOST_CURVES:
        known = sorted(known, key=_worst_first)[:MOST_CURVES]
    return known


def _worst_first(one: ClassRanking) -> tuple[bool, float, int]:
    return min(one.positives, one.negatives) < FEW, one.auc.value, one.index
