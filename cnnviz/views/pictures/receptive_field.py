"""How receptive fields are drawn: nested on the image, and each on its own with its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import colour_bars, drawing
from cnnviz.results.text import layer_said, whole_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.receptive_field import EffectiveFields

_ABREAST = 5
_PANEL, _TITLES, _BESIDE, _BELOW = 2.5, 0.5, 0.8, 0.2
"""Inches of a panel, of what stands above it, of the colour bar beside all, and below all."""
_SLIDE = 10.0
"""Inches across a slide at least."""
EFFECTIVE = "#f08a24"
FLOOR = 0.01
"""Where a logarithmic scale begins."""


def draw(found: EffectiveFields, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw all frames on the image, and the gradient in the field of each layer."""
    count, title = 1 + len(found.layers), found.summary()
    board = _board(into, count, title)
    wide = _PANEL * board.columns + _BESIDE
    tall = (_PANEL + _TITLES) * board.rows + _BELOW + drawing.heading_height(title, wide)
    figure = drawing.canvas(wide, tall, into)
    if into is not None and drawing.is_narrow(into):
        across = drawing.width_of(into)
        side = (across - _BESIDE) / board.columns
        title_high = drawing.heading_height(title, across)
        drawing.ask_for_height(into, (side + _TITLES) * board.rows + _BELOW + title_high)
    panels = board.panels(figure, drawing.heading_height(title, drawing.width_of(figure)))
    _draw_all(panels[0], found)
    for place, axes in enumerate(panels[1:]):
        _draw_one(axes, found, place)
    bar_beside(panels[board.corner], found)
    drawing.heading(figure, title)
    return figure


