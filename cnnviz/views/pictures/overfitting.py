"""The picture of overfitting: the curves of each variant, and what each technique changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from cnnviz.course.small_trainings import LEVEL
from cnnviz.results import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from cnnviz.views.overfitting import Overfitting

_MEASURES = ("loss (nats)", "accuracy (%)")
_ROW, _CHANGES = 1.35, 1.7
"""Inches of a variant, and of what changed of one measure, in a column."""
_SIDES = ((drawing.INK, "training"), (drawing.ACCENT, "validation"))


def draw(found: Overfitting, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the curves of each variant, and what each technique changed on the test scenes."""
    across = len(found.variants)
    figure = drawing.canvas(2.9 * across, 7.6, into)
    narrow = drawing.too_narrow(into, 2.9 * across)
    # In a column a variant is a row, and what changed of one measure stands below the other.
    tall = [_ROW * across, 2.0 * _CHANGES] if narrow else [4.8, 2.3]
    parts: Any = figure.subfigures(2, 1, height_ratios=tall)
    above, below = parts
    if narrow:
        drawing.ask_for_height(figure, sum(tall) + 0.3)
        panels: Any = above.subplots(across, 2, sharex=True, sharey="col", squeeze=False).T
    else:
        panels = above.subplots(2, across, sharex=True, sharey="row", squeeze=False)
    for measure, row in enumerate(panels):
        for variant, axes in enumerate(row):
            _curves(axes, found, measure, variant)
            _said_beside(axes, found, measure, variant, narrow=narrow)
    panels[0, 0].set_ylim(bottom=0.0)
    panels[1, 0].set_ylim(0.0, 103.0)
    panels[1, 1].legend(loc="upper left", frameon=False, fontsize=drawing.SMALL_SIZE)
    left, right = below.subplots(2, 1) if narrow else below.subplots(1, 2, sharey=True)
    _changes(left, found.techniques, found.loss_changes, found.loss_chance)
    _changes(right, found.techniques, 100.0 * found.accuracy_changes, found.accuracy_chance)
    one = len(found.seeds) == 1
    _titled(left, "a dot for the one seed" if one else "each dot a seed, the bar their mean")
    _titled(right, "open dots: chance alone may explain them")
    _named(left, "change of the test loss (nats); lower is better")
    _named(right, "change of the test accuracy (points); higher is better")
    count = len(found.seeds)
    drawn = "one seed" if count == 1 else f"{count} seeds (thin) and their mean"
    drawing.heading(figure, f"Overfitting on {found.scenes} scenes: {drawn}")
    return figure


def _curves(axes: Axes, found: Overfitting, measure: int, variant: int) -> None:
    drawing.plain_axes(axes)
    scale = (1.0, 100.0)[measure]
    epochs = np.arange(1, found.epochs + 1)
    each = (
        (found.train_loss, found.validation_loss),
        (found.train_accuracy, found.validation_accuracy),
    )[measure]
    means = found.mean_curves[measure]
    for (colour, name), values, mean in zip(_SIDES, each, means, strict=True):
        for curve in values[variant]:
            axes.plot(epochs, scale * curve, color=colour, linewidth=0.5, alpha=0.45)
        axes.plot(epochs, scale * mean[variant], color=colour, linewidth=1.9, label=name)
    if variant:
        axes.plot(
            epochs, scale * means[1, 0], color=drawing.WARM, linewidth=1.1, dashes=(3, 2),
            label="validation, plain",
        )  # fmt: skip
    else:
        chosen = each[1][0, np.arange(len(found.seeds)), found.stopped - 1]
        axes.plot(found.stopped, scale * chosen, "o", color=drawing.WARM, markersize=3.5, zorder=4)
    axes.set_xlim(0.0, found.epochs + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _said_beside(
    axes: Axes, found: Overfitting, measure: int, variant: int, *, narrow: bool
) -> None:
    """Name the variant above its first panel, and the measure and the epochs at the edges."""
    last = variant == len(found.variants) - 1 if narrow else measure == len(_MEASURES) - 1
    if measure == 0:
        _titled(axes, f"{found.variants[variant]}{'' if variant else ' (dots: where to stop)'}")
    if last:
        _named(axes, "epoch")
    if narrow or variant == 0:
        axes.set_ylabel(_MEASURES[measure], fontsize=drawing.TEXT_SIZE, color=drawing.INK)


def _changes(
    axes: Axes,
    names: tuple[str, ...],
    changes: NDArray[np.float64],
    chance: NDArray[np.float64],
) -> None:
    """Draw a dot for each seed and a bar at the mean, filled where chance does not explain it."""
    drawing.plain_axes(axes)
    axes.axvline(0.0, color=drawing.FAINT, linewidth=0.9)
    for place, (row, probability) in enumerate(zip(changes, chance, strict=True)):
        shown = probability <= LEVEL
        axes.plot(
            row, np.full(len(row), float(place)), "o", color=drawing.ACCENT, markersize=4.5,
            fillstyle="full" if shown else "none", markeredgewidth=0.9,
        )  # fmt: skip
        if len(row) > 1:
            ends = [place - 0.3, place + 0.3]
            axes.plot([row.mean()] * 2, ends, color=drawing.INK, linewidth=2.0)
    axes.set_yticks(range(len(names)), names, fontsize=drawing.TEXT_SIZE)
    axes.set_ylim(len(names) - 0.5, -0.5)


def _titled(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=drawing.TEXT_SIZE, color=drawing.INK)


def _named(axes: Axes, across: str) -> None:
    axes.set_xlabel(across, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
