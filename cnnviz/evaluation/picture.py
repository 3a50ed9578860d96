"""The picture of an evaluation: a panel for each main measure, a row for each method."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from cnnviz.heatmaps.checks.measure import WISHES
from cnnviz.results import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.evaluation.records import MeasureColumn
    from cnnviz.evaluation.result import Evaluation

_ACROSS = 4


def draw(found: Evaluation, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw means with intervals beside those of random maps."""
    shown = found.main_columns()
    across = min(_ACROSS, len(shown))
    down = math.ceil(len(shown) / across)
    tall = 0.3 * len(found.methods) + 1.0
    figure = drawing.canvas(2.7 * across + 1.6, tall * down + 1.3, into)
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes, column in zip(panels.flat, shown, strict=False):
        _panel(axes, found, column)
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    for row in panels:
        _name_rows(row[0], found)
    _tell(figure, found)
    drawing.heading(figure, found.summary())
    return figure


def draw_panel(found: Evaluation, axes: Axes) -> None:
    """Draw the one measure into an Axes."""
    _panel(axes, found, found.main_columns()[0])
    _name_rows(axes, found)


def _name_rows(axes: Axes, found: Evaluation) -> None:
    axes.set_yticks(range(len(found.titles)), found.titles, fontsize=drawing.TEXT_SIZE)
    axes.set_ylim(len(found.titles) - 0.4, -0.6)


def _panel(axes: Axes, found: Evaluation, column: MeasureColumn) -> None:
    drawing.plain_axes(axes)
    judged = found.limit(found.methods[0], column.key) is not None
    wish = WISHES["low" if judged else column.better]
    axes.grid(axis="y", color=drawing.FAINT, linewidth=0.5, alpha=0.6)
    for row, method in enumerate(found.methods):
        cell = found.cell(method, column.key)
        if not math.isfinite(cell.mean):
            axes.text(0.5, row, "none", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
            continue
        colour = drawing.ACCENT
        limit = found.limit(method, column.key)
        if limit is not None:
            axes.plot([limit] * 2, [row - 0.3, row + 0.3], color=drawing.WARM, linestyle=":")
            # Across the limit is neither: the verdict below says that it is not known.
            # Of one image there is no interval.
            least = cell.low if math.isfinite(cell.low) else cell.mean
            colour = drawing.WARM if least >= limit else colour
            colour = drawing.QUIET if cell.low < limit <= cell.high else colour
        axes.plot([cell.random] * 2, [row - 0.3, row + 0.3], color="#9aa4b2", linewidth=2.2)
        axes.plot([cell.low, cell.high], [row, row], color=colour, linewidth=1.6)
        axes.plot(cell.mean, row, "o", color=colour, markersize=5)
    title = f"{column.title[0].upper()}{column.title[1:]}"
    axes.set_title(
        f"{title}\n{wish}",
        fontsize=drawing.SMALL_SIZE + 0.5,
        loc="left",
        color=drawing.INK,
    )
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.0), max(high, 0.1))
    axes.tick_params(axis="y", length=0, labelcolor=drawing.INK)


def _tell(figure: drawing.Canvas, found: Evaluation) -> None:
    """Write below the panels how to read them and which methods fail a check."""
    told = [
        "Dot: mean and 95% interval. Grey: the random maps of the same images. Dotted: the limit."
    ]
    width = int(17 * drawing.width_of(figure))
    lines = [
        line
        for text in [*told, *found.counted(), *found.verdicts]
        for line in textwrap.wrap(text, width)
    ]
    figure.supxlabel(
        "\n".join(lines), x=0.012, ha="left", fontsize=drawing.SMALL_SIZE + 0.5, color=drawing.INK
    )
