"""Where the occluder is put: a regular grid of squares, and which of them go together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.heatmaps.occlusion.geometry import ChangedSpan, span
from cnnviz.heatmaps.occlusion.patches import Patches, cut

Position = tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """The squares that hide parts of an image, as captum lays them.

    Squares begin at every multiple of the stride until one reaches the border; where the last
    would go past it, it is cut off there.

    Attributes
    ----------
    height, width : int
        Of the image.
    window : int
        The side of a square.
    stride : int
        The step from one square to the next.
    """

    height: int
    width: int
    window: int
    stride: int

    @property
    def rows(self) -> int:
        """The number of squares down."""
        return -(-(self.height - self.window) // self.stride) + 1

    @property
    def columns(self) -> int:
        """The number of squares across."""
        return -(-(self.width - self.window) // self.stride) + 1

    @property
    def shape(self) -> tuple[int, int]:
        """How many squares there are down and across."""
        return self.rows, self.columns

    @cached_property
    def positions(self) -> tuple[Position, ...]:
        """Every square's place (row, column) in the grid."""
        return tuple((row, column) for row in range(self.rows) for column in range(self.columns))

    def groups(self, most: int) -> Iterator[tuple[Position, ...]]:
        """Yield the squares in groups, for which the same length of a map changes.

        Near the border a part of what would change lies outside, so squares go with those that are
        as far from it.

        Parameters
        ----------
        most : int
            The largest number of squares in a group.
        """
        for rows in _bands(self.rows):
            for columns in _bands(self.columns):
                together = [(row, column) for row in rows for column in columns]
                for start in range(0, len(together), most):
                    yield tuple(together[start : start + most])

    def spans(self, positions: tuple[Position, ...]) -> tuple[ChangedSpan, ChangedSpan]:
        """Return the rows and the columns of the image that each square hides."""
        tops = [row * self.stride for row, _ in positions]
        lefts = [column * self.stride for _, column in positions]
        return (
            span(tops, [min(top + self.window, self.height) for top in tops], self.height),
            span(lefts, [min(left + self.window, self.width) for left in lefts], self.width),
        )

    def hide(
        self, image: torch.Tensor, baseline: torch.Tensor, positions: tuple[Position, ...]
    ) -> Patches:
        """Return the patches of an image [1, C, H, W] that the squares put the baseline into."""
        rows, columns = self.spans(positions)
        size = (rows.size, columns.size)
        values = cut(image, rows.starts, columns.starts, size)
        hidden = cut(baseline, rows.starts, columns.starts, size)
        for row in range(len(positions)):
            top = rows.lows[row] - rows.starts[row]
            left = columns.lows[row] - columns.starts[row]
            values[row, :, top:, left:] = hidden[row, :, top:, left:]
        return Patches(values, rows, columns)

    def spread(self, drops: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return for each pixel the mean over the squares that hide it, [H, W].

        Parameters
        ----------
        drops : ndarray of float
            A value for each square, [rows, columns].
        """
        down, across = _cover(self.rows, self), _cover(self.columns, self, self.width)
        total = down @ drops.astype(np.float64) @ across.T
        count = down.sum(1)[:, None] * across.sum(1)[None, :]
        found: NDArray[np.float32] = (total / count).astype(np.float32)
        return found


def _cover(count: int, grid: Grid, length: int | None = None) -> NDArray[np.float64]:
    """Return which pixels each step of the grid covers along one dimension, [pixels, count]."""
    pixels = np.arange(grid.height if length is None else length)[:, None]
    starts = np.arange(count)[None, :] * grid.stride
    return ((pixels >= starts) & (pixels < starts + grid.window)).astype(np.float64)


def _bands(count: int) -> list[list[int]]:
    """Return the places 0 to `count` - 1 in up to three bands, by their distance to the border."""
    distance = [min(place, count - 1 - place) for place in range(count)]
    third = max(1, -(-(max(distance) + 1) // 3))
    bands = [
        [place for place in range(count) if start <= distance[place] < start + third]
        for start in range(0, max(distance) + 1, third)
    ]
    return [band for band in bands if band]
