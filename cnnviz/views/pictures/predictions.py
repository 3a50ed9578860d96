"""The answers to many images on one sheet, each marked where its label is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.contact_sheet import SheetEntry, SheetLayout, draw_sheet
from cnnviz.results.text import percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.predicted_classes import Predictions

THUMBNAIL = 320
"""The longer side of a thumbnail in pixels."""
_MOST_ANSWERS = 3
_DARK = 0.6
"""Lightness below which white letters are read on a colour."""


def sheet_layout(found: Predictions) -> SheetLayout:
    """Return where everything stands on a sheet of answers."""
    return SheetLayout(1, 2 + max(len(_more(found, place)) for place in range(len(found.images))))


def draw_predictions(found: Predictions, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the images in rows, each with its first answers."""
    entries = [_entry(found, place) for place in range(len(found.images))]
    known = [answer.right for answer in found.answers if answer.right is not None]
    right = f"; {sum(known)} of {len(known)} right" if known else ""
    images = found.page or plural(len(found.images), "image")
    title = f"{found.provenance.model} on {images}{right}"
    return draw_sheet(entries, title, into)[0]


def draw_bars(
    axes: Axes,
    values: NDArray[np.float64],
    names: Sequence[str],
    said: Sequence[str],
    colours: Sequence[str],
    *,
    axis: str,
    end: float = 1.0,
    low: float = 0.0,
) -> None:
    """Draw a bar for each class from above, with what is said of it at its end.

    Parameters
    ----------
    axes : Axes
        Where.
    values : ndarray of float
        [k]: the lengths of the bars, on a scale from `low` to `end`.
    names, said, colours : sequence of str
        The name of each class, its value in words, and the colour of its bar.
    axis : str
        What the values are.
    end, low : float
        Where the scale ends and begins.
    """
    from matplotlib.colors import to_rgb

    rows = np.arange(len(values))
    axes.barh(rows, values, color=list(colours), height=0.62)
    for row, value in enumerate(values):
        # A bar past four fifths leaves no room behind it.
        inside = value > 0.8 * end
        dark = float(np.dot(to_rgb(colours[row]), drawing.LUMA)) < _DARK
        axes.text(
            value - 0.01 * end if inside else max(value, 0.0) + 0.01 * end,
            row,
            said[row],
            va="center",
            ha="right" if inside else "left",
            fontsize=drawing.TEXT_SIZE,
            color="white" if inside and dark else drawing.INK,
        )
    axes.set_yticks(rows, list(names))
    axes.tick_params(axis="y", length=0, labelcolor=drawing.INK)
    axes.invert_yaxis()
    axes.set_xlim(low, end)
    axes.set_xlabel(axis, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    drawing.plain_axes(axes)
    axes.tick_params(axis="y", labelsize=drawing.TEXT_SIZE, labelcolor=drawing.INK)
    axes.spines["left"].set_visible(False)


def _entry(found: Predictions, place: int) -> SheetEntry:
    right = found.answers[place].right if found.answers else None
    said = f"{found.names[place][0]} {found.said(place, 0)}"
    photo = found.thumbnails[place]
    return SheetEntry((photo,), found.images[place], said, right, _more(found, place))


def _more(found: Predictions, place: int) -> tuple[str, ...]:
    """Return what stands below the first answer: the label where that is wrong, and others."""
    shown = range(1, min(_MOST_ANSWERS, len(found.names[place])))
    lines = [f"{found.names[place][rank]} {found.said(place, rank)}" for rank in shown]
    if found.answers and found.answers[place].right is False:
        answer = found.answers[place]
        # Every entry has as many lines, so that no photo stands lower than its neighbours.
        told = f"labelled {answer.truth} {percent(answer.truth_probability)}"
        lines = [told, *lines][: max(1, len(lines))]
    return tuple(lines)
