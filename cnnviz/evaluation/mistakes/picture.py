"""The picture of an error analysis: the confusion matrix, the classes, and the calibration."""

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
)
from cnnviz.results import drawing

if TYPE_CHECKING:
    from cnnviz.evaluation.mistakes.result import ErrorAnalysis


def draw(found: ErrorAnalysis, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw confusions beside recall and precision of classes, over the calibration."""
    classes = shown_measures(found)
    left = left_side(found)
    tall = max(LINE * len(classes) + 0.9, left, 2.6) + 2.9
    wide = (left + 1.2 if matrix_fits(found) else 5.6 if left else 0.0) + 5.6
    figure = drawing.canvas(wide, tall, into)
    beside = ["left"] if left else []
    panels = figure.subplot_mosaic(
        [[*beside, "classes"], [*beside, "calibration"]],
        width_ratios=[*([wide - 5.6] if beside else []), 5.6],
        height_ratios=[tall - 3.3, 2.7],
    )
    if left:
        draw_left(panels["left"], found)
    draw_classes(panels["classes"], found, classes)
    draw_calibration(panels["calibration"], found)
    drawing.heading(figure, _heading(found))
    return figure


def _heading(found: ErrorAnalysis) -> str:
    return f"{found.provenance.model}: {found.wrong:,} of {found.decisions:,} answers wrong"
