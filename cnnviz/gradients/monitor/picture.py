"""Pictures of a training run: layers along the depth, steps along the width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.gradients.monitor.loss_curves import draw_losses, draw_timeline, timeline_high
from cnnviz.gradients.monitor.step_axis import binned, dots, span, step_axis
from cnnviz.gradients.verdicts import BANDS, raised_edges
from cnnviz.results import colour_bars, drawing
from cnnviz.results.drawing import Pixels, Scale
from cnnviz.results.text import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cnnviz.gradients.monitor.run import TrainingRun

MOST_NAMES = 64
_WIDTH = 9.6
_ZERO = (150, 156, 166)
_BROKEN = (200, 80, 30)
_ABSENT = (244, 245, 247)
_SHARE = "magma_r"
_SHADES = {
    "vanishing": "#f3d9d0",
    "watch": "#f7efdc",
    "healthy": "#e2efe4",
    "exploding": "#f3d9d0",
}


@dataclass(frozen=True)
class PanelStyle:
    """How one figure of the layers is drawn.

    Attributes
    ----------
    title, unit : str
        Above the picture, and beside its colours.
    log : bool
        Whether the colours follow the logarithm.
    colours : str
        The colour map.
    """

    title: str
    unit: str
    log: bool = True
    colours: str = drawing.SEQUENTIAL


LOOKS = {
    "gradient": PanelStyle("Gradient at the output of each layer", "L2 norm, RMS over samples"),
    "activation": PanelStyle("Output of each layer", "L2 norm, RMS over samples"),
    "update": PanelStyle("Update of the weights", "share of their norm"),
    "weight_gradient": PanelStyle("Gradient of the weights", "L2 norm"),
    "weight": PanelStyle("Weights", "L2 norm"),
    "dead": PanelStyle("Dead channels after each layer", "share of channels", False, _SHARE),
    "saturated": PanelStyle("Saturated positions after each layer", "share", False, _SHARE),
}
"""The figures that have pictures."""


def draw_run(run: TrainingRun, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the loss with the events, and the main figures of the layers below."""
    shown = run.shown_figures
    rows = _rows_high(run, 12.0 / max(len(shown), 1))
    timeline = timeline_high(run)
    figure = drawing.canvas(_WIDTH, 2.4 + timeline + len(shown) * (rows + 0.7), into)
    heights = [2.0, *([timeline] if timeline else []), *[rows] * len(shown)]
    panels = list(figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    draw_losses(panels[0], run)
    if timeline:
        draw_timeline(panels[1], run)
    for axes, name in zip(panels[-len(shown) :] if shown else [], shown, strict=True):
        _heat(figure, axes, run, name, title=True)
    for axes in panels[:-1]:
        axes.set_xlabel("")
    drawing.heading(figure, f"{shortened(run.name, 80)} in training")
    return figure


def draw_loss(run: TrainingRun) -> Figure:
    """Draw the loss of each step, the learning rate, and when each event was told."""
    timeline = timeline_high(run)
    heights = [2.4, *([timeline] if timeline else [])]
    figure = drawing.new_figure(_WIDTH, 3.2 + timeline)
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    draw_losses(panels[0], run)
    if timeline:
        panels[0].set_xlabel("")
        draw_timeline(panels[1], run)
    return figure


def draw_heat(run: TrainingRun, name: str) -> Figure:
    """Draw one figure of every layer over the steps; `name` is one of `LOOKS`."""
    rows = _rows_high(run, 12.0)
    figure = drawing.new_figure(_WIDTH, rows + 1.0)
    _heat(figure, figure.subplots(), run, name)
    return figure


def draw_decades(run: TrainingRun) -> Figure:
    """Draw how the gradient at the first layer compares with that at the last, over the steps."""
    figure = drawing.new_figure(_WIDTH, 2.9)
    axes = figure.subplots()
    drawing.plain_axes(axes)
    finite = run.decades[np.isfinite(run.decades)]
    blocked = run.steps[np.isneginf(run.decades)]
    # The outermost bands, of what has vanished or exploded, are drawn with their neighbours.
    inner, words = raised_edges(run.allowance)[1:-1], BANDS[1:-1]
    reach = max(*map(abs, inner), float(np.abs(finite).max(initial=0.0))) + 0.6
    for low, high, word in zip((-reach, *inner), (*inner, reach), words, strict=True):
        axes.axhspan(low, high, color=_SHADES[word], linewidth=0)
        axes.text(
            1.01,
            (low + high) / 2,
            word,
            transform=axes.get_yaxis_transform(),
            fontsize=drawing.SMALL_SIZE,
            color=drawing.QUIET,
            va="center",
        )
    axes.axhline(0.0, color=drawing.FAINT, linewidth=0.8)
    shown = np.where(np.isfinite(run.decades), run.decades, np.nan)
    axes.plot(run.steps, shown, color=drawing.ACCENT, linewidth=1.4, **dots(len(run.steps)))
    if blocked.size:
        axes.plot(blocked, np.full(blocked.size, 0.25 - reach), "x", color=drawing.WARM, ms=5)
        axes.set_title(
            "crosses: no gradient at all arrives at the first layer",
            fontsize=drawing.SMALL_SIZE,
            color=drawing.WARM,
            loc="right",
        )
    axes.set_ylim(-reach, reach)
    axes.set_xlim(*span(run))
    axes.set_ylabel("decades", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    step_axis(axes)
    return figure


def _rows_high(run: TrainingRun, most: float) -> float:
    return min(max(0.19 * len(run.layers), 0.9), most)


def paint(values: NDArray[np.float64], look: PanelStyle) -> tuple[Pixels, Scale]:
    """Return the colours of figures [L, columns], and the scale that they follow."""
    known = np.isfinite(values)
    shown = np.where(known, values, np.nan)
    if look.log:
        with np.errstate(divide="ignore"):
            shown = np.log10(shown)
        scale = Scale.of(shown, look.colours)
    else:
        scale = Scale(0.0, 1.0, look.colours)
    if scale.constant and np.isfinite(shown).any():
        scale = Scale(scale.low - 0.5, scale.high + 0.5, look.colours)
    painted = scale.paint(shown)
    if look.log:
        painted[known & (values == 0.0)] = _ZERO
    painted[np.isinf(values)] = _BROKEN
    painted[np.isnan(values)] = _ABSENT
    return painted, scale


def _heat(
    figure: drawing.Canvas, axes: Axes, run: TrainingRun, name: str, *, title: bool = False
) -> None:
    look = LOOKS[name]
    values = binned(run, getattr(run, name))
    painted, scale = paint(values, look)
    count = len(run.layers)
    left, right = span(run)
    axes.imshow(
        painted,
        extent=(left, right, count - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    drawing.plain_axes(axes)
    each = -(-count // MOST_NAMES)
    places = range(0, count, each)
    axes.set_yticks(list(places), [shortened(run.layers[place], 34, "start") for place in places])
    axes.tick_params(axis="y", length=0, labelcolor=drawing.INK)
    told = _told(values, look, each)
    if title:
        axes.set_title(look.title, fontsize=drawing.TEXT_SIZE, color=drawing.INK, loc="left")
    if told:
        axes.set_title(told, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="right")
    step_axis(axes)
    _bar(axes, scale, look)


def _told(values: NDArray[np.float64], look: PanelStyle, each: int) -> str:
    """Say what the colours outside the scale mean, where they occur."""
    parts = []
    if look.log and (values == 0.0).any():
        parts.append("grey: exactly zero")
    if np.isinf(values).any():
        parts.append("orange: not finite")
    if np.isnan(values).any():
        parts.append("pale: nothing to measure")
    if each > 1:
        parts.append(f"every {each} layers are named")
    return "; ".join(parts)


def _bar(axes: Axes, scale: Scale, look: PanelStyle) -> None:
    """Put the colours beside the axes, with powers of ten where they follow the logarithm."""
    if scale.constant:
        return
    bar = colour_bars.bar_of_panels(axes, scale, look.unit, fraction=0.035, pad=0.015, aspect=20)
    if look.log:
        ticks = _decade_ticks(scale.low, scale.high)
        bar.set_ticks(
            [math.log10(tick) for tick in ticks], labels=[f"{tick:.0e}" for tick in ticks]
        )
    else:
        bar.set_ticks([0.0, 0.5, 1.0], labels=["0%", "50%", "100%"])
    bar.ax.minorticks_off()


def _decade_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between 10^low and 10^high: about five powers of ten, or parts."""
    first, last = math.ceil(low), math.floor(high)
    if last - first >= 1:
        step = max(1, math.ceil((last - first) / 6))
        return [10.0**power for power in range(first, last + 1, step)]
    parts = [part * 10.0**power for power in range(first - 1, last + 1) for part in range(1, 10)]
    inside = [part for part in parts if low <= math.log10(part) <= high]
    return inside[:: max(1, len(inside) // 4)] or [10.0 ** ((low + high) / 2)]
