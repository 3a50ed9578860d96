"""The picture of an evaluation: a panel for each main measure, a row for each method."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from cnnviz.results import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.evaluation.result import Evaluation

MAIN = (
    "gain",
    "average_drop",
    "likeness_kept",
    "noise_correlation",
    "pointing",
    "energy_inside",
    "box_found",
)
"""The measures that are drawn, where they were taken."""
_ACROSS = 4
_JUDGED = "likeness_kept"
_WISHES = {"high": "higher is better", "low": "lower is better", "": ""}


def draw(found: Evaluation, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw means with intervals beside those of random maps."""
    shown = drawn_measures(found)
    across = min(_ACROSS, len(shown))
    down = math.ceil(len(shown) / across)
    tall = 0.3 * len(found.methods) + 1.0
    figure = drawing.canvas(2.7 * across + 1.6, tall * down + 1.3, into)
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes, key in zip(panels.flat, shown, strict=False):
        _panel(axes, found, key)
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    for row in panels:
        _name_rows(row[0], found)
    _tell(figure, found)
    drawing.heading(figure, found.summary())
    return figure


def drawn_measures(found: Evaluation) -> list[str]:
    """Return the measures that have a panel."""
    keys = [column.key for column in found.columns]
    return [key for key in MAIN if key in keys] or keys[: 2 * _ACROSS]


def draw_panel(found: Evaluation, axes: Axes) -> None:
    """Draw the one measure into an Axes."""
    _panel(axes, found, drawn_measures(found)[0])
    _name_rows(axes, found)


def _name_rows(axes: Axes, found: Evaluation) -> None:
    axes.set_yticks(range(len(found.titles)), found.titles, fontsize=drawing.TEXT_SIZE)
    axes.set_ylim(len(found.titles) - 0.4, -0.6)


def _panel(axes: Axes, found: Evaluation, key: str) -> None:
    drawing.plain_axes(axes)
    column = next(one for one in found.columns if one.key == key)
    axes.grid(axis="y", color=drawing.FAINT, linewidth=0.5, alpha=0.6)
    for row, method in enumerate(found.methods):
        cell = found.cell(method, key)
        if not math.isfinite(cell.mean):
            axes.text(0.5, row, "none", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
            continue
        colour = drawing.ACCENT
        if key == _JUDGED:
            limit = found.similarity_limit(method)
            axes.plot([limit] * 2, [row - 0.3, row + 0.3], color=drawing.WARM, linestyle=":")
            colour = drawing.WARM if cell.mean >= limit else colour
        axes.plot([cell.random] * 2, [row - 0.3, row + 0.3], color="#9aa4b2", linewidth=2.2)
        axes.plot([cell.low, cell.high], [row, row], color=colour, linewidth=1.6)
        axes.plot(cell.mean, row, "o", color=colour, markersize=5)
    wish = _WISHES[column.better]
    title = f"{column.title[0].upper()}{column.title[1:]}"
    axes.set_title(
        f"{title}\n{wish}" if wish else f"{title}\nlower is better",
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
        "Dot: mean and 95 % interval. Grey: the random maps of the same images. Dotted: the limit."
    ]
    width = int(17 * drawing.width_of(figure))
    lines = [line for text in [*told, *found.verdicts] for line in textwrap.wrap(text, width)]
    figure.supxlabel(
        "\n".join(lines), x=0.012, ha="left", fontsize=drawing.SMALL_SIZE + 0.5, color=drawing.INK
    )
