"""The picture of a gradient's way back: norms along the depth, bands, and what remedies change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.gradients.verdict_text import in_words, pairs
from cnnviz.results import drawing
from cnnviz.results.text import listed, minus, number, shortened
from cnnviz.views.pictures.gradient_bands import (
    SHADES,
    draw_bands,
    draw_other_bands,
    of_other_bands,
)
from cnnviz.views.pictures.named_marks import name_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.gradient_flow import GradientFlow

COLOURS = ("#2a6fdb", "#c8501e", "#2c8a5b", "#8a4fbf", "#b58900", "#555f6e")
_NAMED = 14
"""Points of a network up to which each gets its name below the axis."""
_MOST_ZEROS = 2
"""Points of several networks that are named as the zero of the axis."""
_UNIT_LETTERS = 36
_BESIDE = 1.3
"""Inches beside the panels: the numbers of their axes, and the names of the bands."""
_TRUNK = "trunk: every path to the answer goes through"
_BRANCH = "branch: another path leads around it"


def draw(flow: GradientFlow, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the gradient over its bands, the activations below, and the remedies tried."""
    flows = (flow, *flow.others)
    # Beside other networks, what would mend the first is only told.
    alone = not flow.others
    shown = [one for one in flow.remedies if alone and math.isfinite(one.after)]
    heights = [3.0, 1.5] + ([0.42 * len(shown) + 0.5] if shown else [])
    figure = drawing.canvas(9.0, sum(heights) + 0.8, into)
    across = drawing.width_of(figure) - _BESIDE
    narrow = drawing.is_narrow(figure)
    if narrow:
        heights = [2.2, 1.1] + ([0.62 * len(shown)] if shown else [])
        entries = 2 if alone else len(flows) + 1
        drawing.ask_for_height(figure, sum(heights) + 2.3 + 0.2 * entries + 0.6 * bool(shown))
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _gradients(panels[0], flows, across, narrow=narrow)
    _activations(panels[1], flows, narrow=narrow)
    if shown:
        _remedies(panels[2], flow, shown, across)
    panels[1].set_xlim(panels[0].get_xlim())
    drawing.heading(figure, _title(flows))
    return figure


def _title(flows: tuple[GradientFlow, ...]) -> str:
    if len(flows) > 1:
        return "Does the gradient arrive?"
    flow = flows[0]
    return f"{flow.provenance.model}: {flow.verdict.label} ({pairs(flow.verdict)})"


def _places(flow: GradientFlow, alone: bool) -> NDArray[np.float64]:
    count = len(flow.points)
    places = np.arange(count, dtype=np.float64)
    # Networks of different depth are laid over one another from first to last point.
    return places if alone else 100.0 * places / max(count - 1, 1)


def _decades(flow: GradientFlow) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: NDArray[np.float64] = np.log10(flow.arriving / flow.arriving[flow.zero])
    return found


def _unit(flows: tuple[GradientFlow, ...]) -> str:
    """Say beside what the gradient is drawn, which is one point of each network."""
    named = dict.fromkeys(in_words(flow.points[flow.zero]) for flow in flows)
    if len(named) > 1 and all(flow.zero == flow.verdict.reference for flow in flows):
        return "the last point before the logits"
    return shortened(listed(list(named), _MOST_ZEROS), _UNIT_LETTERS)


def _gradients(axes: Axes, flows: tuple[GradientFlow, ...], across: float, *, narrow: bool) -> None:
    alone = len(flows) == 1
    lines = [_decades(flow) for flow in flows]
    low, high = _limits(lines)
    draw_bands(axes, flows[0], low, high)
    axes.set_ylim(low, high)
    for place, (flow, decades) in enumerate(zip(flows, lines, strict=True)):
        colour = COLOURS[place % len(COLOURS)]
        label = _TRUNK if alone else _legend(flow)
        _line(axes, flow, decades, colour, label, (low, high), alone)
        _mark_first(axes, flow, decades, colour, alone)
    draw_other_bands(axes, flows, COLOURS, (low, high))
    if alone:
        _mark_break(axes, flows[0], low, high)
    elif any((~flow.on_trunk).any() for flow in flows):
        axes.scatter([], [], s=9, facecolors="none", edgecolors=drawing.QUIET, label=_BRANCH)
    # A healthy gradient may be large right before the logits: the verdict is on one point alone.
    axes.set_title(
        _reading(flows, across),
        loc="left", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET,
    )  # fmt: skip
    label = f"gradient at each output, decades\nbeside that at {_unit(flows)}"
    if narrow:
        label = f"gradient at each output,\ndecades beside that at\n{_unit(flows)}"
    axes.set_ylabel(label, fontsize=drawing.SMALL_SIZE)
    axes.yaxis.label.set_color(drawing.QUIET)
    drawing.plain_axes(axes)
    axes.set_xticks([])
    if narrow:  # Over its lines there is no room for their names.
        _entries(axes, loc="upper left", bbox_to_anchor=(-0.02, -0.02), across=across)
    else:
        _entries(axes)


