"""The picture of losses: a panel for each, those of a margin together, and their descents."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.results import drawing
from cnnviz.results.text import minus
from cnnviz.views.pictures.formula_title import formula_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.losses import Losses

_ACROSS, _HIGHEST = 4, 4.0
_FLAT = "#e3e6ea"
_COLOURS = {
    "mse": "#2a6fdb",
    "mae": "#2f8f4e",
    "huber": "#7a4fc9",
    "zero_one": "#111827",
    "hinge": "#c8501e",
    "bce": "#2a6fdb",
    "cross_entropy": "#1a9bb5",
    "brier": "#d1478f",
}
_NAMES = {"residual": "residual r (prediction - truth)", "margin": "margin m (right if above 0)"}


def draw(found: Losses, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw each loss with its slope, and below those of a margin together and descended."""
    count = len(found.names)
    across = min(_ACROSS, count)
    down = math.ceil(count / across)
    margins = [place for place, over in enumerate(found.over) if over == "margin"]
    heights = [2.1 * down, *([2.8] if margins else [])]
    figure = drawing.canvas(13.2, sum(heights) + 0.4, into)
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
    panels = parts[0, 0].subplots(down, across, squeeze=False)
    for place, axes in enumerate(panels.flat):
        if place < count:
            _curve(axes, found, place)
        else:
            axes.set_visible(False)
    if margins:
        left, right = parts[1, 0].subplots(1, 2)
        _together(left, found, margins)
        _descents(right, found, margins)
    drawing.heading(figure, "Losses (dashed: their derivatives; grey: where they saturate)")
    return figure


def _curve(axes: Axes, found: Losses, place: int) -> None:
    drawing.plain_axes(axes)
    values, slopes = found.values[place], found.slopes[place]
    low_end, high_end = found.saturated[place]
    if np.isfinite(low_end):
        axes.axvspan(found.x[0], low_end, color=_FLAT, linewidth=0, zorder=0)
    if np.isfinite(high_end):
        axes.axvspan(high_end, found.x[-1], color=_FLAT, linewidth=0, zorder=0)
    axes.axhline(0.0, color=drawing.FAINT, linewidth=0.7)
    axes.axvline(0.0, color=drawing.FAINT, linewidth=0.7)
    axes.plot(found.x, values, color=drawing.INK, linewidth=1.6)
    colour = _COLOURS[found.names[place]]
    axes.plot(found.x, slopes, color=colour, linewidth=1.4, dashes=(3, 2))
    low = max(-_HIGHEST, float(np.nan_to_num(slopes).min()))
    axes.set_ylim(1.12 * min(low, -0.3), min(_HIGHEST, max(1.15, 1.08 * float(values.max()))))
    axes.set_xlim(found.x[0], found.x[-1])
    axes.set_xlabel(_NAMES[found.over[place]], fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    formula_title(axes, found.titles[place], found.formulas[place], colour)


def _together(axes: Axes, found: Losses, margins: list[int]) -> None:
    drawing.plain_axes(axes)
    axes.axvline(0.0, color=drawing.FAINT, linewidth=0.7)
    for place in margins:
        axes.plot(found.x, found.values[place], color=_COLOURS[found.names[place]], linewidth=1.6)
    axes.set_ylim(-0.1, _HIGHEST)
    axes.set_xlim(found.x[0], found.x[-1])
    _labels(axes, _NAMES["margin"], "loss", "Together: what stands in for zero-one")


def _descents(axes: Axes, found: Losses, margins: list[int]) -> None:
    drawing.plain_axes(axes)
    axes.axhline(0.0, color=drawing.FAINT, linewidth=0.8)
    steps = np.arange(found.descents.shape[1])
    for place in margins:
        axes.plot(
            steps, found.descents[place], color=_COLOURS[found.names[place]], linewidth=1.6,
            label=found.titles[place],
        )  # fmt: skip
    axes.set_xlim(0, steps[-1])
    title = f"Descended from m = {minus(f'{found.x[0]:g}')}, learning rate {found.rate:g}"
    _labels(axes, "step of gradient descent", "margin m", title)
    # Of both panels; here nothing runs between what moves at once and what hardly moves.
    axes.legend(
        loc="center right", bbox_to_anchor=(1.0, 0.34), frameon=False, fontsize=drawing.SMALL_SIZE
    )


def _labels(axes: Axes, across: str, up: str, title: str) -> None:
    axes.set_xlabel(across, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    axes.set_ylabel(up, fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    axes.set_title(title, loc="left", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
