"""Lines of text as they lie in a picture, and why one of them cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnnviz.results.drawing import LUMA
from cnnviz.results.text import shortened

_SLACK = 0.02
"""Inches by which the box of a line may reach over another, or above and below over the edge:
letters do not fill it."""
_BEYOND = 0.005
"""Inches by which its ends may reach over the edge, where its first or last letter is."""
_SPACE = 0.03
"""Inches between two lines side by side at least: less reads as one."""
_UNEVEN = 0.45
"""How far the lightness of the ground under a line may differ from end to end, 0 to 1."""
_SMALLEST = 5.0
"""Points of a letter at least, as publishers ask for."""
_LETTERS = 40
"""Letters of a text that a sentence quotes."""


class TooSmall(str):
    """Why something cannot be read, where smaller letters would make it worse."""

    __slots__ = ()


@dataclass(frozen=True, eq=False)
class Line:
    """One line of a text as it lies in a picture.

    Attributes
    ----------
    text : str
        What it says.
    corners : ndarray of float
        [4, 2]: the corners of its box in pixels from the upper left, in order around it.
    points : float
        The size of its letters.
    """

    text: str
    corners: NDArray[np.float64]
    points: float

    @cached_property
    def ends(self) -> NDArray[np.float64]:
        """The least and the greatest x and y, [2, 2]."""
        return np.stack([self.corners.min(0), self.corners.max(0)])

    def runs_into(self, other: Line, dots: float) -> bool:
        """Return whether two close lines, which may be turned, overlap or follow without a space.

        Parameters
        ----------
        other : Line
            The other.
        dots : float
            Pixels of an inch.
        """
        # Two boxes lie apart where they do along a side of one of them.
        for box in (self.corners, other.corners):
            for start, end, least in ((0, 1, -_SPACE), (1, 2, _SLACK)):
                side = box[end] - box[start]
                along = side / max(float(np.hypot(*side)), 1e-9)
                first, second = self.corners @ along, other.corners @ along
                if min(first.max(), second.max()) - max(first.min(), second.min()) <= least * dots:
                    return False
        return True

    def is_cut(self, size: NDArray[np.float64], dots: float) -> bool:
        """Return whether a part of it would be lost at the edge of a picture.

        Parameters
        ----------
        size : ndarray of float
            Width and height of the picture in pixels.
        dots : float
            Pixels of an inch.
        """
        down = self.corners[3] - self.corners[0]
        unfilled = (_SLACK - _BEYOND) * dots * down / max(float(np.hypot(*down)), 1e-9)
        filled = self.corners + np.array([1.0, 1.0, -1.0, -1.0])[:, None] * unfilled
        edge = _BEYOND * dots
        return bool((filled < -edge).any() or (filled > size + edge).any())

    def points_under(self) -> NDArray[np.float64]:
        """Return points under the line, [256, 2], without a tenth at each end."""
        across, down = (np.linspace(0.1, 0.9, count) for count in (32, 8))
        right, below = self.corners[1] - self.corners[0], self.corners[3] - self.corners[0]
        points = self.corners[0] + across[:, None, None] * right + down[:, None] * below
        return np.asarray(points.reshape(-1, 2), np.float64)


def faults(lines: list[Line], ground: NDArray[np.uint8], dots: float) -> Iterator[str]:
    """Say of one line after the other why it cannot be read."""
    size = np.array(ground.shape[1::-1], np.float64)
    for line in lines:
        if line.is_cut(size, dots):
            yield f"{_quoted(line)} would be cut off"
    for line in lines:
        if line.points < _SMALLEST:
            yield TooSmall(f"{_quoted(line)} would have letters of {line.points:.2g} points")
    for first, second in _close(lines, dots):
        if first.runs_into(second, dots):
            yield f"{_quoted(first)} and {_quoted(second)} would overlap"
    for line, uneven in zip(lines, _unevenness(lines, ground), strict=True):
        if uneven > _UNEVEN:
            yield f"{_quoted(line)} would lie over a picture"


def _close(lines: list[Line], dots: float) -> Iterator[tuple[Line, Line]]:
    """Yield the pairs of lines whose upright boxes overlap or follow without a space."""
    if not lines:
        return
    low, high = np.stack([line.ends for line in lines], axis=1)
    for place, line in enumerate(lines[:-1]):
        rest = slice(place + 1, None)
        near = np.minimum(high[place], high[rest]) - np.maximum(low[place], low[rest])
        for other in np.flatnonzero((near > -_SPACE * dots).all(1)):
            yield line, lines[place + 1 + other]


def _unevenness(lines: list[Line], ground: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how far the lightness under each line differs, 0 to 1, without outliers."""
    if not lines:
        return np.empty(0)
    height, width = ground.shape[:2]
    columns, rows = np.stack([line.points_under() for line in lines]).astype(int).transpose(2, 0, 1)
    colours = ground[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)] / 255.0
    low, high = np.quantile(colours @ LUMA, (0.1, 0.9), axis=1)
    return np.asarray(high - low)


def _quoted(line: Line) -> str:
    return repr(shortened(line.text.strip(), _LETTERS))
