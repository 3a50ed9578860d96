"""Many photos on one sheet: thumbnails in rows, with their names, answers and marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from cnnviz.results import drawing
from cnnviz.results.text import shortened, shortened_apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.results.drawing import Pixels

WIDTH = 12.0
"""Inches of a sheet; one that has more pictures of each photo is wider."""
PAGE = 15.0
"""Inches of a page at most: past that a picture can only be scrolled over."""
_DOTS = 160
"""Pixels of an inch of the composed picture."""
_TILE = 1.84
_GAP, _APART = 0.04, 0.16
_LINE = 0.15
_HEAD = 0.5
_LETTERS_PER_INCH = 15.0
_RIGHT, _WRONG = "✓", "✗"
MARKS = f" {_RIGHT} in blue: the answer is the photo's label; {_WRONG} in orange: it is not."
"""What the caption of a sheet says where labels are known."""


@dataclass(frozen=True, eq=False)
class SheetEntry:
    """A photo on a sheet.

    Attributes
    ----------
    tiles : tuple of ndarray of uint8
        Its pictures, one beside the other, each [h, w, 3].
    name : str
        What it is called.
    said : str
        The answer to it, in bold; empty where there is none.
    right : bool or None
        Whether the answer is right, which a tick or a cross and a colour say; None if not known.
    more : tuple of str
        Further lines.
    labels : tuple of str
        What stands above each of its pictures, below all of these.
    """

    tiles: tuple[Pixels, ...]
    name: str
    said: str = ""
    right: bool | None = None
    more: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """Lines of text above its pictures."""
        return 1 + bool(self.said) + len(self.more) + bool(self.labels)


@dataclass(frozen=True)
class SheetLayout:
    """Where everything stands on a sheet.

    Attributes
    ----------
    tiles, lines : int
        Pictures of each photo, and lines of text above them.
    """

    tiles: int
    lines: int

    @property
    def width(self) -> float:
        """Inches that a photo takes, with the space after it."""
        return self.tiles * (_TILE + _GAP) - _GAP + _APART

    @property
    def height(self) -> float:
        """Inches that a row takes, with its text."""
        return self.lines * _LINE + _TILE + _APART

    @property
    def columns(self) -> int:
        """Photos in a row."""
        return max(1, int((WIDTH + _APART) / self.width))

    def pages(self, count: int, tallest: float) -> list[slice]:
        """Return which of so many photos stand on each page, none taller than so many inches.

        All pages hold about as many, in full rows.
        """
        most = max(1, int((min(PAGE, tallest) - _HEAD) / self.height))
        rows = -(-count // self.columns)
        each = self.columns * -(-rows // -(-rows // most))
        return [slice(start, min(start + each, count)) for start in range(0, count, each)]


def page_title(part: slice, count: int) -> str:
    """Say which of so many images a page shows."""
    return f"images {part.start + 1} to {part.stop} of {count:,}"


def draw_sheet(
    entries: Sequence[SheetEntry],
    title: str,
    into: drawing.Canvas | None = None,
    *,
    beside: float = 0.1,
) -> tuple[drawing.Canvas, Axes, tuple[float, float, float, float]]:
    """Draw photos on a sheet, with so many inches beside it for a colour bar.

    Returns
    -------
    canvas, axes
        What it is drawn into, and the one Axes of the whole sheet.
    bar : (float, float, float, float)
        Where in it a colour bar stands that is as high as the pictures of the first row.
    """
    layout = SheetLayout(len(entries[0].tiles), max(entry.lines for entry in entries))
    columns = min(layout.columns, len(entries))
    rows = -(-len(entries) // columns)
    wide, tall = columns * layout.width - _APART, rows * layout.height - _APART
    figure = drawing.canvas(wide + beside, tall + _HEAD, into)
    axes = figure.add_subplot()
    ground = np.full((_dots(tall), _dots(wide), 3), 255, np.uint8)
    letters = int((layout.width - _APART) * _LETTERS_PER_INCH)
    names = shortened_apart([entry.name for entry in entries], letters)
    for place, (entry, name) in enumerate(zip(entries, names, strict=True)):
        left, top = place % columns * layout.width, place // columns * layout.height
        for at, tile in enumerate(entry.tiles):
            _paste(ground, tile, left + at * (_TILE + _GAP), top + layout.lines * _LINE)
        _write(axes, replace(entry, name=name), left, top, layout)
    drawing.show(axes, ground, smooth=True)
    axes.set_anchor("NW")
    drawing.heading(figure, title)
    below = layout.lines * _LINE + _TILE
    return figure, axes, (1.0 + 0.12 / wide, 1.0 - below / tall, 0.14 / wide, _TILE / tall)


def _dots(inches: float) -> int:
    return round(inches * _DOTS)


def _paste(ground: Pixels, tile: Pixels, left: float, top: float) -> None:
    """Put a picture into its square; a small one grows by a whole factor, pixel by pixel."""
    side = _dots(_TILE)
    fitted = drawing.fit(tile, side)
    longest = max(fitted.shape[:2])
    factor, how = float(side // longest), cv2.INTER_NEAREST
    if factor == 1.0:
        factor, how = side / longest, cv2.INTER_CUBIC
    height, width = (max(1, round(factor * length)) for length in fitted.shape[:2])
    grown = cv2.resize(fitted, (width, height), interpolation=how)
    across, down = _dots(left), _dots(top)
    ground[down : down + height, across : across + width] = grown


def _write(axes: Axes, entry: SheetEntry, left: float, top: float, layout: SheetLayout) -> None:
    wide = layout.width - _APART
    lines = [(entry.name, drawing.QUIET, "normal"), *_answer(entry)]
    lines += [(text, drawing.INK, "normal") for text in entry.more]
    for place, (text, colour, weight) in enumerate(lines):
        _text(axes, text, left, top + (place + 1) * _LINE, wide, color=colour, fontweight=weight)
    for place, text in enumerate(entry.labels):
        across = left + place * (_TILE + _GAP)
        _text(axes, text, across, top + layout.lines * _LINE, _TILE, color=drawing.INK)


def _text(axes: Axes, text: str, left: float, low: float, wide: float, **style: Any) -> None:
    """Write a line of so many inches whose lower end is at a height."""
    axes.text(
        _dots(left),
        _dots(low - 0.15 * _LINE),
        shortened(text, int(wide * _LETTERS_PER_INCH)),
        fontsize=drawing.SMALL_SIZE,
        va="baseline",
        **style,
    )


def _answer(entry: SheetEntry) -> list[tuple[str, str, str]]:
    if not entry.said:
        return []
    if entry.right is None:
        return [(entry.said, drawing.INK, "bold")]
    mark, colour = (_RIGHT, drawing.ACCENT) if entry.right else (_WRONG, drawing.WARM)
    return [(f"{mark} {entry.said}", colour, "bold")]
