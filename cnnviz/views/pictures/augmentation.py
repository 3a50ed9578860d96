"""How the draws of a training transform stand in a sheet, each beside its heatmap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.passes.likeliest import NO_CLASS
from cnnviz.results import drawing
from cnnviz.results.text import number, percent, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.augmentation import Augmentation

_SEAM, _GAP = 3, 14
"""Pixels between the tiles of a pair, and between pairs."""
_WIDE, _LEAST_WIDE, _HEAD = 2.95, 1.6, 0.55
"""Inches of a pair, of one in a column of a paper at least, and above the sheet."""
_LINE, _BELOW = 0.155, 0.17
"""Inches of a line below a pair, and what is free below the lines."""
_LETTERS = 11.7
"""Letters of a line for each inch of a pair: with more, lines run into those beside them."""
_MOST_ACROSS = 6


def draw(found: Augmentation, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the sheet, in a column of a paper with as few pairs across as can be read."""
    count, wide = len(found.sheet), _WIDE
    columns = _columns(found)
    if into is not None and drawing.too_narrow(into, _WIDE * columns):
        across = drawing.width_of(into)
        columns = min(count, max(1, int(across / _LEAST_WIDE)))
        wide = across / columns
    rows = -(-count // columns)
    tall = rows * _high(found, wide)
    figure = drawing.canvas(wide * columns, tall + _HEAD, into)
    title = found.summary()
    drawing.ask_for_height(figure, tall + drawing.heading_height(title, wide * columns) + 0.2)
    _sheet(figure.add_subplot(), found, columns, wide)
    drawing.heading(figure, title)
    return figure


def draw_alone(axes: Axes, found: Augmentation) -> None:
    """Draw the sheet into an Axes."""
    _sheet(axes, found, _columns(found), _WIDE)


def _high(found: Augmentation, wide: float) -> float:
    """Return the inches of a row with the lines below it, of pairs so many inches wide."""
    height, width = map(int, found.sheet.shape[2:4])
    return wide * height / (2 * width + _SEAM + _GAP) + (2 + found.asked) * _LINE + _BELOW


def _columns(found: Augmentation) -> int:
    """Return how many pairs stand side by side: those with which they are largest on a slide."""
    count = len(found.sheet)

    def size(columns: int) -> float:
        tall = -(-count // columns) * _high(found, _WIDE) + _HEAD
        return min(drawing.SLIDE / (_WIDE * columns), 1.0 / tall)

    return max(range(1, min(count, _MOST_ACROSS) + 1), key=size)


def _sheet(axes: Axes, found: Augmentation, columns: int, wide: float) -> None:
    """Draw pairs of so many inches, so many across."""
    height, width = found.sheet.shape[2:4]
    across = 2 * width + _SEAM + _GAP
    down = round(_high(found, wide) * across / wide)
    rows = -(-len(found.sheet) // columns)
    picture = np.full((rows * down, columns * across - _GAP, 3), 255, np.uint8)
    for place, pair in enumerate(found.sheet):
        left, top = place % columns * across, place // columns * down
        for half, tile in enumerate(pair):
            start = left + half * (width + _SEAM)
            picture[top : top + height, start : start + width] = tile
        said, colour = _label(found, place, int(_LETTERS * wide))
        axes.text(
            left, top + height + 4, said, va="top", ha="left",
            fontsize=drawing.SMALL_SIZE, color=colour,
        )  # fmt: skip
    drawing.show(axes, picture, smooth=True)


def _label(found: Augmentation, place: int, letters: int) -> tuple[str, str]:
    """Return the answer to a draw, where it is not what is followed, and that one's share."""
    value = found.original if place == 0 else float(found.answers[place - 1])
    said = percent(value) if found.unit == "probability" else number(value)
    lines = [f"{shortened(found.target, letters - 1 - len(said))} {said}"]
    answered = found.original_class if place == 0 else int(found.classes[place - 1])
    if answered not in (NO_CLASS, found.target_class):
        name = found.original_name if place == 0 else found.class_names[place - 1]
        lines.insert(0, f"→ {shortened(name, letters - 2)}")
    if place == 0:
        return "\n".join(["as it is", *lines]), drawing.INK
    other = answered != found.original_class
    return "\n".join(lines), drawing.WARM if other else drawing.QUIET
