"""The picture of a faithfulness result: curves above, the table and the verdicts below."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.heatmaps.checks.deletion_insertion import Curves
from cnnviz.heatmaps.checks.measure import WISHES, Measure
from cnnviz.heatmaps.checks.randomisation import Randomisation
from cnnviz.results import drawing
from cnnviz.results.known_mean import mean_of_known
from cnnviz.results.text import layer_said, minus, plural, shortened, whole_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.faithfulness import Faithfulness

_RANDOM = "#9aa4b2"
_BASELINE_STYLES = ("-", (0, (4, 1.6)), (0, (1, 1.2)), "-.")
_PANEL = 3.6
_ROW = 0.21
_VERDICT_SIZE = drawing.TEXT_SIZE - 0.5
_VERDICTS, _LINE = 4.3, 0.19
"""Inches of what is said beside the table, and of a line of it from top to bottom."""
_CURVES, _LEGEND = 2.6, 0.45
"""Inches of a row of panels in a column, and what the longer legend below one takes more."""
_BELOW_AXIS = 0.42
"""Inches from a plot to the legend below it, with the numbers and the words of the axis."""
_LEAST, _NARROWEST = 0.95, 4.0
"""The share of its own width below which the picture is laid out anew, and inches of a panel."""
_ARROWS = {"low": "↓", "high": "↑"}


def draw(found: Faithfulness, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the panels that were measured above the table of all measures."""
    above = ["deletion", "insertion"] if found.curves is not None else []
    above += ["randomisation"] if found.randomisation is not None else []
    height = max(_ROW * (len(found.measures) + 2.5), 2.0)
    tall = 3.5 if above else 0.0
    own = max(3, len(above)) * _PANEL
    figure = drawing.canvas(own, tall + height + 0.5, into)
    inches = drawing.width_of(figure) - 0.4
    narrow = inches + 0.4 < _LEAST * own
    if narrow:
        axes = _lay_out_narrow(figure, found, above)
    else:
        axes, inches = _lay_out(figure, above, tall, height), _VERDICTS
    if found.curves is not None:
        _draw_curves(axes["deletion"], found, found.curves, "deletion")
        _draw_curves(axes["insertion"], found, found.curves, "insertion")
    if found.randomisation is not None:
        _draw_randomisation(axes["randomisation"], found.randomisation, low=narrow)
    _draw_table(axes["table"], found.measures, short=narrow)
    _draw_verdicts(axes["verdicts"], found, inches)
    drawing.heading(figure, f"{found.title} at {layer_said(found.layer)}: {_subject(found)}")
    return figure


def _subject(found: Faithfulness) -> str:
    if len(found.images) == 1:
        return f"{found.targets[0]!r} in {found.images[0]}"
    return f"mean of {len(found.images)} {found.space.noun}s"


def _lay_out(figure: drawing.Canvas, above: list[str], tall: float, low: float) -> dict[str, Axes]:
    rows = figure.add_gridspec(2 if above else 1, 1, height_ratios=[tall, low] if above else [low])
    axes: dict[str, Axes] = {}
    if above:
        top = rows[0].subgridspec(1, len(above), wspace=0.08)
        axes = {name: figure.add_subplot(top[place]) for place, name in enumerate(above)}
    bottom = rows[-1].subgridspec(1, 2, width_ratios=[1.5, 1.0], wspace=0.04)
    return {
        **axes,
        "table": figure.add_subplot(bottom[0]),
        "verdicts": figure.add_subplot(bottom[1]),
    }


