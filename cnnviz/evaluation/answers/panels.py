"""Panels of a picture of counted answers: confusion matrix, pairs, classes, and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.evaluation.answers.measures import BINS, ClassMeasures, Share
from cnnviz.results import colour_bars, drawing
from cnnviz.results.intervals import LEVEL
from cnnviz.results.text import percent, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from cnnviz.evaluation.answers.result import ConfusedPair, CountedAnswers

MOST_CELLS = 30
"""Classes of a matrix whose cells can be read; of more classes the largest cells are listed."""
MOST_CLASSES = 30
_MOST_PAIRS = 24
_LETTERS = 22
_CELL = 0.42
"""Inches of a cell of the matrix."""
LINE = 0.24
"""Inches of a line of a list."""


def shown_measures(found: CountedAnswers) -> list[ClassMeasures]:
    """Return the classes that are drawn: all, or those that are recalled least."""
    labelled = [each for each in found.measures if each.labelled]
    if len(found.measures) <= MOST_CLASSES:
        return list(found.measures)
    return sorted(labelled, key=lambda each: (each.recall.value, -each.labelled))[:MOST_CLASSES]


def matrix_fits(found: CountedAnswers) -> bool:
    """Whether there is a confusion matrix whose cells can be read; otherwise pairs are listed."""
    return 0 < len(found.shown_classes) <= MOST_CELLS


def listed_pairs(found: CountedAnswers) -> tuple[ConfusedPair, ...]:
    """Return the pairs that stand in the list, most often confused first."""
    return found.pairs[:_MOST_PAIRS]


def left_side(found: CountedAnswers) -> float:
    """Return the inches of the matrix, or of the list in its place; 0 where there is neither."""
    if not matrix_fits(found):
        return LINE * len(listed_pairs(found)) + 0.9 if found.pairs else 0.0
    return max(3.4, _CELL * len(found.shown_classes) + 1.4)


def draw_left(axes: Axes, found: CountedAnswers) -> None:
    """Draw the matrix, or the list of its largest cells where it has too many."""
    (_matrix if matrix_fits(found) else _pairs)(axes, found)


def _matrix(axes: Axes, found: CountedAnswers) -> None:
    """Draw the counts, each on the colour of its share of the row."""
    counts = found.confusion
    labelled = counts.sum(1, keepdims=True)
    shares = np.divide(counts, labelled, out=np.full(counts.shape, np.nan), where=labelled > 0)
    scale = drawing.Scale(0.0, 1.0, "Blues")
    axes.imshow(scale.paint(shares), interpolation="nearest")
    axes.set_anchor("N")
    for row, column in zip(*np.nonzero(counts), strict=True):
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}",
            ha="center",
            va="center",
            fontsize=drawing.SMALL_SIZE if counts[row, column] < 10_000 else 5.5,
            color="white" if shares[row, column] > 0.55 else drawing.INK,
        )
    names = [shortened(name, _LETTERS, "end") for name in found.shown_classes]
    places = range(len(names))
    axes.set_xticks(places, names, rotation=90, fontsize=drawing.SMALL_SIZE)
    axes.set_yticks(places, names, fontsize=drawing.SMALL_SIZE)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=drawing.FAINT, linewidth=0.5)
    axes.tick_params(which="both", length=0, labelcolor=drawing.INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("answer", fontsize=drawing.TEXT_SIZE, color=drawing.QUIET)
    axes.set_ylabel("label", fontsize=drawing.TEXT_SIZE, color=drawing.QUIET)
    title(axes, f"Labels and answers: {found.noun}s, on the colour of their share of the row")
    colour_bars.colour_bar(axes, scale, f"share of the {found.noun}s with the label")


def _pairs(axes: Axes, found: CountedAnswers) -> None:
    """Draw the largest cells off the diagonal as a list, where the matrix has too many."""
    from matplotlib.ticker import MaxNLocator

    shown = listed_pairs(found)
    rows = range(len(shown))
    axes.barh(rows, [pair.count for pair in shown], color=drawing.ACCENT, height=0.62)
    for row, pair in enumerate(shown):
        axes.text(
            pair.count,
            row,
            f" {pair.count} of its {pair.labelled} ({percent(pair.share)})",
            va="center",
            fontsize=drawing.SMALL_SIZE,
            color=drawing.INK,
        )
    half = _LETTERS - 4
    names = [
        f"{shortened(pair.truth, half, 'end')} → {shortened(pair.answer, half, 'end')}"
        for pair in shown
    ]
    drawing.plain_axes(axes)
    axes.set_yticks(rows, names, fontsize=drawing.SMALL_SIZE)
    axes.tick_params(axis="y", length=0, labelcolor=drawing.INK)
    axes.set_ylim(max(len(shown), _MOST_PAIRS) - 0.4, -0.6)
    axes.set_xlim(0, max(pair.count for pair in shown) * 1.45)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"{found.noun}s", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    more = found.further_pairs
    rest = f"; {more:,} more pairs" if more else ""
    title(axes, f"Most often confused: right class → answer{rest}")


def draw_classes(axes: Axes, found: CountedAnswers, classes: Sequence[ClassMeasures]) -> None:
    """Draw recall and precision of each class, with their intervals."""
    drawing.plain_axes(axes)
    axes.grid(axis="y", color=drawing.FAINT, linewidth=0.5, alpha=0.6)
    for row, each in enumerate(classes):
        _dot(axes, row - 0.15, each.recall, drawing.ACCENT, "o")
        _dot(axes, row + 0.15, each.precision, drawing.WARM, "s")
    names = [f"{shortened(each.name, _LETTERS, 'end')}  {each.labelled:,}" for each in classes]
    axes.set_yticks(range(len(classes)), names, fontsize=drawing.SMALL_SIZE)
    axes.tick_params(axis="y", length=0, labelcolor=drawing.INK)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.set_xlim(0.0, 1.0)
    axes.plot([], [], "o-", color=drawing.ACCENT, markersize=4, linewidth=1.4, label="recall")
    axes.plot([], [], "s-", color=drawing.WARM, markersize=4, linewidth=1.4, label="precision")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=2,
        frameon=False,
        fontsize=drawing.SMALL_SIZE,
        borderaxespad=0.1,
    )
    axes.set_xlabel(
        f"share, with its {100 * LEVEL:.0f}% interval; beside each class its {found.noun}s",
        fontsize=drawing.SMALL_SIZE,
        color=drawing.QUIET,
    )
    which = "" if len(classes) == len(found.measures) else f": the {len(classes)} recalled least"
    title(axes, f"Classes{which}", pad=18.0)


def _dot(axes: Axes, row: float, share: Share, colour: str, marker: str) -> None:
    if share.of:
        axes.plot(share.interval, [row, row], color=colour, linewidth=1.4)
        axes.plot(share.value, row, marker, color=colour, markersize=4, clip_on=False)


def draw_calibration(axes: Axes, found: CountedAnswers) -> None:
    """Draw how often answers are right over how sure they are: a reliability diagram."""
    calibration = found.calibration
    drawing.plain_axes(axes)
    axes.plot([0, 1], [0, 1], color=drawing.FAINT, linewidth=1.2, linestyle="--")
    most = max(int(calibration.counts.max()), 1)
    axes.bar(
        (np.arange(BINS) + 0.5) / BINS,
        0.25 * calibration.counts / most,
        width=0.9 / BINS,
        color=drawing.FAINT,
        alpha=0.7,
    )
    for sure, share in zip(calibration.confidence, calibration.shares, strict=True):
        if share.of:
            axes.plot([sure, sure], share.interval, color=drawing.ACCENT, linewidth=1.4)
            axes.plot(sure, share.value, "o", color=drawing.ACCENT, markersize=4, clip_on=False)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.03)
    axes.set_xlabel(
        f"how sure; grey bars: how many answers, at most {most:,}",
        fontsize=drawing.SMALL_SIZE,
        color=drawing.QUIET,
    )
    axes.set_ylabel("share that is right", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    title(axes, f"Calibration: expected error {percent(calibration.error)}; dashed is perfect")


def title(axes: Axes, text: str, pad: float = 6.0) -> None:
    """Write the title of a panel at its left edge."""
    axes.set_title(text, loc="left", fontsize=drawing.TEXT_SIZE, color=drawing.INK, pad=pad)
