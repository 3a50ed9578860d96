"""The part of the image that belongs to a unit, and the same part of any picture of that size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.introspection.receptive_fields import Axis, Box, ReceptiveField, box_of


def window_of(field: ReceptiveField | None, image: tuple[int, ...], *position: int) -> Box:
    """Return the window of one position: the same size for every position of a layer.

    Parameters
    ----------
    field : ReceptiveField or None
        The field of the layer; None, where it is unknown, is the whole image.
    image : tuple of int
        Height and width of the image, or the size of a signal or a volume along each axis.
    *position : int
        The position in the layer's output: row and column.
    """
    if field is None:
        return box_of((0,) * len(image), image)
    spans = [_span(axis, index, position) for axis, index in zip(field.axes, position, strict=True)]
    starts, ends = zip(*spans, strict=True)
    return box_of(starts, ends)


def _span(axis: Axis, index: int, position: tuple[int, ...]) -> tuple[int, int]:
    """Return the first pixel, and the first one after it, that a window covers along an axis."""
    if axis.size >= axis.extent:
        return 0, axis.extent
    if axis.stride is not None and axis.start is not None:
        first = axis.start + index * axis.stride
        return first, first + axis.size
    # Fields of several sizes: the largest size around this one, moved into the image.
    first, last = axis.interval(*position)
    start = first - (axis.size - (last + 1 - first)) // 2
    start = min(max(start, 0), axis.extent - axis.size)
    return start, start + axis.size


def cut(
    images: Sequence[NDArray[Any]] | NDArray[Any], windows: Sequence[Box], fill: Any = 0
) -> NDArray[Any]:
    """Return the part of each image that its window covers.

    Parameters
    ----------
    images : sequence of ndarray
        One image for each window, [H, W] or [H, W, channels], at the size of the network's input;
        of signals [L] or [L, channels], of volumes [D, H, W] or [D, H, W, channels].
    windows : sequence of PixelBox or ArrayBox
        The windows, all of one size [h, w]; they may reach beyond the image.
    fill : number, or one for each channel
        What stands where a window reaches beyond the image.

    Returns
    -------
    ndarray
        [P, h, w] or [P, h, w, channels].
    """
    first, sizes = np.asarray(images[0]), windows[0].sizes
    axes = len(sizes)
    shape = (len(windows), *sizes, *first.shape[axes:])
    found = np.empty(shape, first.dtype)
    found[:] = fill
    for place, (image, each) in enumerate(zip(images, windows, strict=True)):
        inside, there = overlap(each, image.shape[:axes])
        to: tuple[Any, ...] = (place, *there)
        found[to] = image[inside]
    return found


def cut_arrays(inputs: Sequence[NDArray[Any]], windows: Sequence[Box]) -> NDArray[np.float32]:
    """Return the numbers of each signal or volume [C, ...] that its window covers, [P, C, ...].

    They are NaN where a window reaches beyond it.
    """
    last = [np.moveaxis(np.asarray(one, np.float32), 0, -1) for one in inputs]
    found: NDArray[np.float32] = np.moveaxis(cut(last, windows, np.nan), -1, 1)
    return found


def overlap(window: Box, image: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where a window meets the image: the rows and columns of the image, and its own."""
    inside, there = [], []
    for start, end, length in zip(window.starts, window.ends, image, strict=True):
        first = max(start, 0)
        # A window that lies wholly in the padding meets nothing.
        last = max(first, min(end, length))
        inside.append(slice(first, last))
        there.append(slice(first - start, last - start))
    return tuple(inside), tuple(there)