def _lay_out_narrow(
    figure: drawing.Canvas, found: Faithfulness, above: list[str]
) -> dict[str, Axes]:
    """Put as many panels into a row as there is room for, and the words below the table."""
    width = drawing.width_of(figure)
    across = max(1, min(len(above), int(width / _NARROWEST)))
    rows = -(-len(above) // across)
    heights = [_CURVES] * rows
    if "randomisation" in above:
        # The axes stay as high as the others: its legend has a line for each curve.
        heights[above.index("randomisation") // across] += _LEGEND
    heights += [
        _ROW * (len(found.measures) + 2.5),
        _verdicts_height(found, width - 0.4),
    ]
    drawing.ask_for_height(figure, sum(heights) + 0.4)
    # Parts of their own: beside the table there are no numbers of an axis to leave room for.
    parts = figure.subfigures(rows + 2, 1, height_ratios=heights, squeeze=False)[:, 0]
    axes = {}
    for place, name in enumerate(above):
        row, column = divmod(place, across)
        axes[name] = parts[row].add_subplot(1, across, column + 1)
    below = {"table": parts[rows], "verdicts": parts[rows + 1]}
    return axes | {name: part.add_subplot() for name, part in below.items()}


def _draw_curves(axes: Axes, found: Faithfulness, curves: Curves, which: str) -> None:
    """Draw the mean curve for each baseline over the means of the random maps."""
    own: NDArray[np.float64] = getattr(curves, which)
    random: NDArray[np.float64] = getattr(curves, f"random_{which}")
    colour = drawing.WARM if which == "deletion" else drawing.ACCENT
    percent = 100.0 * curves.shares
    for place, name in enumerate(curves.baselines):
        style: Any = _BASELINE_STYLES[place % len(_BASELINE_STYLES)]
        several = random[place].mean(0)
        axes.fill_between(
            percent, several.min(0), several.max(0), color=_RANDOM, alpha=0.25, linewidth=0
        )
        axes.plot(percent, several.mean(0), color=_RANDOM, linestyle=style, linewidth=1.2)
        area = float(np.trapezoid(own[place], curves.shares, axis=-1).mean())
        axes.plot(
            percent,
            own[place].mean(0),
            color=colour,
            linestyle=style,
            linewidth=1.8,
            label=minus(f"{name} {area:.2f}"),
        )
    axes.plot([], [], color=_RANDOM, linewidth=1.2, label="random, range")
    wish = "taken away: lower is better" if which == "deletion" else "brought in: higher is better"
    axes.set_title(f"Brightest {found.space.places} {wish}", fontsize=drawing.TEXT_SIZE, loc="left")
    axes.set_xlabel(f"{found.space.places} exchanged (%)", fontsize=drawing.SMALL_SIZE)
    axes.set_xlim(0.0, 100.0)
    if found.unit == "probability":
        axes.set_ylabel("probability of the target", fontsize=drawing.SMALL_SIZE)
        axes.set_ylim(0.0, 1.02)
    else:
        axes.set_ylabel(f"score (0 blank, 1 {found.space.shown})", fontsize=drawing.SMALL_SIZE)
    _legend(axes)


def _draw_randomisation(axes: Axes, found: Randomisation, *, low: bool) -> None:
    from matplotlib.ticker import MultipleLocator

    places = np.arange(len(found.stages) + 1)
    measured = (
        (found.correlation, found.random_correlation, drawing.INK, "o", "rank correlation"),
        (found.similarity, found.random_similarity, drawing.ACCENT, "s", "SSIM"),
    )
    for values, random, colour, marker, name in measured:
        mean = np.concatenate([[1.0], mean_of_known(values, 1)])
        by_chance = float(mean_of_known(random.reshape(-1), 0))
        axes.axhline(by_chance, color=colour, linewidth=1.0, linestyle=":", alpha=0.8)
        axes.plot(
            places, mean, color=colour, marker=marker, markersize=3.5, linewidth=1.6, label=name
        )
    if found.gradient is not None:
        mean = np.concatenate([[1.0], mean_of_known(found.gradient.correlation, 1)])
        name = "rank correlation of the gradient"
        axes.plot(places, mean, color=_RANDOM, linestyle="--", linewidth=1.4, label=name)
    axes.plot([], [], color=drawing.QUIET, linestyle=":", linewidth=1.0, label="random")
    labels = ["none", *(f"{count}" for count in found.redrawn)]
    axes.set_xticks(places, labels, fontsize=drawing.SMALL_SIZE)
    first = shortened(layer_said(found.stages[0]), 18, "start")
    axes.set_xlabel(
        f"of {plural(found.layers, 'layer')} redrawn, from {first} down",
        fontsize=drawing.SMALL_SIZE,
    )
    axes.set_title(
        "Similarity to the map with none redrawn", fontsize=drawing.TEXT_SIZE, loc="left"
    )
    least, _ = axes.get_ylim()
    axes.set_ylim(min(-0.1, least), 1.04)
    if low:  # Numbers that the height of the panel has no say in.
        axes.yaxis.set_major_locator(MultipleLocator(0.5))
    _legend(axes, 1 if low else 2)


def _legend(axes: Axes, columns: int = 3) -> None:
    """Put the legend below the plot and what is said of its axis, where it hides no curve."""
    from matplotlib.transforms import ScaledTranslation

    drawing.plain_axes(axes)
    # In inches: a share of a low plot would put it onto the words of the axis.
    down = ScaledTranslation(0.0, -_BELOW_AXIS, axes.figure.dpi_scale_trans)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.48, 0.0),
        bbox_transform=axes.transAxes + down,
        ncols=columns,
        fontsize=drawing.SMALL_SIZE,
        frameon=False,
        columnspacing=1.2,
        handlelength=1.8,
    )


