"""Pictures, matrices of numbers and words, laid out in inches on one Axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cnnviz.results import colour_bars, drawing
from cnnviz.results.drawing import Pixels
from cnnviz.results.legibility import UnreadableError
from cnnviz.results.text import minus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text

MOST_NUMBERS = 16
"""Cells of a side of a matrix at most whose numbers are written into them."""
_SMALLEST = 3.6
"""Points of the smallest letters that can be read."""
_LEGIBLE = 4.4
"""Points of the numbers in cells at least, at the size a picture wants; else there are none."""
_LARGEST = 18.0
"""Points of the numbers in cells at most."""
_ROOMY, _TIGHT, _SMALL = 0.78, 0.88, 8.0
"""The share of a cell that its longest number takes, and that of numbers up to so many points."""
_HIGHEST = 0.42
"""The size of numbers as a share of the height of a cell at most."""
_CELL = 72.0
_LETTER = 0.62
"""Width of a digit over its size."""
_MINUS = 0.6
"""How much wider than a digit a minus is, with what hinting adds, as a share of a digit."""


@dataclass(frozen=True)
class Box:
    """A rectangle on a board, in inches from its upper left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right end."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower end."""
        return self.top + self.height

    def inside(self, height: float, width: float) -> Box:
        """Return the largest box of a shape that fits, in its middle and at its top."""
        factor = min(self.width / width, self.height / height)
        across, down = width * factor, height * factor
        return Box(self.left + (self.width - across) / 2, self.top, across, down)

    def part(
        self, rows: tuple[float, float], columns: tuple[float, float], shape: tuple[int, int]
    ) -> Box:
        """Return the part that holds some rows and columns of a matrix that fills the box."""
        down, across = self.height / shape[0], self.width / shape[1]
        return Box(
            self.left + columns[0] * across,
            self.top + rows[0] * down,
            (columns[1] - columns[0]) * across,
            (rows[1] - rows[0]) * down,
        )


@dataclass(frozen=True, eq=False)
class Matrix:
    """A drawn matrix, which the next frame of an animation may change."""

    box: Box
    image: AxesImage
    texts: tuple[Text, ...]

    def change(self, pixels: Pixels, words: Sequence[str] | None = None) -> None:
        """Give its cells other colours, and other numbers in letters that can be read on them."""
        self.image.set_data(pixels)
        if words is not None and self.texts:
            for text, word, colour in zip(self.texts, words, _inks(pixels), strict=True):
                text.set_text(word)
                text.set_color(colour)


