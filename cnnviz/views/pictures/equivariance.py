"""How equivariance is drawn: the shifted image, the maps beside it, the mismatch, the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results import colour_bars, drawing
from cnnviz.results.known_mean import mean_of_known
from cnnviz.results.text import layer_said, shortened
from cnnviz.views._equivariance_words import EXACT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.equivariance import Equivariance

_WIDE = 13.2
_AXIS = 0.9
"""Inches of a column beside a panel."""
_MOST_ANSWERS = 8
_MOST_NAMED, _ONE_COLUMN = 12, 8
_IMAGES = (drawing.ACCENT, drawing.WARM, "#2f9e63", "#8a4fc4", "#c99a06", "#d1457f", "#1fa2b8")


def draw(found: Equivariance, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the strip, the shifts of the maps, the mismatch by shift and by layer, the answer."""
    bars = max(2.4, 0.9 + 0.2 * len(found.layers))
    title = found.summary()
    beside = 1 if _named_lines(found) <= _ONE_COLUMN else 2
    heights = [max(1.9, _key_height(found, beside)), 2.55, bars]
    tall = sum(heights) + drawing.heading_height(title, _WIDE) + 0.25
    figure = drawing.canvas(_WIDE, tall, into)
    if drawing.is_narrow(figure):
        _in_a_column(figure, found, bars)
        drawing.heading(figure, title)
        return figure
    parts = figure.subfigures(3, 1, height_ratios=heights, squeeze=False)
    top, middle, bottom = parts[:, 0]
    strip, key = top.subplots(1, 2, width_ratios=[2.1, 1.0])
    _strip(strip, found)
    _key(key, found, beside)
    moved, mismatch, answers = middle.subplots(1, 3)
    _moved(moved, found)
    _mismatch(mismatch, found)
    _answers(answers, found)
    left, right = bottom.subfigures(1, 2, width_ratios=[1.0, 1.9])
    _by_layer(left.add_subplot(), found)
    _example(right, found)
    drawing.heading(figure, title)
    return figure


def _in_a_column(figure: drawing.Canvas, found: Equivariance, bars: float) -> None:
    """Draw the same one below the other, each panel as wide as the column."""
    heights = [1.0, _key_height(found, 1), 1.7, 1.7, 1.7, bars - 0.6]
    example = 1.6 * max(1, len(found.example_shifts))
    parts = figure.subfigures(7, 1, height_ratios=[*heights, example], squeeze=False)[:, 0]
    drawing.ask_for_height(figure, sum(heights) + example + 0.5)
    _strip(parts[0].add_subplot(), found, between="\n")
    for part, draw_one in zip(parts[1:], (_key, _moved, _mismatch, _answers), strict=False):
        draw_one(part.add_subplot(), found)
    _by_layer(parts[5].add_subplot(), found, between="\n")
    _example(parts[-1], found, stacked=True)


def _named_lines(found: Equivariance) -> int:
    return min(len(found.layers), _MOST_NAMED)


