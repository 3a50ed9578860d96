"""Where the sum of a convolution is worked out: at a place that tells something."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.course.convolution import Sliding, correlate
from cnnviz.course.kernels import Kernel
from cnnviz.course.pixel_statistics import middle_half
from cnnviz.course.slid_over import Looked
from cnnviz.errors import UsageError


def place_of(
    result: NDArray[np.float64],
    looked: Looked,
    kernel: Kernel,
    sliding: Sliding,
    at: tuple[int, int] | None,
) -> tuple[tuple[int, int], int, str]:
    """Return the position that is worked out, the channel, and how they were chosen.

    By default where the kernel does most, of the positions at which it lies on the image alone:
    where the result is largest, or farthest from the image, where the kernel keeps that. Of a photo
    it is one in the middle half, if it does anything there.
    """
    height, width = result.shape[1:]
    if at is not None:
        column, row = at
        if not (0 <= row < height and 0 <= column < width):
            raise UsageError(
                f"The result has no column {column} and row {row}: it is {height} x {width}.",
                "Give a column and a row, counted from 0.",
            )
        return (row, column), min(1, len(result) - 1), "as asked"
    does = _what_it_does(result, looked.values, kernel, sliding)
    inside = sliding.inside(*looked.values.shape[1:])
    if any(part.stop <= part.start for part in inside):
        inside = (slice(0, height), slice(0, width))
    how = "where the kernel does most"
    if looked.photo is not None:
        middle = (_middle_of(inside[0]), _middle_of(inside[1]))
        if does[:, middle[0], middle[1]].any():
            inside, how = middle, f"{how} in the middle half of the photo"
    part = does[:, inside[0], inside[1]]
    highest = np.unravel_index(int(part.argmax()), part.shape)
    row, column = int(highest[1]) + inside[0].start, int(highest[2]) + inside[1].start
    return (row, column), int(highest[0]), how


def _what_it_does(
    result: NDArray[np.float64], values: NDArray[Any], kernel: Kernel, sliding: Sliding
) -> NDArray[np.float64]:
    """Return the size of what a kernel gives, or of what it changes where it keeps the image."""
    if kernel.keeps and len(result) == len(values):
        centre = np.zeros_like(kernel.values)
        centre[:, centre.shape[1] // 2, centre.shape[2] // 2] = 1.0
        changed: NDArray[np.float64] = np.abs(result - correlate(values, centre, sliding))
        return changed
    size: NDArray[np.float64] = np.abs(result - kernel.bias)
    return size


def _middle_of(places: slice) -> slice:
    middle = middle_half(places.stop - places.start)
    return slice(places.start + middle.start, places.start + middle.stop)
