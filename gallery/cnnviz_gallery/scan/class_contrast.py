"""How far one class of images stands out at each channel of a layer, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.results.intervals import LEVEL, student, within
from cnnviz_gallery.scan.layer_result import LayerResult
from cnnviz_gallery.scan.ranked_images import Ints

Numbers = NDArray[np.float64]
ENOUGH = 10
"""Of a class with fewer images than this nothing is claimed."""


@dataclass(frozen=True, eq=False)
class ClassContrast:
    """The class that excites each of C channels most, beside all others; G classes have enough.

    Only classes with at least `ENOUGH` images count. With m the mean over the images of a class of
    a channel's peak above zero, and o the mean of the other classes' means, the difference m - o
    has the interval of Welch (1947), and its level is that of Bonferroni for G classes, since the
    class is the greatest of them.

    Attributes
    ----------
    classes : ndarray of int64
        The groups that have enough images, [G].
    images : ndarray of int64
        How many images each group has, [K].
    means, least, most : ndarray of float64
        The mean of each group, [C, K], and the ends of its 95% interval (Student's t), which are
        `within` zero and above, as the peaks are: NaN for a group that has not enough images, and
        where all its peaks are equal (see `group_equal`), which tells nothing of others.
    top : ndarray of int64
        The group with the greatest mean, [C]; -1 for a silent channel, and with fewer than two
        classes.
    selectivity, low, high : ndarray of float64
        (m - o) / (m + o) (Morcos et al. 2018) and its interval, [C]; NaN where `top` is -1. The
        interval is NaN, too, where no other class is ever above zero, or all peaks of each class
        are equal: there is no spread then, and nothing tells how far from them others may be.
    clear : ndarray of bool
        Whether the interval of m - o lies above zero, so that the class may be named, [C].
    """

    classes: Ints
    images: Ints
    means: Numbers
    least: Numbers
    most: Numbers
    top: Ints
    selectivity: Numbers
    low: Numbers
    high: Numbers
    clear: NDArray[np.bool_]

    @property
    def seen(self) -> int:
        """How many images the classes that count have together."""
        return int(self.images[self.classes].sum())

    @property
    def known(self) -> bool:
        """Whether there are two classes to set beside each other."""
        return len(self.classes) > 1


def class_contrast(layer: LayerResult, counts: Ints) -> ClassContrast:
    """Return how far one class stands out at each channel.

    Parameters
    ----------
    layer : LayerResult
        What was found at the layer.
    counts : ndarray of int64
        Images in each group, [K].
    """
    counts = np.asarray(counts)
    classes = np.flatnonzero(counts >= ENOUGH)
    means = np.full((layer.channels, len(counts)), np.nan)
    errors = means.copy()
    means[:, classes] = layer.group_means(counts)[:, classes]
    variances = layer.group_variances(counts)[:, classes]
    errors[:, classes] = variances / counts[classes]
    least, most = np.full(means.shape, np.nan), np.full(means.shape, np.nan)
    reaches = student(counts[classes] - 1.0) * np.sqrt(errors[:, classes])
    ends = within(means[:, classes], reaches, 0.0, math.inf)
    equal = layer.group_equal(counts)[:, classes]
    for held, end in zip((least, most), ends, strict=True):
        # Nothing tells how far from equal peaks others may lie.
        held[:, classes] = np.where(equal, np.nan, end)
    nobody = np.full(layer.channels, np.nan)
    if len(classes) < 2:
        none = np.full(layer.channels, -1), nobody, nobody, nobody, np.isfinite(nobody)
        return ClassContrast(classes, counts, means, least, most, *none)
    beside = _beside_others(means, errors, counts, classes, np.asarray(equal.all(axis=1)))
    return ClassContrast(classes, counts, means, least, most, *beside)


def _beside_others(
    means: Numbers, errors: Numbers, counts: Ints, classes: Ints, equal: NDArray[np.bool_]
) -> tuple[Ints, Numbers, Numbers, Numbers, NDArray[np.bool_]]:
    """Return `top`, `selectivity`, `low`, `high` and `clear`.

    `equal` says of each channel whether no class has peaks that differ.
    """
    several, squares = means[:, classes], errors[:, classes]
    place = several.argmax(axis=1)
    rows, others = np.arange(len(several)), len(classes) - 1
    m, m_square = several[rows, place], squares[rows, place]
    o = (several.sum(axis=1) - m) / others
    # What each class adds to the variance of the difference.
    parts = squares / others**2
    parts[rows, place] = m_square
    total = parts.sum(axis=1)
    confidence = 1.0 - (1.0 - LEVEL) / len(classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Welch and Satterthwaite; without any variance the difference is exact.
        degrees = np.square(total) / (np.square(parts) / (counts[classes] - 1.0)).sum(axis=1)
        reach = np.where(total > 0.0, student(degrees, confidence), 0.0)
        selectivity = (m - o) / (m + o)
        slope = 2.0 / np.square(m + o)
        o_square = total - m_square
        half = reach * slope * np.sqrt(np.square(o) * m_square + np.square(m) * o_square)
        clear = m - o > reach * np.sqrt(total)
    silent = ~(m > 0.0)
    top = np.where(silent, -1, classes[place])
    low, high = within(selectivity, half, -1.0, 1.0)
    lost, untold = (np.where(each, np.nan, 1.0) for each in (silent, silent | equal | ~(o > 0.0)))
    return top, selectivity * lost, low * untold, high * untold, clear & ~silent
