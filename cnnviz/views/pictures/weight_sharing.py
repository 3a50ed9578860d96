"""The picture of `weight_sharing`: the connections of a row of pixels, and counts of weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.results import drawing
from cnnviz.results.text import file_size, spelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.weight_sharing import WeightSharing

_WIDE = 12.4
_UNITS = 9
"""Pixels of the row that is drawn."""
_TAPS = 3
"""How many of them a window sees in the drawing, whatever the kernel's size is."""
_SHARED = (drawing.WARM, drawing.ACCENT, "#2f8f4e")
_LONG = 0.55
"""The share of the axis beyond which a bar holds its words inside."""
_MOST_TICKS = 7
_COLOURS = (drawing.INK, "#7d55c7", drawing.ACCENT)


def draw(found: WeightSharing, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the connections of a row, and the counts on a logarithmic axis."""
    figure = drawing.canvas(_WIDE, _WIDE / drawing.SLIDE, into)
    grid: Any = figure.add_gridspec(2, 3, height_ratios=[1.15, 1.0])
    for place, kind in enumerate(found.kinds):
        _connections(figure.add_subplot(grid[0, place]), place, kind)
    _counts(figure.add_subplot(grid[1, :]), found)
    (height, width, channels), (high, wide, filters) = found.input_size, found.output_size
    drawing.heading(
        figure,
        f"{found.image}, {height} x {width} x {channels}, to {filters} maps of {high} x {wide}: "
        f"how many weights, with windows of {found.kernel} x {found.kernel}",
    )
    return figure


def _connections(axes: Axes, kind: int, title: str) -> None:
    from matplotlib.collections import LineCollection

    lines, colours = [], []
    for value in range(_UNITS):
        for pixel in range(_UNITS):
            tap = pixel - value + _TAPS // 2
            if kind and not 0 <= tap < _TAPS:
                continue
            lines.append([(pixel, 0.0), (value, 1.0)])
            colours.append(_SHARED[tap] if kind == 2 else drawing.QUIET)
    width = 0.6 if kind == 0 else 1.5
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=width, zorder=1))
    for height, colour in ((0.0, drawing.INK), (1.0, drawing.INK)):
        axes.scatter(
            range(_UNITS), [height] * _UNITS, s=90, color="white", edgecolor=colour, zorder=2
        )
    axes.set_xlim(-0.6, _UNITS - 0.4)
    axes.set_ylim(-0.32, 1.1)
    drawing.hide_ticks(axes)
    axes.set_title(title, fontsize=drawing.TITLE_SIZE, color=_COLOURS[kind], loc="left")
    said = {
        0: "every value sees every pixel",
        1: "every value sees a window, with weights of its own",
        2: "one colour is one weight, the same everywhere",
    }[kind]
    axes.text(-0.4, -0.28, said, fontsize=drawing.TEXT_SIZE, color=drawing.QUIET)


def _counts(axes: Axes, found: WeightSharing) -> None:
    drawing.plain_axes(axes)
    axes.barh(range(3), [float(count) for count in found.weights], color=_COLOURS, height=0.55)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.set_yticks(range(3), found.kinds, fontsize=drawing.TEXT_SIZE)
    low, high = _limits(found)
    axes.set_xlim(low, high)
    ticks = 10.0 ** np.arange(math.ceil(math.log10(low)), math.log10(high), _decades(low, high))
    axes.set_xticks(ticks, [spelled(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("weights (log scale)", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    for place, count in enumerate(found.weights):
        biases, work = found.biases[place], found.multiplications[place]
        inside = math.log(count / low) > _LONG * math.log(high / low)
        axes.annotate(
            f"{spelled(count)} weights, {file_size(found.sizes[place])}\n"
            f"and {spelled(biases)} biases; {spelled(work)} multiplications",
            (float(count), place), (-7 if inside else 7, 0), textcoords="offset points",
            ha="right" if inside else "left", va="center", fontsize=drawing.TEXT_SIZE,
            color="white" if inside else drawing.INK,
        )  # fmt: skip


def _limits(found: WeightSharing) -> tuple[float, float]:
    """Return the ends of the axis: the fewest weights have a bar, and the most end it."""
    fewest, most = float(min(found.weights)), float(max(found.weights))
    return fewest / 3.0, most * (3.0 * most / fewest) ** 0.02


def _decades(low: float, high: float) -> int:
    """Return how many decades lie between two ticks, so that there are few enough to read."""
    return max(1, math.ceil(math.log10(high / low) / _MOST_TICKS))
