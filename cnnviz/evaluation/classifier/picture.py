"""The picture of a classifier's evaluation: confusions, classes, ROC curves and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.evaluation.answers.panels import (
    LINE,
    draw_calibration,
    draw_classes,
    draw_left,
    left_side,
    matrix_fits,
    shown_measures,
    title,
)
from cnnviz.results import drawing
from cnnviz.results.text import number, percent, shortened, three_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.evaluation.classifier.result import ClassifierEvaluation

_COLOURS = ("#2a6fdb", "#c8501e", "#2f8f5b", "#8a4fbf", "#b08a00", "#0f8b9d", "#c2407f", "#5c6675")
"""One for each of the curves that can be told apart."""
_STYLES = ("-", "--")
_LISTED = 7.4
"""Inches of a list of pairs, or of the curves with their legend."""
_LEAST = 6.2
"""Inches that the title of the matrix needs."""
_LOW = 3.6
"""Inches of the lower row."""


def draw(found: ClassifierEvaluation, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw confusions beside recall and precision of classes, over the curves."""
    classes = shown_measures(found)
    left = left_side(found)
    tall = max(LINE * len(classes) + 0.9, left, 2.6)
    wide = max(left + 1.2, _LEAST) if matrix_fits(found) else _LISTED
    figure = drawing.canvas(wide + 5.6, tall + _LOW + 0.6, into)
    beside = "matrix" if left else "roc"
    panels = figure.subplot_mosaic(
        [[beside, "classes"], ["roc", "calibration"]],
        width_ratios=[wide, 5.6],
        height_ratios=[tall, _LOW],
    )
    if left:
        draw_left(panels["matrix"], found)
    draw_classes(panels["classes"], found, classes)
    _curves(panels["roc"], found)
    draw_calibration(panels["calibration"], found)
    title(
        panels["calibration"],
        f"Calibration: expected error {percent(found.calibration.error)}, by chance "
        f"{percent(found.by_chance.mean)}\nBrier score {number(found.brier.score.value)}, of the "
        f"labels' shares {number(found.brier.of_frequencies)}",
    )
    drawing.heading(figure, _heading(found))
    return figure


def _heading(found: ClassifierEvaluation) -> str:
    top = [f", top-{each.k} {percent(each.wrong.value)}" for each in found.top_k if each.k > 1]
    return (
        f"{found.provenance.model}: {found.wrong:,} of {found.decisions:,} answers wrong, error "
        f"rate {found.error_rate}, balanced {found.balanced_error_rate}{''.join(top)}"
    )


def _curves(axes: Axes, found: ClassifierEvaluation) -> None:
    """Draw the ROC curves, each with the area under it."""
    drawing.plain_axes(axes)
    axes.plot([0, 1], [0, 1], color=drawing.FAINT, linewidth=1.2, linestyle="--")
    of = {one.index: one for one in found.rankings}
    for place, one in enumerate(found.curves):
        auc = of[one.index].auc
        axes.plot(
            one.false_positive_rate,
            one.true_positive_rate,
            color=_COLOURS[place],
            linestyle=_STYLES[place % 2],
            linewidth=1.5,
            clip_on=False,
            label=f"{shortened(one.name, 20, 'end')}  {auc.written(three_digits)}",
        )
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.03)
    axes.set_aspect("equal", adjustable="box", anchor="W")
    axes.set_xlabel(
        f"share of the {found.noun}s without the label",
        fontsize=drawing.SMALL_SIZE,
        color=drawing.QUIET,
    )
    axes.set_ylabel(
        "share of those with the label", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET
    )
    if found.curves:
        _areas(axes)
    else:
        axes.text(
            0.5,
            0.5,
            f"no class has {found.noun}s\nwith and without its label",
            ha="center",
            va="center",
        )
    title(axes, _which(found))


def _areas(axes: Axes) -> None:
    """List the curves with the area under each, on the right of them."""
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(1.02, 0.0),
        frameon=False,
        fontsize=drawing.SMALL_SIZE,
        title="AUC (95% interval)",
        title_fontsize=drawing.SMALL_SIZE,
        alignment="left",
    )
    # It stands where the square panel leaves its column free, and takes no room from others.
    legend.set_in_layout(False)


def _which(found: ClassifierEvaluation) -> str:
    known = sum(1 for one in found.rankings if one.auc.value == one.auc.value)
    if len(found.curves) == known or known <= 2:
        return "ROC: each class against all others"
    return f"ROC: the {len(found.curves)} classes of {known} told worst"
