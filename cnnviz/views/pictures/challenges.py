"""How challenges are drawn: for each sweep a strip of pictures with heatmaps, and its curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.text import number, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.challenges import Challenges

_GAP, _LABEL, _BETWEEN = 3, 15, 14
"""Pixels between tiles, below them for their amounts, and between sweeps."""
_NAMES, _CURVES, _TOLD = 122, 190, 140
"""Pixels for the names on the left, and for curves and words on the right."""
_SHOWN = 7
_ONE_COLUMN = 5
"""Up to so many sweeps stand one below the other; more stand in two columns."""
_GREEN = "#2f9e63"
_PIXELS_PER_INCH = 84.0


def draw(found: Challenges, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw a strip and its curves for each sweep."""
    width, height = _extent(found)
    figure = drawing.canvas(width / _PIXELS_PER_INCH, height / _PIXELS_PER_INCH + 0.8, into)
    draw_panel(found, figure.add_subplot())
    drawing.heading(figure, found.summary())
    return figure


def draw_panel(found: Challenges, axes: Axes) -> None:
    """Draw strips and curves side by side, so that they stay in line at any size."""
    width, height = _extent(found)
    axes.imshow(_strips(found), interpolation="antialiased")
    drawing.hide_ticks(axes)
    for place in range(len(found.sweeps)):
        left, top = _corner(found, place)
        _names(axes, found, place, left, top)
        _curves(axes, found, place, left + _strip_width(found) + 24, top)
    for column in range(_columns(found)):
        _key(axes, found, column * _block(found)[0] + _strip_width(found) + 24)
    axes.set_xlim(-_NAMES, width - _NAMES)
    axes.set_ylim(height, -22)


def _columns(found: Challenges) -> int:
    return 1 if len(found.sweeps) <= _ONE_COLUMN else 2


def _tile_size(found: Challenges) -> tuple[int, int]:
    height, width = found.strips.shape[3:5]
    return int(height), int(width)


def _steps(found: Challenges) -> NDArray[np.int64]:
    """Return the steps that are shown as pictures; the curves have all."""
    count = found.amounts.shape[1]
    return np.unique(np.linspace(0, count - 1, min(count, _SHOWN)).round().astype(np.int64))


def _strip_width(found: Challenges) -> int:
    return len(_steps(found)) * (_tile_size(found)[1] + _GAP) - _GAP


def _block(found: Challenges) -> tuple[int, int]:
    """Return the width and height of a sweep with all that belongs to it."""
    tall = 2 * _tile_size(found)[0] + _GAP + _LABEL + _BETWEEN
    return _NAMES + _strip_width(found) + 24 + _CURVES + _TOLD, tall


def _corner(found: Challenges, place: int) -> tuple[int, int]:
    """Return the left and the upper pixel of the strip of a sweep."""
    rows = -(-len(found.sweeps) // _columns(found))
    width, height = _block(found)
    return place // rows * width, place % rows * height


def _extent(found: Challenges) -> tuple[int, int]:
    columns = _columns(found)
    width, height = _block(found)
    return columns * width, -(-len(found.sweeps) // columns) * height


def _strips(found: Challenges) -> NDArray[np.uint8]:
    """Return all strips as one picture."""
    height, width = _tile_size(found)
    wide, tall = _extent(found)
    picture = np.full((tall, wide - _NAMES, 3), 255, np.uint8)
    for place in range(len(found.sweeps)):
        left, top = _corner(found, place)
        for column, step in enumerate(_steps(found)):
            across = left + column * (width + _GAP)
            for half in range(2):
                down = top + half * (height + _GAP)
                tile = found.strips[place, step, half]
                picture[down : down + height, across : across + width] = tile
    return picture


def _names(axes: Axes, found: Challenges, place: int, left: int, top: int) -> None:
    """Write what is swept beside a strip, and the amounts below its pictures."""
    height, width = _tile_size(found)
    small = drawing.SMALL_SIZE
    below = top + 2 * height + _GAP + 8
    for at, text, size, colour in (
        (top + height - 10, found.sweeps[place], drawing.TEXT_SIZE, drawing.INK),
        (top + height + 8, found.challenges[place], small, drawing.QUIET),
        (below, found.units[place], small - 0.5, drawing.QUIET),
    ):
        axes.text(left - 8, at, text, fontsize=size, color=colour, va="center", ha="right")
    for column, step in enumerate(_steps(found)):
        middle = left + column * (width + _GAP) + width / 2
        axes.text(
            middle, below, number(float(found.amounts[place, step])),
            fontsize=small - 0.5, color=drawing.QUIET, va="center", ha="center",
        )  # fmt: skip


def _curves(axes: Axes, found: Challenges, place: int, left: int, top: int) -> None:
    height = 2 * _tile_size(found)[0] + _GAP
    across = left + np.linspace(0.0, _CURVES, found.amounts.shape[1])

    def up(values: NDArray[np.float64]) -> NDArray[np.float64]:
        raised: NDArray[np.float64] = top + height * (1.0 - values)
        return raised

    for level in (0.0, 0.5, 1.0):
        line = up(np.array([level, level]))
        axes.plot(across[[0, -1]], line, color=drawing.FAINT, linewidth=0.7, zorder=0)
    axes.plot(
        across, up(np.clip(found.similarity[place], 0.0, 1.0)), color=drawing.WARM,
        linewidth=1.1, linestyle="--",
    )  # fmt: skip
    axes.plot(across, up(found.on_object[place]), color=_GREEN, linewidth=1.0, linestyle=":")
    values = _unit(found, found.answers[place])
    axes.plot(across, up(values), color=drawing.ACCENT, linewidth=1.7)
    other = (found.classes[place] != found.classes[place, 0]) & found.named
    axes.plot(
        across[other], up(values[other]), "o", color=drawing.ACCENT, markersize=5.0,
        markerfacecolor="white",
    )  # fmt: skip
    _words(axes, found, place, float(across[-1]) + 10, top + height / 2)


def _unit(found: Challenges, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return answers as heights from 0 to 1: probabilities as they are, scores by their range."""
    if found.unit == "probability":
        return values
    low, high = float(found.answers.min()), float(found.answers.max())
    return (values - low) / (high - low) if high > low else np.full_like(values, 0.5)


def _words(axes: Axes, found: Challenges, place: int, left: float, middle: float) -> None:
    at = found.first_changes[place]
    weakest = place == found.weakest
    if at is None:
        said = "held" if found.named else ""
    else:
        before, after = (number(float(v)) for v in found.amounts[place, at - 1 : at + 1])
        said = f"{shortened(found.class_names[place][at], 20)}\nat {after} (held at {before})"
        said += "\nthe weakest spot" if weakest else ""
    axes.text(
        left, middle, said, fontsize=drawing.SMALL_SIZE, va="center", ha="left",
        color=drawing.WARM if weakest else drawing.QUIET,
        fontweight="bold" if weakest else "normal",
    )  # fmt: skip


def _key(axes: Axes, found: Challenges, left: int) -> None:
    """Write above the curves what each of them is."""
    ends = "0 to 1"
    if found.unit == "score":
        ends = f"{number(float(found.answers.min()))} to {number(float(found.answers.max()))}"
    words = [(f"{found.unit} ({ends})", drawing.ACCENT)]
    if found.layers:
        words.append(("heatmap stays", drawing.WARM))
    if found.rendered and found.layers:
        words.append(("on the object", _GREEN))
    for place, (word, colour) in enumerate(words):
        axes.text(
            left + 118 * place, -12, word, fontsize=drawing.SMALL_SIZE, color=colour,
            va="center", ha="left",
        )  # fmt: skip
