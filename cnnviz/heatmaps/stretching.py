"""Stretches a map over what it is of: a box of a photo, a signal, a volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnviz.images import PhotoBox


def stretch_over_box(
    values: NDArray[np.float32], box: PhotoBox, height: int, width: int
) -> NDArray[np.float32]:
    """Stretch a map [h, w] bilinearly over a box of a photo; NaN outside the box.

    The centre of each value lies at the centre of its cell, and the outermost values continue to
    the edge of the box.
    """
    down, row_inside = _weights(values.shape[0], box.top, box.bottom, height)
    across, column_inside = _weights(values.shape[1], box.left, box.right, width)
    stretched = down @ values.astype(np.float64) @ across.T
    stretched[~(row_inside[:, None] & column_inside[None, :])] = np.nan
    return stretched.astype(np.float32)


def stretch(values: NDArray[np.float32], size: Sequence[int]) -> NDArray[np.float32]:
    """Stretch a map of any number of axes to a size, between whose values it goes straight.

    The centre of each value lies at the centre of its cell, as in `stretch_over_box`.
    """
    found = values.astype(np.float64)
    for axis, pixels in enumerate(size):
        lower, upper, share = _between(values.shape[axis], 0.0, float(pixels), pixels)
        share = share.reshape([-1 if each == axis else 1 for each in range(values.ndim)])
        # Taken by index: a matrix of weights would be large for a long signal.
        found = found.take(lower, axis) * (1.0 - share) + found.take(upper, axis) * share
    return found.astype(np.float32)


def _weights(
    cells: int, start: float, end: float, pixels: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    lower, upper, share = _between(cells, start, end, pixels)
    weights = np.zeros((pixels, cells))
    rows = np.arange(pixels)
    weights[rows, lower] += 1.0 - share
    weights[rows, upper] += share
    centres = np.arange(pixels) + 0.5
    return weights, (centres >= start) & (centres <= end)


def _between(
    cells: int, start: float, end: float, pixels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return between which two cells the middle of each pixel lies, and how near to the second."""
    centres = np.arange(pixels) + 0.5
    place = np.clip((centres - start) / (end - start) * cells - 0.5, 0.0, cells - 1.0)
    lower = np.floor(place).astype(np.int64)
    return lower, np.minimum(lower + 1, cells - 1), place - lower
