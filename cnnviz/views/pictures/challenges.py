"""How challenges are drawn: for each sweep a strip of pictures with heatmaps, and its curves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.text import number, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.challenges import Challenges

_WIDE, _TALL = 13.0, 7.0
"""Inches of sweeps in two columns: with the heading a slide of 16:9, where tiles are square."""
_TITLE, _AMOUNTS, _KEY = 0.24, 0.22, 0.24
"""Inches above a strip, below it, and above all of them."""
_GAP, _BETWEEN, _BESIDE = 0.025, 0.06, 0.3
"""Inches between tiles, between sweeps, and from a strip to its curves or to the next column."""
_FURTHEST = 0.6
"""Inches that sweeps lie further apart at most, where a canvas has room."""
_LARGEST = 1.0
"""Inches of the side of a tile at most."""
_NARROWEST = 1.9
"""Inches of curves at least."""
_SHOWN = 7
_ONE_COLUMN, _MOST_COLUMNS = 3, 3
"""Up to so many sweeps stand one below the other; and columns at most."""
_GREEN = "#2f9e63"


@dataclass(frozen=True)
class _Layout:
    """Where everything is, in inches from the upper left.

    Attributes
    ----------
    columns, rows : int
        Of sweeps.
    tile : (float, float)
        Height and width of a picture in a strip.
    strip : float
        The width of a strip.
    curves : float
        The width of the curves beside it.
    between : float
        What is free below a sweep.
    """

    columns: int
    rows: int
    tile: tuple[float, float]
    strip: float
    curves: float
    between: float = _BETWEEN

    @classmethod
    def of(cls, found: Challenges, into: drawing.Canvas | None = None) -> _Layout:
        """Return the layout that suits a page, or a canvas, whose shape it fills best."""
        count = len(found.sweeps)
        if into is None or count <= _ONE_COLUMN:
            return cls.in_columns(found, 1 if count <= _ONE_COLUMN else 2)
        ratio = float(into.bbox.width / into.bbox.height)
        tried = [cls.in_columns(found, columns) for columns in range(1, _MOST_COLUMNS + 1)]
        best = min(tried, key=lambda each: abs(np.log(each.size[0] / each.size[1] / ratio)))
        return best.spread(best.size[0] / ratio - _above(found, best))

    def spread(self, height: float) -> _Layout:
        """Return it with its rows further apart, where a canvas of its shape is higher."""
        spare = max(0.0, height - self.size[1]) / self.rows
        return replace(self, between=self.between + min(spare, _FURTHEST))

    @classmethod
    def in_columns(cls, found: Challenges, columns: int) -> _Layout:
        """Return the layout in which tiles are as large as a slide has room for."""
        count, (height, width) = len(found.sweeps), found.strips.shape[3:5]
        rows = -(-count // columns)
        larger = max(1.0, columns / 2.0)
        across = (larger * _WIDE - (columns - 1) * _BESIDE) / columns
        steps = len(_steps(found))
        room = (across - _BESIDE - _NARROWEST) / steps - _GAP
        high = (larger * _TALL / rows - _TITLE - _AMOUNTS - _BETWEEN - _GAP) / 2.0 * width / height
        # A tall photo gets a taller picture rather than tiles too small to see.
        side = min(room, _LARGEST, max(high, 0.75 * min(room, 0.6)))
        strip = steps * (side + _GAP) - _GAP
        return cls(columns, rows, (side * height / width, side), strip, across - strip - _BESIDE)

    @property
    def block(self) -> tuple[float, float]:
        """The width and height of a sweep with all that belongs to it."""
        tall = _TITLE + 2.0 * self.tile[0] + _GAP + _AMOUNTS + self.between
        return self.strip + _BESIDE + self.curves + _BESIDE, tall

    @property
    def size(self) -> tuple[float, float]:
        """The width and height of all."""
        width, height = self.block
        return self.columns * width - _BESIDE, _KEY + self.rows * height

    def corner(self, place: int) -> tuple[float, float]:
        """Return the left and the upper end of the strip of a sweep."""
        width, height = self.block
        return place // self.rows * width, _KEY + place % self.rows * height + _TITLE


def draw(found: Challenges, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw a strip and its curves for each sweep."""
    layout = _Layout.of(found, into)
    width, height = layout.size
    figure = drawing.canvas(width + 0.15, height + _above(found, layout), into)
    _draw(found, figure.add_subplot(), layout)
    drawing.heading(figure, found.summary())
    return figure