def _reading(flows: tuple[GradientFlow, ...], across: float) -> str:
    """Say what D and its unit are, and whose bands are shaded, over so many inches."""
    whose = f", and those of {flows[0].provenance.model}" if of_other_bands(flows) else ""
    return drawing.wrapped(
        "D is what the first layer has, in decades: −2 is a hundredth, +2 a hundred times as much. "
        f"The bands are for D alone{whose}.",
        across,
    )


def _legend(flow: GradientFlow) -> str:
    return f"{flow.provenance.model}: {flow.verdict.label} ({pairs(flow.verdict)})"


def _limits(lines: list[NDArray[np.float64]]) -> tuple[float, float]:
    values = np.concatenate([line[np.isfinite(line)] for line in lines] or [np.zeros(1)])
    low = min(-3.0, float(values.min(initial=0.0)) - 0.5)
    high = max(3.0, float(values.max(initial=0.0)) + 0.5)
    return max(low, -40.0), min(high, 40.0)


def _line(
    axes: Axes,
    flow: GradientFlow,
    decades: NDArray[np.float64],
    colour: str,
    label: str,
    limits: tuple[float, float],
    alone: bool,
) -> None:
    places = _places(flow, alone)
    clipped = np.clip(np.nan_to_num(decades, neginf=limits[0], posinf=limits[1]), *limits)
    trunk = flow.on_trunk & ~np.isnan(decades)
    branch = ~flow.on_trunk & ~np.isnan(decades)
    dot = "o" if trunk.sum() <= 60 else ""
    axes.plot(
        places[trunk],
        clipped[trunk],
        color=colour,
        lw=1.5,
        label=label,
        zorder=3,
        marker=dot,
        ms=3.2,
    )
    if branch.any():
        axes.scatter(
            places[branch],
            clipped[branch],
            s=9,
            facecolors="none",
            edgecolors=colour,
            linewidths=0.7,
            alpha=0.75,
            label=_BRANCH if alone else None,
            zorder=2,
        )
    lost = np.isneginf(decades)
    if lost.any():
        axes.scatter(
            places[lost],
            np.full(int(lost.sum()), limits[0]),
            marker="v",
            s=22,
            color=colour,
            clip_on=False,
            label="nothing arrives" if alone else None,
            zorder=4,
        )


def _mark_break(axes: Axes, flow: GradientFlow, low: float, high: float) -> None:
    place = flow.verdict.breaks_at
    if place is None or flow.verdict.label == "healthy":
        return
    axes.axvline(place - 0.5, color=drawing.WARM, lw=1.0, ls=(0, (4, 3)), zorder=1)
    what = "breaks" if flow.verdict.sudden else "leaves the healthy band"
    right = place < 0.6 * len(flow.points)
    # Towards the first layer a gradient that vanishes is where words at the foot would be.
    above = not right and flow.verdict.decades < 0.0
    axes.annotate(
        f"{what} before {in_words(flow.points[place])}",
        (place - 0.5, high if above else low),
        xytext=(4 if right else -4, -4 if above else 4),
        textcoords="offset points",
        fontsize=drawing.SMALL_SIZE,
        color=drawing.WARM,
        ha="left" if right else "right",
        va="top" if above else "baseline",
    )


def _mark_first(
    axes: Axes, flow: GradientFlow, decades: NDArray[np.float64], colour: str, alone: bool
) -> None:
    """Name the value that the verdict is on."""
    first = flow.verdict.first
    if math.isfinite(decades[first]) and math.isfinite(flow.verdict.decades):
        place = float(_places(flow, alone)[first])
        name_mark(axes, (place, float(decades[first])), "D", drawing.INK if alone else colour)


def _activations(axes: Axes, flows: tuple[GradientFlow, ...], *, narrow: bool) -> None:
    alone = len(flows) == 1
    for place, flow in enumerate(flows):
        colour = COLOURS[place % len(COLOURS)]
        places, values = _places(flow, alone), flow.activation_norms
        shown = np.isfinite(values) & (values > 0.0)
        trunk, branch = shown & flow.on_trunk, shown & ~flow.on_trunk
        axes.plot(places[trunk], values[trunk], color=colour, lw=1.2)
        axes.scatter(
            places[branch], values[branch], s=7, facecolors="none", edgecolors=colour, lw=0.6
        )
        if alone:
            _shares(axes, flow, places, narrow=narrow)
    if any(
        (np.isfinite(flow.activation_norms) & (flow.activation_norms > 0.0)).any() for flow in flows
    ):
        axes.set_yscale("log")
        _few_ticks(axes)
    else:
        _no_activation(axes)
    axes.set_ylabel("activation norm\n(L2, per image)", fontsize=drawing.SMALL_SIZE)
    axes.yaxis.label.set_color(drawing.QUIET)
    drawing.plain_axes(axes)
    _name_points(axes, flows)


