"""Pooling: a window of a map becomes one value; and how much of it a small shift leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cnnviz.course.convolution import Sliding, correlate
from cnnviz.course.kernels import CLASSIC

Maps = NDArray[Any]
METHODS = ("max", "average", "sum", "l2")
"""The names of the methods of pooling; ``l2`` is the root of the sum of squares."""


def pool(maps: Maps, method: str, size: int, stride: int) -> NDArray[np.float64]:
    """Return one value for each window of maps [C, H, W]; what is left at the edge is dropped."""
    height, width = ((length - size) // stride + 1 for length in maps.shape[1:])
    found: Any = None
    # One cell of the window at all positions at once, which is quicker than window by window.
    for row, column in np.ndindex(size, size):
        rows = slice(row, row + (height - 1) * stride + 1, stride)
        columns = slice(column, column + (width - 1) * stride + 1, stride)
        cells = maps[:, rows, columns].astype(np.float64)
        cells = cells**2 if method == "l2" else cells
        if found is None:
            found = cells
        else:
            found = np.maximum(found, cells) if method == "max" else found + cells
    if method == "average":
        return np.asarray(found / size**2)
    return np.asarray(np.sqrt(found) if method == "l2" else found)


def switches(maps: Maps, size: int, stride: int) -> NDArray[np.int64]:
    """Return the row and column of the largest value of each window, [C, H', W', 2].

    The first of several, in reading order, as torch has it; the deconvnet puts values back there
    (Zeiler and Fergus 2013).
    """
    windows = _windows(maps, size, stride)
    within = windows.reshape(*windows.shape[:3], -1).argmax(-1)
    rows = within // size + np.arange(windows.shape[1])[:, None] * stride
    columns = within % size + np.arange(windows.shape[2]) * stride
    return np.stack([rows, columns], axis=-1).astype(np.int64)


def _windows(maps: Maps, size: int, stride: int) -> Maps:
    found = sliding_window_view(maps, (size, size), axis=(1, 2))
    return np.asarray(found)[:, ::stride, ::stride]


def operations(size: int, stride: int) -> dict[str, tuple[Callable[[Maps], Maps], int]]:
    """Return what sums maps up, each with the receptive field across of one of its values.

    Sums are left out: they change as averages do.
    """
    kernel = CLASSIC["gaussian_3"].values
    spread = Sliding((3, 3), dilation=(size, size), padding="none")
    found: dict[str, tuple[Callable[[Maps], Maps], int]] = {"as it is": (lambda maps: maps, 1)}
    for method in ("max", "average", "l2"):
        found[method] = (lambda maps, m=method: pool(maps, m, size, stride), size)  # type: ignore[misc]
    found["stride alone"] = (lambda maps: maps[:, ::stride, ::stride], 1)
    found["dilated convolution"] = (lambda maps: correlate(maps, kernel, spread), spread.reach[0])
    return found


def similarity_by_shift(
    maps: Maps, operation: Callable[[Maps], Maps], most: int
) -> NDArray[np.float64]:
    """Return how alike what an operation makes of maps stays when these are shifted.

    Parameters
    ----------
    maps : ndarray
        [C, H, W].
    operation : callable
        What it makes of maps.
    most : int
        The largest shift in pixels.

    Returns
    -------
    ndarray of float64
        [most + 1]: Pearson's correlation between what it makes of the maps as they are and
        shifted, each channel about its own mean: 1 where nothing changed, 0 where the two have
        nothing in common; the mean of a shift to the left and upwards. A part of the maps that
        stays inside is compared, so that nothing comes in at the edge. NaN where one of the two is
        constant.
    """
    height, width = maps.shape[1] - most, maps.shape[2] - most
    still = operation(maps[:, :height, :width])
    found = []
    for shift in range(most + 1):
        moved = (
            maps[:, :height, shift : shift + width],
            maps[:, shift : shift + height, :width],
        )
        found.append(np.mean([_correlation(still, operation(each)) for each in moved]))
    return np.array(found)


def _correlation(one: Maps, other: Maps) -> float:
    """Return the correlation over all channels [C, H, W], each about its own mean."""
    first, second = (each - each.mean((1, 2), keepdims=True) for each in _doubles(one, other))
    # Rounding leaves a constant map a deviation of its last digit.
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    least = 1e-12 * float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((first * second).sum() / size) if size > least else np.nan


def _doubles(*maps: Maps) -> list[Maps]:
    return [each.astype(np.float64) for each in maps]
