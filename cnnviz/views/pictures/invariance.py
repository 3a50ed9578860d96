"""How invariance curves are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.known_mean import mean_of_known
from cnnviz.results.space import IMAGE
from cnnviz.results.text import layer_said, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.invariance import Invariance

_TITLES = {
    "translation": ("shifted down", "pixels of the network's input"),
    "scale": ("scaled", "factor"),
    "rotation": ("rotated counter-clockwise", "degrees"),
}
_OF_SIGNALS = {
    "translation": ("shifted towards the end", "samples"),
    "scale": ("stretched about the middle", "factor"),
}
_OF_VOLUMES = {
    "translation": ("shifted along the slices", "slices"),
    "scale": ("each slice scaled", "factor"),
    "rotation": ("each slice rotated counter-clockwise", "degrees"),
}
_SHORT = {"translation": "shifted", "scale": "scaled", "rotation": "rotated"}
_SHORT_UNITS = {"pixels of the network's input": "px"}
_OF_AXES = {1: _OF_SIGNALS, 2: _TITLES, 3: _OF_VOLUMES}
_COLOURS = (
    drawing.ACCENT, drawing.WARM, "#2f9e63", "#8a4fc4", "#c99a06", "#d1457f", "#1fa2b8", "#6b7280",
)  # fmt: skip


def draw(found: Invariance, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the curves, a row for each layer and one for the probability."""
    rows, kinds = len(found.layers) + 1, len(found.kinds)
    figure = drawing.canvas(11.0, 1.0 + 1.75 * rows + 0.7, into)
    narrow = drawing.is_narrow(figure)
    panels = figure.subplots(rows + 1, kinds, squeeze=False, height_ratios=[0.55, *[1.0] * rows])
    for kind in range(kinds):
        title, unit = _OF_AXES[found.axes][found.kinds[kind]]
        # The title has a third of the width.
        part, most = ("middle slice of ", 12) if found.axes > IMAGE.axes else ("", 28)
        if narrow:
            title, unit = _SHORT[found.kinds[kind]], _SHORT_UNITS.get(unit, unit)
        pictures = f"; pictures: {part}{shortened(found.images[0], most)}"
        drawing.show(panels[0, kind], found.strips[kind], smooth=True)
        panels[0, kind].set_title(
            title + (pictures if kind == 0 and not narrow else ""),
            fontsize=drawing.SMALL_SIZE + 0.5,
            color=drawing.INK,
            loc="left",
        )
        for place, layer in enumerate(found.layers):
            _curves(panels[1 + place, kind], found, kind, found.normalised[kind, place])
            words = f"{layer_said(layer)}\ndistance / norm"
            panels[1 + place, 0].set_ylabel(words, fontsize=drawing.SMALL_SIZE, color=drawing.INK)
        _curves(panels[-1, kind], found, kind, found.answers[kind])
        panels[-1, kind].set_xlabel(unit, fontsize=drawing.SMALL_SIZE)
    probable = found.unit == "probability"
    label = "probability\nof the target" if probable else "score"
    panels[-1, 0].set_ylabel(label, fontsize=drawing.SMALL_SIZE)
    for place in range(len(found.layers)):
        _same_height(panels[1 + place], _top(found.normalised[:, place]))
    if probable:
        _same_height(panels[-1], 1.0)
    _legend(figure, panels[-1, 0], found)
    drawing.heading(figure, found.summary())
    return figure


def _curves(axes: Axes, found: Invariance, kind: int, lines: NDArray[np.float64]) -> None:
    """Draw a line for each image; of many also their mean."""
    many = len(lines) > len(_COLOURS)
    for place, line in enumerate(lines):
        colour = drawing.FAINT if many else _COLOURS[place]
        label = f"{shortened(found.images[place], 28)}: {found.targets[place]}"
        axes.plot(found.values[kind], line, color=colour, linewidth=1.3, label=label)
    if many:
        axes.plot(found.values[kind], mean_of_known(lines, 0), color=drawing.INK, linewidth=1.8)
    unchanged = 1.0 if kind == 1 else 0.0
    axes.axvline(unchanged, color=drawing.FAINT, linewidth=0.8, zorder=0)
    drawing.plain_axes(axes)


def _top(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size and finite.max() > 0.0 else 1.0


def _same_height(row: NDArray[np.object_], top: float) -> None:
    for axes in row:
        axes.set_ylim(0.0, 1.05 * top)


def _legend(figure: drawing.Canvas, axes: Axes, found: Invariance) -> None:
    from matplotlib.lines import Line2D

    if len(found.images) > len(_COLOURS):
        lines = [
            Line2D(
                [],
                [],
                color=drawing.FAINT,
                label=f"each of {len(found.images)} {found.space.noun}s",
            ),
            Line2D([], [], color=drawing.INK, label="their mean"),
        ]
    else:
        lines = list(axes.get_lines())[: len(found.images)]
    figure.legend(
        handles=lines,
        loc="outside lower left",
        ncols=1 if drawing.is_narrow(figure) else min(4, len(lines)),
        fontsize=drawing.SMALL_SIZE,
        frameon=False,
        labelcolor=drawing.INK,
    )
