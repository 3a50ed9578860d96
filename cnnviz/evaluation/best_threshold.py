"""Boxes found at the threshold that is best for each method over all images (MaxBoxAcc)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.evaluation.records import MeasureColumn
from cnnviz.evaluation.resampling import ENOUGH_IMAGES, ends, resampled_means
from cnnviz.heatmaps.checks.localisation import MAX_BOX_FOUND, MAX_BOX_TITLE, found_at
from cnnviz.heatmaps.map_boxes import BOX_THRESHOLDS
from cnnviz.results.intervals import wilson


@dataclass(frozen=True, eq=False)
class BestThreshold:
    """What M methods find of the boxes on N images, each at its best threshold.

    Attributes
    ----------
    column : MeasureColumn
        The measure.
    thresholds : tuple of float
        The threshold of each method; NaN where nothing was measured.
    held : mapping of str to ndarray of float
        Its values, those of random maps at their own best one, and the share of these that it
        beats, each [M, N]. There is no such share, since each has another threshold.
    low, high : ndarray of float
        The 95% interval of the mean, [M]; the threshold is chosen anew in every resample. Where
        all boxes are found, or none, that of a share (Wilson 1927). NaN below `ENOUGH_IMAGES`
        images.
    """

    column: MeasureColumn
    thresholds: tuple[float, ...]
    held: Mapping[str, NDArray[np.float64]]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def best_threshold(
    columns: Sequence[MeasureColumn], held: Mapping[str, NDArray[np.float64]], seed: int
) -> BestThreshold | None:
    """Choose the best threshold of each method; None where no box was looked for.

    Parameters
    ----------
    columns : sequence of MeasureColumn
        The K measures.
    held : mapping of str to ndarray of float
        ``value`` and ``random`` of each, [M, K, N].
    seed : int
        The seed of the resamples.
    """
    keys = [column.key for column in columns]
    wanted = [found_at(threshold) for threshold in BOX_THRESHOLDS]
    if not set(wanted) <= set(keys):
        return None
    places = [keys.index(key) for key in wanted]
    value, random = held["value"][:, places], held["random"][:, places]
    best, own = _best(value), _best(random)
    rows = np.arange(len(value))
    measured = [bool(np.isfinite(one).any()) for one in value]
    images = np.isfinite(value).any(axis=1).sum(axis=1)
    low, high = ends(_nanmax(resampled_means(value, seed)), images)
    # Student's t knows nothing of the choice among thresholds.
    few = images < ENOUGH_IMAGES
    low[few] = high[few] = np.nan
    for row in np.flatnonzero(~few & (low == high)):
        # Of boxes that are all found, or none, every resample says the same.
        found = value[row, best[row]]
        low[row], high[row] = wilson(int(np.nansum(found)), int(np.isfinite(found).sum()))
    return BestThreshold(
        MeasureColumn(MAX_BOX_FOUND, MAX_BOX_TITLE, "high"),
        tuple(
            BOX_THRESHOLDS[place] if known else float("nan")
            for place, known in zip(best, measured, strict=True)
        ),
        {
            "value": value[rows, best],
            "random": random[rows, own],
            "beaten": np.full(value[:, 0].shape, np.nan),
        },
        low,
        high,
    )


def _best(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each method the first threshold of the largest mean, [M], of [M, T, N]."""
    held = np.isfinite(values)
    means = np.where(held, values, 0.0).sum(2) / np.maximum(held.sum(2), 1)
    return np.asarray(means.argmax(1))


def _nanmax(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest mean of [M, T, R] over the thresholds, [M, R]."""
    with warnings.catch_warnings():
        # A resample may hold none of the images that were measured.
        warnings.filterwarnings("ignore", "All-NaN slice")
        return np.asarray(np.nanmax(means, axis=1))