class Board:
    """One Axes whose unit is the inch, from its upper left corner.

    Parameters
    ----------
    axes : Axes
        The Axes, which is given no ticks and no frame.
    width, height : float
        Its size in inches, where the figure is as large as the picture wants.
    scale : float
        How large the figure is, as a share of that; letters shrink with it.

    Raises
    ------
    UsageError
        If letters would be too small to be read.
    """

    def __init__(self, axes: Axes, width: float, height: float, scale: float = 1.0) -> None:
        self.axes, self.scale = axes, min(scale, 1.5)
        axes.set_xlim(0.0, width)
        axes.set_ylim(height, 0.0)
        axes.set_aspect("equal")
        axes.set_anchor("NW")
        drawing.hide_ticks(axes)
        self._limits = (width, height)

    def picture(self, pixels: Pixels, box: Box, *, smooth: bool = True) -> Box:
        """Show a picture inside a box, in its own shape, and return where it is."""
        place = box.inside(*pixels.shape[:2])
        enlarged = place.width * 110 > pixels.shape[1]
        self._image(pixels, place, "antialiased" if smooth and not enlarged else "nearest")
        return place

    def matrix(
        self,
        pixels: Pixels,
        box: Box,
        words: Sequence[str] | None = None,
        *,
        lines: bool = True,
        least: float = 0.0,
    ) -> Matrix:
        """Show cells of given colours [h, w, 3] inside a box, with words in them.

        Parameters
        ----------
        pixels : ndarray of uint8
            The colour of each cell.
        box : Box
            What they are to fill, as squares.
        words : sequence of str, optional
            What stands in the cells, row by row; nothing without it, or where it were too small.
        lines : bool
            Whether there are lines between cells.
        least : float
            Letters that have to fit into a cell, where later words are longer.
        """
        rows, columns = pixels.shape[:2]
        place = box.inside(rows, columns)
        image = self._image(pixels, place, "nearest")
        side = place.width / columns
        if lines:
            self._lines(place, rows, columns)
        texts: list[Text] = []
        if words is not None:
            wide = side * _CELL / (_LETTER * max(least, _longest(words)))
            # Numbers side by side read as one; small ones need what room there is.
            fitted = max(_ROOMY * wide, min(_TIGHT * wide, _SMALL))
            size = min(_LARGEST, _HIGHEST * side * _CELL, fitted)
            fitting = words if size >= _LEGIBLE else ()
            for cell, (word, colour) in enumerate(zip(fitting, _inks(pixels), strict=False)):
                row, column = divmod(cell, columns)
                at = (place.left + (column + 0.5) * side, place.top + (row + 0.5) * side)
                texts.append(self._cell_number(word, at, size, colour))
        return Matrix(place, image, tuple(texts))

    def words(
        self, text: str, left: float, top: float, *, size: float = drawing.TEXT_SIZE,
        middle: bool = False, **style: Any,
    ) -> Text:  # fmt: skip
        """Write words whose upper left corner, or whose middle, is at a place."""
        given: dict[str, Any] = {"color": drawing.INK, "ha": "center" if middle else "left"}
        given |= {"va": "center_baseline" if middle else "top"} | style
        return self.axes.text(left, top, text, fontsize=self._points(size), **given)

    def frame(
        self, box: Box, colour: str = drawing.WARM, width: float = 1.8, **style: Any
    ) -> Rectangle:
        """Draw a frame around a box."""
        from matplotlib.patches import Rectangle

        patch = Rectangle(
            (box.left, box.top), box.width, box.height, fill=False, edgecolor=colour,
            linewidth=width, **({"zorder": 4} | style),
        )  # fmt: skip
        self.axes.add_patch(patch)
        return patch

    def bar(self, box: Box, scale: drawing.Scale, label: str) -> None:
        """Put a colour bar to the right of a box, as high as it is."""
        width, height = self._limits
        place = (
            (box.right + 0.1) / width, 1.0 - box.bottom / height, 0.12 / width, box.height / height,
        )  # fmt: skip
        colour_bars.colour_bar(self.axes, scale, label, place=place, inches=box.height)

    def _points(self, size: float) -> float:
        """Return the size of letters on the figure; refuse what cannot be read."""
        points = size * self.scale
        if points < _SMALLEST:
            raise UnreadableError(
                "The numbers of this picture could not be read at that size.",
                "Give a larger size, or none.",
            )
        return points

    def _cell_number(self, word: str, at: tuple[float, float], size: float, colour: str) -> Text:
        from cnnviz.views.pictures.cell_numbers import CellNumber

        # It stays inside its cell, so that a layout need not measure it.
        number = CellNumber(
            self._limits[0] * self.scale, x=at[0], y=at[1], text=word, color=colour,
            fontsize=self._points(size), ha="center", va="center_baseline", clip_on=False,
        )  # fmt: skip
        number.set_in_layout(False)
        self.axes.add_artist(number)
        return number

    def _image(self, pixels: Pixels, box: Box, interpolation: str) -> AxesImage:
        limits = self.axes.get_xlim(), self.axes.get_ylim()
        image = self.axes.imshow(
            pixels, extent=(box.left, box.right, box.bottom, box.top), interpolation=interpolation
        )
        # Showing a picture fits the axes to it.
        self.axes.set_xlim(*limits[0])
        self.axes.set_ylim(*limits[1])
        return image

    def _lines(self, box: Box, rows: int, columns: int) -> None:
        from matplotlib.collections import LineCollection

        down, across = box.height / rows, box.width / columns
        segments = [
            [(box.left, box.top + row * down), (box.right, box.top + row * down)]
            for row in range(rows + 1)
        ]
        segments += [
            [(box.left + column * across, box.top), (box.left + column * across, box.bottom)]
            for column in range(columns + 1)
        ]
        drawn = LineCollection(segments, colors=drawing.FAINT, linewidths=0.5, zorder=2)
        self.axes.add_collection(drawn, autolim=False)


def _longest(words: Sequence[str]) -> float:
    """Return the letters of the longest word, of which a minus is wider than a digit."""
    return max(2.0, *(len(word) + _MINUS * word.count("−") for word in words))


def cells_with_numbers(inches: float, words: Sequence[str], points: float) -> int:
    """Return how many cells side by side leave room for words of so many points."""
    share = min(_HIGHEST, _TIGHT / (_LETTER * _longest(words)))
    return max(1, int(share * inches * _CELL / points))


def boards_scale(figure: drawing.Canvas, width: float, height: float) -> float:
    """Return how large a figure is, as a share of the size that a picture wants."""
    box, dpi = figure.bbox, figure.dpi
    return float(min(box.width / dpi / width, box.height / dpi / height))


def written(values: NDArray[Any], form: Callable[[float], str]) -> list[str] | None:
    """Return the values of a matrix as words, row by row; None where it has too many cells."""
    if max(values.shape) > MOST_NUMBERS:
        return None
    return [minus(form(float(value))) for value in values.ravel()]


def _inks(pixels: Pixels) -> list[str]:
    """Return the colour of letters that can be read on each cell."""
    light = pixels.reshape(-1, 3) @ drawing.LUMA > 140.0
    return [drawing.INK if each else "white" for each in light]