def _above(found: Challenges, layout: _Layout) -> float:
    """Return the inches of the heading."""
    return 0.12 + drawing.heading_height(found.summary(), layout.size[0])


def draw_panel(found: Challenges, axes: Axes) -> None:
    """Draw strips and curves into an Axes."""
    _draw(found, axes, _Layout.of(found))


def _draw(found: Challenges, axes: Axes, layout: _Layout) -> None:
    """Draw strips and curves side by side, so that they stay in line at any size."""
    width, height = layout.size
    for place in range(len(found.sweeps)):
        left, top = layout.corner(place)
        _strip(axes, found, layout, place)
        _names(axes, found, place, left, top - 0.5 * _TITLE)
        _amounts(axes, found, layout, place)
        _curves(axes, found, layout, place)
    _key(axes, found, width / 4.0)
    axes.set_aspect("equal")
    # A ring at the end of a curve is whole.
    axes.set_xlim(0.0, width + 0.06)
    axes.set_ylim(height, 0.0)
    drawing.hide_ticks(axes)


def _steps(found: Challenges) -> NDArray[np.int64]:
    """Return the steps that are shown as pictures; the curves have all."""
    count = found.amounts.shape[1]
    return np.unique(np.linspace(0, count - 1, min(count, _SHOWN)).round().astype(np.int64))


def _strip(axes: Axes, found: Challenges, layout: _Layout, place: int) -> None:
    """Show the pictures of a sweep with the heatmaps below them, as one image."""
    tiles = found.strips[place][_steps(found)]
    count, _, height, width = tiles.shape[:4]
    gap = max(1, round(_GAP * width / layout.tile[1]))
    picture = np.full((2 * height + gap, count * (width + gap) - gap, 3), 255, np.uint8)
    for column, pair in enumerate(tiles):
        for half, tile in enumerate(pair):
            down, across = half * (height + gap), column * (width + gap)
            picture[down : down + height, across : across + width] = tile
    left, top = layout.corner(place)
    bottom = top + 2.0 * layout.tile[0] + _GAP
    extent = (left, left + layout.strip, bottom, top)
    axes.imshow(picture, extent=extent, interpolation="antialiased")


def _names(axes: Axes, found: Challenges, place: int, left: float, middle: float) -> None:
    """Write above a strip what is swept, and whether it is the weakest spot."""
    weakest = place == found.weakest
    said = f"{found.sweeps[place]} ({found.challenges[place]})"
    axes.text(
        left, middle, f"{said}: the weakest spot" if weakest else said, va="center", ha="left",
        fontsize=drawing.TEXT_SIZE, color=drawing.WARM if weakest else drawing.INK,
        fontweight="bold" if weakest else "normal",
    )  # fmt: skip


def _amounts(axes: Axes, found: Challenges, layout: _Layout, place: int) -> None:
    """Write the amounts below the pictures, and what they are below the curves."""
    left, top = layout.corner(place)
    below = top + 2.0 * layout.tile[0] + _GAP + 0.55 * _AMOUNTS
    for column, step in enumerate(_steps(found)):
        axes.text(
            left + column * (layout.tile[1] + _GAP) + layout.tile[1] / 2.0, below,
            _amount(float(found.amounts[place, step])), fontsize=drawing.SMALL_SIZE,
            color=drawing.QUIET, va="center", ha="center",
        )  # fmt: skip
    # The curves go from the first amount to the last; their rings reach below the axis.
    axes.text(
        left + layout.strip + _BESIDE, below, found.units[place],
        fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, va="center", ha="left",
    )  # fmt: skip


