"""The picture of a softmax: its steps, the losses with their gradients, and its temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.results import drawing
from cnnviz.results.text import fine_percent, percent, plural
from cnnviz.views.pictures import probability_panels as panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.softmax import Softmax

_WIDE, _ROW = 13.2, 0.27


def draw(found: Softmax, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the steps, the losses with their gradients, and the temperatures of each image."""
    rows = found.classes.shape[1] + bool(found.others)
    heights = [_ROW * rows + 0.75, _ROW * rows + 0.8, 2.2]
    count = len(found.images)
    figure = drawing.canvas(_WIDE, (sum(heights) + 0.4) * count, into)
    parts: Any = [figure] if count == 1 else figure.subfigures(count, 1)
    for place, part in enumerate(parts):
        _one(found.of(place), part, heights)
    return figure


def _one(found: Softmax, figure: Any, heights: list[float]) -> None:
    names = list(found.names[0])
    if found.others:
        names.append(f"the other {found.others:,}")
    paints = panels.colours(len(found.names[0]), bool(found.others))
    drawing.heading(figure, found.summary())
    steps, losses, temperatures = figure.subfigures(3, 1, height_ratios=heights)
    _steps(found, steps, names, paints)
    _losses(found, losses, names, paints)
    _temperatures(found, temperatures, names, paints)


def _steps(found: Softmax, part: Any, names: list[str], paints: list[str]) -> None:
    first, second, third = part.subplots(1, 3)
    z, rest = found.logits[0], found.rest[0]
    exponentials, shares = found.exponentials[0], found.probabilities[0]
    # In three figures a reader who takes the exponential would find another number.
    told = panels.in_four_figures(z)
    if found.others:
        # A sum of logits means nothing, so that there is no bar for the others.
        z = np.append(z, 0.0)
        told.append(f"{plural(found.others, 'logit')}, each below these")
        exponentials = np.append(exponentials, rest * found.totals[0])
        shares = np.append(shares, rest)
    panels.bars(first, z, told, "logit z", paints, names)
    title = "exponential e^(z - largest z)"
    sure = found.sure(0)
    scale = " (log. axis)" if sure else ""
    panels.bars(
        second, exponentials, panels.said(exponentials), title + scale, paints, None,
        logarithmic=sure,
    )  # fmt: skip
    title = f"probability p = exponential / {found.total_of(0)}{scale}"
    said = [fine_percent(share) for share in shares]
    panels.bars(third, shares, said, title, paints, None, logarithmic=sure)


def _losses(found: Softmax, part: Any, names: list[str], paints: list[str]) -> None:
    left, right = part.subplots(1, 2, width_ratios=[1.0, 1.9])
    shown = list(found.names[0])
    losses = found.losses[0]
    panels.bars(
        left, losses, panels.in_four_figures(losses), "loss -ln p (nats) if it is right",
        paints[: len(shown)], shown,
    )  # fmt: skip
    columns = [_narrow(name, len(names)) for name in names]
    title = "its gradient p - y by the logit of each class"
    panels.matrix(right, found.gradients[0][:, : len(names)], None, columns, title)


def _narrow(name: str, count: int) -> str:
    """Return the start of a name that fits above a column of the matrix."""
    most = max(5, 78 // count)
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _temperatures(found: Softmax, part: Any, names: list[str], paints: list[str]) -> None:
    left, right = part.subplots(1, 2, width_ratios=[1.0, 1.35])
    _stacked(left, found, names, paints)
    panels.temperature_curves(
        right, found.curve_temperatures, found.curves[0], found.temperatures, names, paints,
        logarithmic=found.sure(0),
    )  # fmt: skip
    panels.panel_title(right, f"the same over T{' (log. axis)' if found.sure(0) else ''}")


def _stacked(axes: Axes, found: Softmax, names: list[str], paints: list[str]) -> None:
    drawing.plain_axes(axes)
    rows = np.arange(len(found.temperatures))
    left = np.zeros(len(rows))
    for place in range(len(names)):
        shares = found.tempered[0][:, place]
        axes.barh(rows, shares, left=left, color=paints[place], height=0.66)
        for row, share in enumerate(shares):
            if share >= 0.12:
                axes.text(
                    left[row] + share / 2.0, row, percent(share), ha="center", va="center",
                    fontsize=drawing.SMALL_SIZE, color="white",
                )  # fmt: skip
        left = left + shares
    axes.set_yticks(rows, [f"T = {each:g}" for each in found.temperatures])
    axes.tick_params(axis="y", length=0, labelsize=drawing.TEXT_SIZE, labelcolor=drawing.INK)
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("probability", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    panels.panel_title(axes, "softmax of z / T")
