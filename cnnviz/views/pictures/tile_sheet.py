"""Tiles of any size as one picture, with the words that stand beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.text import shortened
from cnnviz.views._followed import thumbnail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHITE = 255


class TileSheet:
    """A white picture that tiles are put into.

    Parameters
    ----------
    height, width : int
        In pixels.

    Attributes
    ----------
    pixels : ndarray of uint8
        The picture, [height, width, 3].
    """

    def __init__(self, height: int, width: int) -> None:
        self.pixels: NDArray[np.uint8] = np.full((height, width, 3), WHITE, np.uint8)
        self._words: list[tuple[float, float, str, dict[str, str]]] = []

    def put(self, tile: drawing.Pixels, left: int, top: int, side: int) -> None:
        """Put a tile into the middle of a square: enlarged pixel by pixel, or shrunk."""
        small = thumbnail(tile, side)
        height, width = small.shape[:2]
        down, right = top + (side - height) // 2, left + (side - width) // 2
        self.pixels[down : down + height, right : right + width] = small

    def say(
        self, left: float, top: float, words: str, *, strong: bool = False, across: str = "left"
    ) -> None:
        """Write words whose upper edge lies at a height."""
        ink = drawing.INK if strong else drawing.QUIET
        self._words.append((left, top, words, {"color": ink, "ha": across}))

    def beside(self, other: TileSheet, apart: int) -> TileSheet:
        """Return one sheet of both, with another so many pixels right of this one."""
        (tall, wide), (high, across) = self.pixels.shape[:2], other.pixels.shape[:2]
        whole = TileSheet(max(tall, high), wide + apart + across)
        for sheet, left in ((self, 0), (other, wide + apart)):
            height, width = sheet.pixels.shape[:2]
            whole.pixels[:height, left : left + width] = sheet.pixels
            whole._words += [(left + x, y, words, look) for x, y, words, look in sheet._words]
        return whole

    def draw(self, axes: Axes, title: str, letters: int) -> None:
        """Show the picture with its words, below a title of so many letters at most."""
        drawing.show(axes, self.pixels)
        axes.set_anchor("NW")
        for left, top, words, look in self._words:
            axes.text(left, top, words, fontsize=drawing.SMALL_SIZE, va="top", **look)  # type: ignore[arg-type]
        lines = [shortened(line, letters) for line in title.split("\n")]
        axes.set_title("\n".join(lines), fontsize=drawing.TEXT_SIZE, color=drawing.INK, loc="left")
