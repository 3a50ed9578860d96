"""What can be counted of the pixels of an image: how alike neighbours are, and how often values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

DISTANCES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""The pixels apart at which neighbours are compared."""
_LEAST_PAIRS = 4


def distances_of(height: int, width: int) -> tuple[int, ...]:
    """Return the distances that are small enough for an image: up to half of its shorter side."""
    return tuple(each for each in DISTANCES if each <= max(1, min(height, width) // 2))


def neighbour_correlations(channels: NDArray[Any], distances: Sequence[int]) -> NDArray[np.float64]:
    """Return Pearson's correlation of each pixel with the one so many pixels on.

    Parameters
    ----------
    channels : ndarray
        [C, H, W].
    distances : sequence of int
        D distances in pixels.

    Returns
    -------
    ndarray of float64
        [C, 2, D]: to the right, and downwards; NaN where pixels do not vary, or are too few.
    """
    found = np.full((len(channels), 2, len(distances)), np.nan)
    for place, channel in enumerate(channels):
        # Less their mean, so that sums of squares lose no digits.
        values = channel.astype(np.float64) - float(channel.mean(dtype=np.float64))
        for way, along in enumerate((values, values.T)):
            for at, distance in enumerate(distances):
                one, other = along[:, : along.shape[1] - distance], along[:, distance:]
                found[place, way, at] = _correlation(one, other)
    return found


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    count = one.size
    if count < _LEAST_PAIRS:
        return np.nan
    first, second = float(one.mean()), float(other.mean())
    together = float(np.einsum("ij,ij->", one, other)) / count - first * second
    spreads = [
        float(np.einsum("ij,ij->", each, each)) / count - mean**2
        for each, mean in ((one, first), (other, second))
    ]
    product = spreads[0] * spreads[1]
    return together / product**0.5 if min(spreads) > 1e-9 else np.nan


def shuffled(channels: NDArray[Any], seed: int) -> NDArray[Any]:
    """Return the same pixels in a random order, all channels in the same."""
    order = np.random.default_rng(seed).permutation(channels[0].size)
    return channels.reshape(len(channels), -1)[:, order].reshape(channels.shape)


def middle_half(length: int) -> slice:
    """Return the places of a side that lie in its middle half, one at least.

    A place there is well inside a photo, where what is in it is rather than what lies behind.
    """
    first = length // 4
    return slice(first, max(length - first, first + 1))


def busiest_window(grey: NDArray[Any], side: int) -> tuple[int, int]:
    """Return the row and column of the window whose values vary most; the first of several."""
    import cv2

    values = grey.astype(np.float64)
    means = cv2.boxFilter(values, cv2.CV_64F, (side, side), anchor=(0, 0))
    squares = cv2.boxFilter(values**2, cv2.CV_64F, (side, side), anchor=(0, 0))
    spread = (squares - means**2)[: grey.shape[0] - side + 1, : grey.shape[1] - side + 1]
    row, column = np.unravel_index(int(spread.argmax()), spread.shape)
    return int(row), int(column)