def _draw_table(axes: Axes, measures: tuple[Measure, ...], *, short: bool = False) -> None:
    """Write a row for each measure; in short an arrow says which way is better."""
    drawing.hide_ticks(axes)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(len(measures) + 0.6, -0.9)
    columns = (0.0, 0.6, 0.735, 0.87, 1.0) if short else (0.0, 0.56, 0.72, 0.86, 1.0)
    arrows = {one.better: _ARROWS[one.better] for one in measures if one.better}
    if short and arrows:
        said = ", ".join(f"{arrow} {WISHES[wish]}" for wish, arrow in arrows.items())
        axes.set_xlabel(said, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left")
    heads = ("measure", "map", "random", "beaten", "chance")
    write = partial(_write, axes, size=drawing.SMALL_SIZE if short else drawing.TEXT_SIZE - 1.0)
    for across, head in zip(columns, heads, strict=True):
        write(across, -0.35, head, drawing.QUIET, left=across == 0.0)
    axes.axhline(0.1, color=drawing.FAINT, linewidth=0.8)
    for row, one in enumerate(measures):
        y = row + 0.6
        wish = f" ({WISHES[one.better]})" if one.better else ""
        wish = f" {_ARROWS[one.better]}" if one.better and short else wish
        write(0.0, y, f"{one.title}{wish}", drawing.INK, left=True)
        cells = [_cell(one.mean), _cell(one.random_mean)]
        cells += [_percent(one.beaten), _chance(one.chance)] if one.better else ["", ""]
        for across, cell in zip(columns[1:], cells, strict=True):
            write(across, y, cell, drawing.INK)


def _write(
    axes: Axes,
    across: float,
    down: float,
    text: str,
    colour: str,
    *,
    left: bool = False,
    size: float,
) -> None:
    side = "left" if left else "right"
    axes.text(across, down, text, fontsize=size, color=colour, ha=side, va="center")


def _cell(value: float) -> str:
    if not np.isfinite(value):
        return "-"
    return minus(f"{value:z.3f}" if abs(value) < 10.0 else f"{value:.3g}")


def _chance(value: float) -> str:
    return "< 0.001" if value < 0.001 else _cell(value)


def _percent(value: float) -> str:
    return "–" if not np.isfinite(value) else whole_percent(value)


def _told(found: Faithfulness, inches: float) -> list[tuple[bool | None, str]]:
    """Return what is said of the map, and what was left out, in lines of so many inches."""
    told: list[tuple[bool | None, str]]
    told = [(verdict.passed, verdict.sentence) for verdict in found.verdicts]
    told += [(None, note) for note in found.notes]
    return [(passed, drawing.wrapped(text, inches, _VERDICT_SIZE)) for passed, text in told]


def _verdicts_height(found: Faithfulness, inches: float) -> float:
    """Return the inches that this takes from top to bottom."""
    return max(0.5, sum(_lines_of(text) for _, text in _told(found, inches)) * _LINE)


def _lines_of(text: str) -> float:
    """Return the lines of a paragraph, with the room after it."""
    return text.count("\n") + 1.5


def _draw_verdicts(axes: Axes, found: Faithfulness, inches: float) -> None:
    """Write what is said of the map into a panel of so many inches."""
    drawing.hide_ticks(axes)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    down = 0.0
    for passed, text in _told(found, inches):
        # In letters: paragraphs of a low panel would run into one another as shares of it.
        axes.annotate(
            text, (0.0 if inches > _VERDICTS else 0.04, 1.0), xycoords="axes fraction",
            xytext=(0.0, -down), textcoords="offset fontsize", fontsize=_VERDICT_SIZE,
            color=drawing.INK if passed is not False else drawing.WARM, va="top",
            linespacing=1.35,
        )  # fmt: skip
        down += 72.0 * _LINE / _VERDICT_SIZE * _lines_of(text)
