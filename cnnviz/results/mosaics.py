"""Tiles of one size composed into one picture, with their labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results.drawing import QUIET, Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Mosaic:
    """Tiles composed into one picture.

    Attributes
    ----------
    pixels : ndarray of uint8
        The picture, [H, W, 3].
    corners : ndarray of int
        The left and upper pixel of each tile, [K, 2].
    side : tuple of int
        Height and width of a tile in pixels of the picture.
    columns : int
        How many tiles stand in a row.
    """

    pixels: Pixels
    corners: NDArray[np.int64]
    side: tuple[int, int]
    columns: int


_LEAST_WIDTH, _LONGEST_TILE = 8, 8
"""Pixels of a tile's shorter side at least, unless its longer one passes so many times `side`."""


def mosaic(
    tiles: Sequence[Pixels] | Pixels,
    *,
    columns: int | None = None,
    wide: float | None = None,
    side: int = 64,
    header: int = 0,
    gap: int = 6,
    labels: int = 0,
) -> Mosaic:
    """Compose tiles of one size into one picture, row by row.

    Parameters
    ----------
    tiles : sequence of ndarray of uint8
        K tiles [h, w, 3].
    columns : int, optional
        How many stand in a row; by default as many as make the picture about twice as wide as high.
    wide : float, optional
        How many times as wide as high the room is that they are to fill instead, labels included.
    side : int
        The least length of a tile's longer side: smaller tiles grow by a whole factor, pixel by
        pixel, so that nothing is smoothed that the network did not smooth.
    header : int
        Pixels left free above each row.
    gap : int
        Pixels between tiles.
    labels : int
        Pixels left free below each tile, for a label.
    """
    stack = np.asarray(tiles)
    count, height, width = stack.shape[:3]
    factor = _enlargement(height, width, side)
    stack = stack.repeat(factor, axis=1).repeat(factor, axis=2)
    height, width = stack.shape[1:3]
    # Beside narrow tiles room is left for their labels.
    room = max(width, side if labels and columns is None else 0)
    step_y, step_x = height + gap + labels + header, room + gap
    if wide is not None:
        columns = columns_in(wide, count, step_y / step_x)
    columns = columns or columns_for(count, step_y / step_x)
    rows = -(-count // columns)
    canvas = np.full((rows * step_y - gap, columns * step_x - gap, 3), 255, np.uint8)
    places = np.arange(count)
    left = places % columns * step_x + (room - width) // 2
    corners = np.stack([left, places // columns * step_y + header], axis=1)
    for tile, (left, top) in zip(stack, corners, strict=True):
        canvas[top : top + height, left : left + width] = tile
    return Mosaic(canvas, corners, (height, width), columns)


def _enlargement(height: int, width: int, side: int) -> int:
    """Return the factor by which tiles grow: to `side`, and narrow ones until they can be seen."""
    shorter, longer = sorted((height, width))
    visible = min(-(-_LEAST_WIDTH // shorter), _LONGEST_TILE * side // longer)
    return max(1, -(-side // longer), visible)


def columns_for(count: int, ratio: float = 1.0, wide: float | None = None) -> int:
    """Return a number of columns that makes `count` tiles together about twice as wide as high.

    A row that is left nearly empty counts against a number, and so does another shape.

    Parameters
    ----------
    count : int
        How many tiles.
    ratio : float
        The height of a tile over its width; one that is less than twice the other is a square.
    wide : float, optional
        How many times as wide as high they are to be instead, for which the ratio is taken exactly.
    """
    # More would leave no room for the labels of tall tiles.
    stretch = 1.0 if 0.5 <= ratio <= 2.0 else min(ratio, 1.6)
    area = 2.0 * stretch if wide is None else wide * ratio
    wanted = min(math.sqrt(area * count), count)

    def cost(columns: int) -> float:
        empty = -count % columns
        return empty / columns + abs(math.log(columns / wanted))

    return min(range(1, count + 1), key=cost)


def columns_in(wide: float, count: int, ratio: float) -> int:
    """Return in how many columns tiles are largest in a room so many times as wide as high.

    Parameters
    ----------
    wide : float
        The width of the room over its height.
    count : int
        How many tiles.
    ratio : float
        The height of a tile over its width.
    """

    def side(columns: int) -> float:
        return min(wide / columns, 1.0 / (-(-count // columns) * ratio))

    return max(range(1, count + 1), key=side)


def label_tiles(axes: Axes, grid: Mosaic, labels: Sequence[str], size: float = 6.5) -> None:
    """Write a label below each tile of a mosaic that left room for it."""
    for (left, top), label in zip(grid.corners, labels, strict=True):
        axes.text(
            left, top + grid.side[0] + 2, label, fontsize=size, color=QUIET, va="top", ha="left"
        )