def _amount(value: float) -> str:
    """Return an amount that fits below a picture.

    >>> _amount(0.003487), _amount(0.158), _amount(-47.71), _amount(180.0)
    ('0.0035', '0.16', '−47.7', '180')
    """
    return number(float(f"{value:.2g}")) if abs(value) < 1.0 else number(value)


def _curves(axes: Axes, found: Challenges, layout: _Layout, place: int) -> None:
    left, top = layout.corner(place)
    left += layout.strip + _BESIDE
    height = 2.0 * layout.tile[0] + _GAP
    across = left + np.linspace(0.0, layout.curves, found.amounts.shape[1])

    def up(values: NDArray[np.float64]) -> NDArray[np.float64]:
        raised: NDArray[np.float64] = top + height * (1.0 - values)
        return raised

    for level in (0.0, 0.5, 1.0):
        line = up(np.array([level, level]))
        axes.plot(across[[0, -1]], line, color=drawing.FAINT, linewidth=0.7, zorder=0)
        axes.text(
            left - 0.06, line[0], f"{level:g}" if found.unit == "probability" else "",
            fontsize=drawing.SMALL_SIZE - 1, color=drawing.QUIET, va="center", ha="right",
        )  # fmt: skip
    axes.plot(
        across, up(np.clip(found.similarity[place], 0.0, 1.0)), color=drawing.WARM,
        linewidth=1.3, linestyle="--",
    )  # fmt: skip
    axes.plot(across, up(found.on_object[place]), color=_GREEN, linewidth=1.3, linestyle=":")
    values = _unit(found, found.answers[place])
    axes.plot(across, up(values), color=drawing.ACCENT, linewidth=2.0)
    other = (found.classes[place] != found.classes[place, 0]) & found.named
    axes.plot(
        across[other], up(values[other]), "o", color=drawing.ACCENT, markersize=5.0,
        markerfacecolor="white",
    )  # fmt: skip
    _words(axes, found, place, float(across[-1]), top - 0.5 * _TITLE)


def _unit(found: Challenges, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return answers as heights from 0 to 1: probabilities as they are, scores by their range."""
    if found.unit == "probability":
        return values
    low, high = float(found.answers.min()), float(found.answers.max())
    return (values - low) / (high - low) if high > low else np.full_like(values, 0.5)


def _words(axes: Axes, found: Challenges, place: int, right: float, middle: float) -> None:
    """Write above the end of the curves where the answer changes, and to what."""
    at = found.first_changes[place]
    weakest = place == found.weakest
    if at is None:
        said = "held" if found.named else ""
    else:
        before, after = (number(float(v)) for v in found.amounts[place, at - 1 : at + 1])
        said = f"{shortened(found.class_names[place][at], 20)} at {after} (held at {before})"
    axes.text(
        right, middle, said, fontsize=drawing.SMALL_SIZE, va="center", ha="right",
        color=drawing.WARM if weakest else drawing.QUIET,
        fontweight="bold" if weakest else "normal",
    )  # fmt: skip


def _key(axes: Axes, found: Challenges, step: float) -> None:
    """Write above all what each curve is."""
    ends = "0 to 1"
    if found.unit == "score":
        ends = f"{number(float(found.answers.min()))} to {number(float(found.answers.max()))}"
    words = [(f"━ {found.unit} of {shortened(found.target, 24)} ({ends})", drawing.ACCENT)]
    if found.named:
        words.append(("○ another class is likelier", drawing.ACCENT))
    if found.layers:
        words.append(("╌ heatmap stays (correlation)", drawing.WARM))
    if found.rendered and found.layers:
        words.append(("┈ evidence on the object", _GREEN))
    for place, (word, colour) in enumerate(words):
        axes.text(
            step * place, 0.4 * _KEY, word, fontsize=drawing.SMALL_SIZE, color=colour,
            va="center", ha="left",
        )  # fmt: skip
