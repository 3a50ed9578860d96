"""How the comparison of two networks is drawn: the matrix of CKA, and answers side by side."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results import colour_bars, drawing
from cnnviz.results.text import number, shortened, whole_percent
from cnnviz.views._compare_pass import LACKING, share_told
from cnnviz.views._compare_text import no_cka

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.compare import Comparison

_CELL, _MOST_NUMBERS = 0.5, 14
"""Inches of a cell with its number, and up to how many of them in a row have one."""
_NUMBER = 0.28
"""Inches that a number takes; narrower cells have none."""
_LEAST, _MOST = 3.2, 9.0
_SAID, _SAID_LETTERS = 5.4, 68
"""Inches of a picture of answers alone, and letters of a line below them."""
_FEWEST, _TITLED = 12, 0.5
"""Letters of a line below an answer at least, and inches that the title takes."""
_LETTER = 0.078
"""Inches of a letter of a layer's name, with what is free between two names."""
_GAP, _LABEL, _HEAD = 30, 44, 42
_BESIDE = 2.0
"""Inches that the names of layers and the bar take beside the matrix of a column."""
_DARK = 0.6
"""Up to here the colours are dark, and a number on them is white."""


def draw(found: Comparison, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the matrix on the left and the answers on the right; alone where there is no CKA."""
    if not np.isfinite(found.cka).any():
        return _answers_alone(found, into)
    rows, columns = found.cka.shape
    width, height = (min(max(_LEAST, _CELL * count), _MOST) for count in (columns, rows))
    sheet = 3.6
    tall = max(height + 1.6, 1.9 * len(found.examples))
    figure = drawing.canvas(width + sheet + 2.4, tall + 0.6, into)
    if drawing.is_narrow(figure):
        _in_a_column(found, figure, height)
        return figure
    left, right = figure.subplots(1, 2, width_ratios=[width + 1.6, sheet])
    # The share of the figure that the matrix has, without its labels and its bar.
    across = drawing.width_of(figure) * (width + 1.6) / (width + 1.6 + sheet) - 1.9
    _matrix(found, left, across)
    whole = drawing.width_of(figure), drawing.height_of(figure) - _TITLED
    _answers(found, right, whole[0] * sheet / (width + 1.6 + sheet), whole[1])
    drawing.heading(figure, found.headline())
    return figure


def _in_a_column(found: Comparison, figure: drawing.Canvas, height: float) -> None:
    """Draw the matrix above the answers, each as wide as the column."""
    examples = max(2.0, 1.9 * len(found.examples) + 0.4)
    heights = [height + 0.9, examples]
    above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    _matrix(found, above.add_subplot(), drawing.width_of(figure) - _BESIDE)
    _answers(found, below.add_subplot(), drawing.width_of(figure), examples)
    drawing.ask_for_height(figure, sum(heights) + drawing.heading_height(found.headline(), 4.0))
    drawing.heading(figure, found.headline())


def _answers_alone(found: Comparison, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the answers, and say why there is no matrix: an empty one would be a grey panel."""
    lines = textwrap.wrap(no_cka(found), _SAID_LETTERS)
    figure = drawing.canvas(_SAID, max(2.4, 1.9 * len(found.examples)) + 0.9, into)
    axes = figure.subplots()
    _answers(found, axes, drawing.width_of(figure), drawing.height_of(figure) - _TITLED)
    axes.set_xlabel("\n".join(lines), fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left")
    drawing.heading(figure, found.headline())
    return figure


def _matrix(found: Comparison, axes: Axes, across: float) -> None:
    scale = drawing.Scale(0.0, 1.0)
    axes.imshow(scale.paint(found.cka), interpolation="nearest", aspect="auto")
    rows, columns = found.cka.shape
    if max(rows, columns) <= _MOST_NUMBERS and across > _NUMBER * columns:
        for row, column in np.ndindex(rows, columns):
            value = float(found.cka[row, column])
            known = np.isfinite(value)
            axes.text(
                column, row, f"{value:.2f}" if known else "–", ha="center", va="center",
                fontsize=drawing.SMALL_SIZE,
                color="white" if known and value <= _DARK else drawing.INK,
            )  # fmt: skip
    # What else is grey and has a dash in it would be a riddle.
    lacking = "" if np.isfinite(found.cka).all() else f"\n–: {LACKING}"
    for axis, names, network, more in (
        (axes.yaxis, found.layers, found.names[0], ""),
        (axes.xaxis, found.other_layers, found.names[1], lacking),
    ):
        step = -(-len(names) // 40)
        axis.set_ticks(range(0, len(names), step), [shortened(one, 24) for one in names[::step]])
        axis.set_label_text(
            f"layers of {shortened(network, 34)}{more}",
            fontsize=drawing.TEXT_SIZE,
            color=drawing.INK,
        )
    axes.tick_params(labelsize=drawing.SMALL_SIZE, colors=drawing.QUIET, length=2)
    below = axes.get_xticklabels()
    longest = max(len(text.get_text()) for text in below)
    if longest * _LETTER > across / len(below):
        axes.tick_params(axis="x", labelrotation=90)
    for spine in axes.spines.values():
        spine.set_visible(False)
    colour_bars.bar_of_panels(
        axes, scale, "CKA (1: alike, 0: nothing in common)", fraction=0.05, pad=0.02, aspect=28
    )


def _answers(found: Comparison, axes: Axes, wide: float, high: float) -> None:
    """Draw the answers into so many inches, with names that end before the next column."""
    count, _, side = found.sheet.shape[:3]
    down, across = side + _LABEL, side + _GAP
    inches = min(wide / (2 * across - _GAP), high / (count * down + _HEAD))
    letters = max(_FEWEST, int(inches * across / _LETTER))
    picture = np.full((count * down + _HEAD, 2 * across - _GAP, 3), 255, np.uint8)
    rights = zip(found.names, found.accuracies, found.labelled, strict=True)
    for column, (name, share, labelled) in enumerate(rights):
        lines = _two_lines(name, letters)
        lines += [f"right: {share_told(share, labelled)}"] if labelled else []
        axes.text(
            column * across, _HEAD - 4, "\n".join(lines), va="bottom", ha="left",
            fontsize=drawing.SMALL_SIZE, color=drawing.INK,
        )  # fmt: skip
    for row, column in np.ndindex(count, 2):
        top, left = row * down + _HEAD, column * across
        picture[top : top + side, left : left + side] = found.sheet[row, column]
        said, wrong = _label(found, row, column, letters)
        axes.text(
            left, top + side + 3, said, va="top", ha="left", fontsize=drawing.SMALL_SIZE,
            color=drawing.WARM if wrong else drawing.QUIET,
        )  # fmt: skip
    drawing.show(axes, picture, smooth=True)


def _two_lines(name: str, letters: int) -> list[str]:
    """Return a name on two lines at most, with its end: checkpoints differ in it."""
    lines = textwrap.wrap(name, letters, break_on_hyphens=False)
    if len(lines) <= 2 and max(map(len, lines), default=0) <= letters:
        return lines
    short = shortened(name, 2 * letters)
    return [short[:letters], short[letters:]]


def _label(found: Comparison, row: int, column: int, letters: int) -> tuple[str, bool]:
    """Return what is said of an answer, and whether it is not the label of the image."""
    value = float(found.example_answers[row, column])
    name, truth = found.example_classes[row][column], found.truths[row]
    share = whole_percent(value) if found.units[column] == "probability" else number(value)
    said = f"{shortened(name, letters - 1 - len(share))} {share}".strip()
    wrong = found.example_right[row][column] is False
    return f"{said}\nlabel: {shortened(truth, letters - len('label: '))}" if truth else said, wrong
