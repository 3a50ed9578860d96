"""The part of the image that belongs to a unit, and the same part of any picture of that size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.introspection.receptive_fields import Axis, PixelBox, ReceptiveField


def window_of(
    field: ReceptiveField | None, image: tuple[int, int], row: int, column: int
) -> PixelBox:
    """Return the window of one position: the same size for every position of a layer.

    Parameters
    ----------
    field : ReceptiveField or None
        The field of the layer; None, where it is unknown, is the whole image.
    image : tuple of int
        Height and width of the image.
    row, column : int
        The position in the layer's output.
    """
    if field is None:
        return PixelBox(0, 0, image[1], image[0])
    top, bottom = _span(field.rows, row, row, column)
    left, right = _span(field.columns, column, row, column)
    return PixelBox(left, top, right, bottom)


def _span(axis: Axis, index: int, row: int, column: int) -> tuple[int, int]:
    """Return the first pixel, and the first one after it, that a window covers along an axis."""
    if axis.size >= axis.extent:
        return 0, axis.extent
    if axis.stride is not None and axis.start is not None:
        first = axis.start + index * axis.stride
        return first, first + axis.size
    # Fields of several sizes: the largest size around this one, moved into the image.
    first, last = axis.interval(row, column)
    start = first - (axis.size - (last + 1 - first)) // 2
    start = min(max(start, 0), axis.extent - axis.size)
    return start, start + axis.size


def cut(
    images: Sequence[NDArray[Any]] | NDArray[Any], windows: Sequence[PixelBox], fill: Any = 0
) -> NDArray[Any]:
    """Return the part of each image that its window covers.

    Parameters
    ----------
    images : sequence of ndarray
        One image for each window, [H, W] or [H, W, channels], at the size of the network's input.
    windows : sequence of Window
        The windows, all of one size [h, w]; they may reach beyond the image.
    fill : number, or one for each channel
        What stands where a window reaches beyond the image.

    Returns
    -------
    ndarray
        [P, h, w] or [P, h, w, channels].
    """
    first, window = np.asarray(images[0]), windows[0]
    shape = (len(windows), window.height, window.width, *first.shape[2:])
    found = np.empty(shape, first.dtype)
    found[:] = fill
    for place, (image, each) in enumerate(zip(images, windows, strict=True)):
        inside, there = overlap(each, (image.shape[0], image.shape[1]))
        found[(place, *there)] = image[inside]
    return found


def overlap(
    window: PixelBox, image: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where a window meets the image: the rows and columns of the image, and its own."""
    top, left = max(window.top, 0), max(window.left, 0)
    # A window that lies wholly in the padding meets nothing.
    bottom, right = max(top, min(window.bottom, image[0])), max(left, min(window.right, image[1]))
    inside = slice(top, bottom), slice(left, right)
    there = (
        slice(top - window.top, bottom - window.top),
        slice(left - window.left, right - window.left),
    )
    return inside, there