@dataclass(frozen=True)
class _Board:
    """Where panels stand: in rows; with `across`, the image alone at the left of all of them.

    Attributes
    ----------
    count, rows : int
        The panels with that of the image, and the rows of those of layers.
    across : float
        How many times as wide as the others the panel of the image is that stands beside all rows;
        0 where it is the first of the first row.
    """

    count: int
    rows: int
    across: float = 0.0

    @property
    def columns(self) -> int:
        """The panels in a row, without that of an image beside all rows."""
        return -(-(self.count - (self.across > 0.0)) // self.rows)

    @property
    def corner(self) -> int:
        """Which panel stands at the upper right."""
        return self.columns - (self.across == 0.0)

    def panels(self, figure: drawing.Canvas, heading: float) -> list[Axes]:
        """Return the panels, that of the image first, below a heading of so many inches."""
        if not self.across:
            grid = figure.add_gridspec(self.rows, self.columns)
            return [figure.add_subplot(grid[divmod(k, self.columns)]) for k in range(self.count)]
        grid = figure.add_gridspec(
            self.rows, 2 + self.columns, width_ratios=self._widths(figure, heading)
        )
        places = [divmod(k, self.columns) for k in range(self.count - 1)]
        image = figure.add_subplot(grid[:, 0])
        return [image, *(figure.add_subplot(grid[row, 1 + column]) for row, column in places)]

    def _widths(self, figure: drawing.Canvas, heading: float) -> list[float]:
        """Return the width of the image, of each column beside it, and of what is left at right."""
        wide = drawing.width_of(figure)
        tall = wide * float(figure.bbox.height / figure.bbox.width) - heading - _BELOW
        wide -= _BESIDE
        one = min(tall / self.rows - _TITLES, wide / (self.across + self.columns))
        large = min(tall - _TITLES, wide - self.columns * one)
        if not 0.0 < one <= large:
            one, large = 1.0, self.across
        spare = wide - large - self.columns * one
        return [large, *[one] * self.columns, max(spare, 0.01 * one)]


def _board(into: drawing.Canvas | None, count: int, title: str) -> _Board:
    """Return how panels stand: in rows by themselves, in pairs in a column, or filling a slide."""
    if into is None:
        return _Board(count, -(-count // _ABREAST))
    if drawing.is_narrow(into):
        return _Board(count, -(-count // 2))
    return _largest_in(into, count, title)


def _largest_in(into: drawing.Canvas, count: int, title: str) -> _Board:
    """Return how panels fill most of a canvas of a shape that a caller gave."""
    # On a canvas smaller than a slide letters would leave room for one row, far from filling it.
    wide = max(drawing.width_of(into), _SLIDE)
    tall = wide * float(into.bbox.height / into.bbox.width) - drawing.heading_height(title, wide)
    wide -= _BESIDE

    def side(rows: int, columns: float) -> float:
        return min(wide / columns, (tall - _BELOW) / rows - _TITLES)

    def in_rows(rows: int) -> tuple[float, _Board]:
        return count * side(rows, -(-count // rows)) ** 2, _Board(count, rows)

    def beside(rows: int) -> tuple[float, _Board]:
        columns = -(-(count - 1) // rows)
        # The image is large beside them, and no smaller than they are.
        one = max(side(rows, columns + 1), 0.01)
        large = max(one, min(wide - columns * one, tall - _BELOW - _TITLES))
        return large**2 + (count - 1) * one**2, _Board(count, rows, large / one)

    boards = [in_rows(rows) for rows in range(1, count + 1)]
    boards += [beside(rows) for rows in range(2, count)]
    return max(boards, key=lambda each: each[0])[1]


def bar_beside(axes: Axes, found: EffectiveFields, inches: float | None = None) -> None:
    """Put the colour bar of the gradients beside a panel, which may be flat: so high in inches."""
    logarithmic = found.scale == "log"
    scale = drawing.Scale(FLOOR if logarithmic else 0.0, 1.0, drawing.HEAT)
    label = "root mean square gradient,\nas a share of the layer's largest"
    bar = colour_bars.colour_bar(axes, scale, label, logarithmic=logarithmic, inches=inches)
    if logarithmic:
        bar.set_ticks([0.01, 0.1, 1.0], labels=["≤ 0.01", "0.1", "1"])


def heat_of(energy: NDArray[np.float32], scale: str) -> NDArray[np.float32]:
    """Return the root of the energy between 0 and 1, as its colours show it."""
    root = np.sqrt(energy.astype(np.float64))
    top = root.max()
    if not top > 0.0:
        return np.zeros(energy.shape, np.float32)
    share = np.asarray(root / top)
    if scale == "log":
        share = np.asarray(1.0 - np.log(np.maximum(share, FLOOR)) / np.log(FLOOR))
    return np.asarray(share, np.float32)


def _base(found: EffectiveFields) -> drawing.Pixels:
    """Return what lies under the frames: noise would hide them."""
    return np.full_like(found.photo, drawing.FLAT) if found.noise else found.photo


def _draw_all(axes: Axes, found: EffectiveFields) -> None:
    height, width = found.photo.shape[:2]
    axes.imshow(_base(found), extent=(0, width, height, 0))
    for place in range(len(found.layers)):
        _frames(axes, found, place, 0.9)
    seen = "the first input" if found.images > 1 else "the input"
    what = "noise, drawn grey" if found.noise else seen
    key = "blue: theoretical field\norange: effective field"
    _finish(found, axes, (0, 0, width, height), f"{what}, {height} x {width} px", key)


def _draw_one(axes: Axes, found: EffectiveFields, place: int) -> None:
    height, width = found.photo.shape[:2]
    window = found.windows[place]
    scale = drawing.Scale(0.0, 1.0, drawing.HEAT)
    heat = heat_of(found.energy[place], found.scale)
    axes.imshow(drawing.overlay(_base(found), heat, scale), extent=(0, width, height, 0))
    _frames(axes, found, place, 1.6)
    size = "no gradient"
    if np.isfinite(found.effective[place]).all():
        down, across = found.effective[place]
        size = (
            f"effective {_pixels(down)} x {_pixels(across)} ({whole_percent(found.share(place))})"
        )
    margin = max(1.0, 0.06 * max(window.height, window.width))
    view = (
        window.left - margin,
        window.top - margin,
        window.right + margin,
        window.bottom + margin,
    )
    rows, columns = found.sizes[place]
    cut = ", beyond the image" if rows > window.height or columns > window.width else ""
    _finish(
        found,
        axes,
        view,
        layer_said(found.layers[place]),
        f"theoretical {rows} x {columns}{cut}\n{size}",
    )


def _pixels(extent: float) -> str:
    """Return a size so exactly that the share of two of them comes out."""
    return f"{extent:.0f}" if extent >= 9.95 else f"{extent:.1f}"


def _frames(axes: Axes, found: EffectiveFields, place: int, line: float) -> None:
    window = found.windows[place]
    frame(axes, (window.left, window.top), (window.width, window.height), drawing.ACCENT, line)
    if np.isfinite(found.effective[place]).all():
        (down, across), (row, column) = found.effective[place], found.centres[place]
        # Its middle may lie a little off that of the window, whose size it does not exceed.
        left = min(max(column - across / 2, window.left), window.right - across)
        top = min(max(row - down / 2, window.top), window.bottom - down)
        corner = (left, top)
        frame(axes, corner, (across, down), EFFECTIVE, line)


def frame(
    axes: Axes, corner: tuple[float, float], size: tuple[float, float], colour: str, line: float
) -> None:
    """Draw a frame with a white edge, which stands out on anything."""
    from matplotlib.patches import Rectangle

    for edge, width in (("white", 2 * line), (colour, line)):
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=edge, linewidth=width))


def _finish(
    found: EffectiveFields,
    axes: Axes,
    view: tuple[float, float, float, float],
    name: str,
    detail: str,
) -> None:
    left, top, right, bottom = view
    axes.set_xlim(left, right)
    axes.set_ylim(*((top, bottom) if found.axis_names else (bottom, top)))
    axes.set_aspect("equal")
    drawing.hide_ticks(axes)
    axes.set_anchor("N")
    axes.set_title(f"{name}\n{detail}", fontsize=drawing.SMALL_SIZE, color=drawing.INK, loc="left")
