"""The picture of sigmoids: their steps, the losses with their gradients, and their temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.results import drawing
from cnnviz.results.text import percent
from cnnviz.views.pictures import probability_panels as panels

if TYPE_CHECKING:
    from cnnviz.views.sigmoid_labels import SigmoidLabels

_ROW = 0.3


def draw(found: SigmoidLabels, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the steps, the losses with their gradients, and the temperatures of each image."""
    row = _ROW * found.classes.shape[1]
    heights = [row + 0.75, row + 0.85, 2.5]
    count = len(found.images)
    figure = drawing.canvas(11.0, (sum(heights) + 0.4) * count, into)
    parts: Any = [figure] if count == 1 else figure.subfigures(count, 1)
    for place, part in enumerate(parts):
        _one(found.of(place), part, heights)
    return figure


def _one(found: SigmoidLabels, figure: Any, heights: list[float]) -> None:
    names = found.names[0]
    paints = panels.colours(len(names), rest=False)
    drawing.heading(figure, found.summary())
    steps, losses, temperatures = figure.subfigures(3, 1, height_ratios=heights)
    first, second, third = steps.subplots(1, 3)
    panels.bars(
        first, found.logits[0], panels.in_four_figures(found.logits[0]), "logit z", paints, names
    )
    with np.errstate(over="ignore", divide="ignore"):
        decades = np.log10(found.odds[0])
    odds = panels.said(found.odds[0])
    panels.bars(second, decades, odds, "odds e^z (bars: their log10)", paints, None)
    shares = found.probabilities[0]
    title = "probability p = 1 / (1 + e^-z)"
    panels.bars(third, shares, [percent(share) for share in shares], title, paints, None)
    _losses(found, losses, paints)
    axes = temperatures.subplots()
    panels.temperature_curves(
        axes, found.curve_temperatures, found.curves[0], found.temperatures, names, paints
    )
    for row, mark in enumerate(found.temperatures):
        axes.scatter(
            np.full(len(names), mark), found.tempered[0][row], color=paints, s=14, zorder=3
        )
    panels.panel_title(axes, "probability 1 / (1 + e^(-z / T)) over the temperature T")


def _losses(found: SigmoidLabels, part: Any, paints: list[str]) -> None:
    right, wrong, moved = part.subplots(1, 3)
    names = found.names[0]
    each = found.losses[0]
    for axes, column, title, told in (
        (right, 1, "loss -ln p (nats) if it is right", names),
        (wrong, 0, "loss -ln (1 - p) if it is wrong", None),
    ):
        panels.bars(axes, each[:, column], panels.said(each[:, column]), title, paints, told)
    panels.matrix(
        moved, found.gradients[0][:, ::-1], None, ("if right, y = 1", "if wrong, y = 0"),
        "its gradient p - y by the logit z",
    )  # fmt: skip