def _key_height(found: Equivariance, beside: int) -> float:
    """Return the inches that the names take, so many beside one another, and what is above."""
    return 0.45 + 0.2 * -(-_named_lines(found) // beside)


def _key(axes: Axes, found: Equivariance, beside: int = 1) -> None:
    """Say which line is which layer; of many the first, the last, and some between.

    `beside` is how many names stand beside one another.
    """
    from matplotlib.lines import Line2D

    drawing.hide_ticks(axes)
    count = len(found.layers)
    shown = np.unique(np.linspace(0, count - 1, _named_lines(found)).round().astype(int))
    handles = [
        Line2D(
            [], [], color=_colour(found, place), linewidth=2.0,
            linestyle="-" if found.free(place) else "--",
            label=f"{_named(found, place, 24)}, stride {found.strides[place]}",
        )
        for place in shown.tolist()
    ]  # fmt: skip
    left_out = f", {len(shown)} of {count}" if len(shown) < count else ""
    legend = axes.legend(
        handles=handles, title=f"lines: layers{left_out}, dark to light", loc="upper left",
        frameon=False, fontsize=drawing.TEXT_SIZE, title_fontsize=drawing.TEXT_SIZE,
        alignment="left", borderaxespad=0.0, ncols=beside,
    )  # fmt: skip
    if any(not found.free(place) for place in range(count)):
        legend.set_title(f"{legend.get_title().get_text()} (dashed: edges take part)")


def _strip(axes: Axes, found: Equivariance, *, between: str = " ") -> None:
    """Draw the shifted image; `between` parts its title, which is long for a column."""
    drawing.show(axes, found.strip, smooth=True)
    at = ", ".join(map(str, found.strip_shifts))
    name = shortened(found.images[0], 40)
    _title(axes, f"{name},{between}shifted {found.direction} by {at} px")


def _title(axes: Axes, text: str) -> None:
    figure = axes.get_figure(root=False)
    if figure is not None and drawing.is_narrow(figure):
        lines = text.split("\n")
        room = drawing.width_of(figure) - _AXIS
        text = "\n".join(drawing.wrapped(line, room, drawing.TEXT_SIZE) for line in lines)
    axes.set_title(text, fontsize=drawing.TEXT_SIZE, color=drawing.INK, loc="left")


def _named(found: Equivariance, place: int, letters: int) -> str:
    return shortened(layer_said(found.layers[place]), letters)


def _colour(found: Equivariance, place: int) -> tuple[float, float, float]:
    """Return the colour of a layer: dark is shallow, light is deep."""
    colours = drawing.palette(drawing.SEQUENTIAL)
    at = round(225 * place / max(1, len(found.layers) - 1))
    red, green, blue = (colours[at] / 255.0).tolist()
    return red, green, blue


def _lines(axes: Axes, found: Equivariance) -> None:
    drawing.plain_axes(axes)
    axes.set_xlim(0, found.shifts[-1])
    axes.set_xlabel("shift of the image (px)", fontsize=drawing.SMALL_SIZE, color=drawing.INK)


def _moved(axes: Axes, found: Equivariance) -> None:
    _lines(axes, found)
    axes.plot(found.shifts, found.shifts, color=drawing.FAINT, linewidth=4.0, zorder=0)
    for place in range(len(found.layers)):
        style = "-" if found.free(place) else "--"
        moved = mean_of_known(found.moved[place], 0)
        axes.plot(found.shifts, moved, style, color=_colour(found, place), linewidth=1.2)
    axes.set_ylabel("px", fontsize=drawing.SMALL_SIZE)
    _title(axes, "how far the maps moved (grey: the image)")


def _mismatch(axes: Axes, found: Equivariance) -> None:
    _lines(axes, found)
    for place in range(len(found.layers)):
        style = "-" if found.free(place) else "--"
        errors = found.errors(place)
        axes.plot(found.shifts, errors, style, color=_colour(found, place), linewidth=1.2)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("share of the deviation", fontsize=drawing.SMALL_SIZE)
    _title(axes, "mismatch with the shifted map")


def _by_layer(axes: Axes, found: Equivariance, *, between: str = " ") -> None:
    """Draw the mean mismatch of each layer, at multiples of its stride and between them.

    `between` parts the title.
    """
    drawing.plain_axes(axes)
    places = np.arange(len(found.layers))
    pairs = ((found.between_strides, 0.18, 0.35), (found.at_strides, -0.18, 1.0))
    for values, offset, alpha in pairs:
        for place, value in zip(places, values, strict=True):
            if np.isfinite(value):
                colour = _colour(found, int(place))
                axes.barh(place + offset, value, 0.34, color=colour, alpha=alpha)
                axes.text(
                    value, place + offset, f" {_short(value)}", fontsize=drawing.SMALL_SIZE,
                    color=drawing.QUIET, va="center",
                )  # fmt: skip
    names = [
        f"{_named(found, place, 26)} (stride {stride}{'' if found.free(place) else ', edges'})"
        for place, stride in enumerate(found.strides)
    ]
    axes.set_yticks(places, names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.set_xlabel("mean mismatch", fontsize=drawing.SMALL_SIZE, color=drawing.INK)
    _title(axes, f"full: at multiples of the stride;{between}pale: between")


def _short(value: float) -> str:
    """Return a mismatch in two figures; what rounding leaves of none is none.

    >>> _short(0.424), _short(0.0), _short(2.4e-7), _short(0.0003)
    ('0.42', '0', '0', '0.0003')
    """
    return "0" if value < EXACT else f"{value:.2g}"


def _answers(axes: Axes, found: Equivariance) -> None:
    _lines(axes, found)
    many = len(found.images) > _MOST_ANSWERS
    rings = False
    for place, values in enumerate(found.answers):
        colour = drawing.FAINT if many else _IMAGES[place % len(_IMAGES)]
        label = (
            ""
            if many
            else f"{shortened(found.images[place], 20)}: {shortened(found.targets[place], 20)}"
        )
        axes.plot(found.shifts, values, color=colour, linewidth=1.3, label=label)
        other = found.classes[place] != found.classes[place, 0]
        rings |= bool(other.any())
        axes.plot(
            found.shifts[other], values[other], "o", color=colour, markersize=4.5,
            markerfacecolor="white",
        )  # fmt: skip
    if many:
        words = f"mean of {len(found.images)} images (grey)"
        mean = found.answers.mean(0)
        axes.plot(found.shifts, mean, color=drawing.INK, linewidth=1.8, label=words)
    if found.unit == "probability":
        axes.set_ylim(0.0, 1.05)
    _title(axes, "probability of the class" if found.unit == "probability" else "score")
    if rings:
        axes.plot(
            [], [], "o", color=drawing.QUIET, markersize=4.5, markerfacecolor="white",
            label="another class is likelier",
        )  # fmt: skip
    axes.legend(frameon=False, fontsize=drawing.SMALL_SIZE, loc="best")


def _mark(axes: Axes, found: Equivariance, row: int) -> None:
    """Draw dotted lines around the positions that no edge reaches."""
    first, stop = found.example_within[row]
    line = axes.axvline if found.direction == "right" else axes.axhline
    for place in (first, stop) if stop > first else ():
        line(place - 0.5, color="#f2994a", linewidth=0.9, linestyle=":")


def _example(figure: drawing.Canvas, found: Equivariance, *, stacked: bool = False) -> None:
    """Draw a channel: the shifted map, the map of the shifted image, and their difference."""
    rows = len(found.example_shifts)
    if not rows:
        axes = figure.add_subplot()
        drawing.hide_ticks(axes)
        return
    grid = (rows, 3) if stacked else (1, 3 * rows)
    panels = figure.subplots(*grid, squeeze=False).ravel()
    scale = drawing.Scale.of(np.stack([found.example_wanted, found.example_found]))
    gaps = found.example_found - found.example_wanted
    difference = drawing.Scale.signed(gaps)
    for row, shift in enumerate(found.example_shifts):
        pictures = (
            (scale.paint(found.example_wanted[row]), f"the map,\nmoved {shift} px"),
            (scale.paint(found.example_found[row]), f"map of the image\nmoved {shift} px"),
            (difference.paint(gaps[row]), "difference"),
        )
        for axes, (pixels, title) in zip(panels[3 * row : 3 * row + 3], pictures, strict=True):
            drawing.show(axes, pixels)
            _title(axes, title)
            _mark(axes, found, row)
    if any(stop > first for first, stop in found.example_within):
        # Beyond them maps differ that follow exactly.
        words = "compared: between the dotted lines, where no edge takes part"
        # Below one of the panels it would take the width of the column for it.
        lines = drawing.wrapped(words, drawing.width_of(figure) - 0.2)
        style = {"fontsize": drawing.SMALL_SIZE, "color": drawing.QUIET}
        figure.supxlabel(lines, x=0.02, ha="left", **style)
    colour_bars.colour_bar(panels[3 * rows - 1], difference, "difference")
    panels[0].set_ylabel(
        f"{shortened(layer_said(found.example_layer), 18)}\nchannel {found.example_channel}",
        fontsize=drawing.SMALL_SIZE, color=drawing.INK,
    )  # fmt: skip