def _no_activation(axes: Axes) -> None:
    """Say that there is nothing to draw: a logarithm has no place for 0, and none for NaN."""
    axes.set_yticks([])
    axes.text(
        0.5,
        0.5,
        "no activation is finite and above 0",
        transform=axes.transAxes,
        fontsize=drawing.SMALL_SIZE,
        color=drawing.WARM,
        ha="center",
        va="center",
    )


def _few_ticks(axes: Axes) -> None:
    """Span a decade at least, and write numbers as numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_ylim()
    short = max(0.0, 1.0 - math.log10(high / low)) / 2.0
    low, high = low * 10.0**-short, high * 10.0**short
    axes.set_ylim(low, high)
    marks = (1.0, 2.0, 5.0) if high / low < 50.0 else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(10.0, marks, numticks=6))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.0f}" if 1e3 <= value < 1e7 else number(value))
    )


def _shares(axes: Axes, flow: GradientFlow, places: NDArray[np.float64], *, narrow: bool) -> None:
    """Draw the shares of dead channels and saturated positions on an axis of their own."""
    shares = {
        "dead channels": (flow.dead_fractions, drawing.WARM),
        "saturated positions": (flow.saturated_fractions, "#8a4fbf"),
    }
    least = 0.05  # Less could not be seen.
    present = {name: pair for name, pair in shares.items() if np.nanmax([0.0, *pair[0]]) >= least}
    if not present:
        return
    other = axes.twinx()
    for name, (values, colour) in present.items():
        other.bar(places, np.nan_to_num(100.0 * values), color=colour, alpha=0.3, label=name)
    other.set_ylim(0.0, 100.0)
    other.set_ylabel("share of units (%)", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    drawing.plain_axes(other)
    if narrow:
        _entries(other, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2)
    else:
        _entries(other)


def _name_points(axes: Axes, flows: tuple[GradientFlow, ...]) -> None:
    flow = flows[0]
    if len(flows) > 1:
        axes.set_xlabel("way from the first to the last layer (%)", fontsize=drawing.SMALL_SIZE)
    elif len(flow.points) <= _NAMED:
        axes.set_xticks(range(len(flow.points)), flow.points, rotation=25, ha="right")
        axes.set_xlabel("layers and merges in the order of calls", fontsize=drawing.SMALL_SIZE)
    else:
        steps = np.unique(np.linspace(0, len(flow.points) - 1, 8).round().astype(int))
        axes.set_xticks(steps, [flow.points[step] for step in steps], rotation=25, ha="right")
        told = f"layers and merges in the order of calls ({len(flow.points)}, some named)"
        # It stands below the panel, which leaves room beside it for the names of bands.
        across = drawing.width_of(axes.figure) - _BESIDE
        axes.set_xlabel(drawing.wrapped(told, across), fontsize=drawing.SMALL_SIZE)
    axes.xaxis.label.set_color(drawing.QUIET)


def _remedies(axes: Axes, flow: GradientFlow, shown: list[Any], across: float) -> None:
    edges = flow.verdict.edges
    ends = [value for one in shown for value in (one.before, one.after) if math.isfinite(value)]
    low, high = min(-3.0, *ends) - 0.4, max(3.0, *ends) + 0.4
    axes.axvspan(edges[2], edges[3], color=SHADES["healthy"], lw=0, zorder=0)
    for row, remedy in enumerate(shown):
        before = max(remedy.before, low) if math.isfinite(remedy.before) else low
        colour = COLOURS[2] if remedy.mends else drawing.QUIET
        axes.plot([before, remedy.after], [row, row], color=drawing.FAINT, lw=2.0, zorder=1)
        if math.isfinite(remedy.before):
            axes.plot([before], [row], "o", ms=5, mfc="white", mec=drawing.QUIET, zorder=2)
        axes.plot([remedy.after], [row], "o", ms=6, color=colour, zorder=3)
        axes.annotate(
            drawing.wrapped(
                minus(f"{remedy.name}: {remedy.after:+.1f}, {remedy.label}"), across + 0.6
            ),
            (0.0, row),
            xycoords=axes.get_yaxis_transform(),
            xytext=(5, 5),
            textcoords="offset points",
            fontsize=drawing.SMALL_SIZE,
            color=drawing.INK,
        )
    axes.set_yticks([])
    axes.set_ylim(len(shown) - 0.4, -0.8)
    axes.set_xlim(low, high)
    words = "D before (hollow) and after each remedy, tried alone on a copy, decades"
    axes.set_xlabel(drawing.wrapped(words, across + 0.6), fontsize=drawing.SMALL_SIZE)
    axes.xaxis.label.set_color(drawing.QUIET)
    drawing.plain_axes(axes)


def _entries(axes: Axes, across: float = math.inf, **where: Any) -> None:
    """Say which line is which, in lines of so many inches."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        axes.legend(
            handles,
            [label if across == math.inf else drawing.wrapped(label, across) for label in labels],
            fontsize=drawing.SMALL_SIZE,
            frameon=False,
            labelcolor=drawing.INK,
            **{"loc": "best", **where},
        )
