"""The loss of a run over its steps, and the timeline of what turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.gradients.monitor.records import Event
from cnnviz.gradients.monitor.step_axis import dots, span, step_axis
from cnnviz.results import drawing
from cnnviz.results.text import listed, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.gradients.monitor.run import TrainingRun

_LARGEST = 1e200
"""The largest number on an axis: matplotlib computes its margins and ticks beyond it."""
_WIDE = 1e4
"""From this ratio of the largest loss to the least on, powers of ten are labels enough."""


def draw_losses(axes: Axes, run: TrainingRun) -> None:
    """Draw the loss of each step, and where it is no longer finite or too large for an axis."""
    drawing.plain_axes(axes)
    step_axis(axes)
    left, right = span(run)
    known = np.abs(run.losses) <= _LARGEST
    if run.loss_steps.size:
        right = max(right, float(run.loss_steps[-1]) + 0.5)
    axes.set_xlim(left, right)
    if not known.any():
        word = f"every loss is {_lost(run)}" if run.losses.size else "no loss was logged"
        axes.text(
            0.5, 0.5, word, transform=axes.transAxes, ha="center", color=drawing.QUIET, fontsize=9
        )
        axes.set_yticks([])
        return
    steps, losses = run.loss_steps[known], run.losses[known]
    axes.plot(steps, losses, color=drawing.ACCENT, linewidth=1.1, **dots(len(steps)))
    if losses.min() > 1.0 / _LARGEST and losses.max() > 30.0 * losses.min():
        axes.set_yscale("log")
        if losses.max() < _WIDE * losses.min():
            drawing.log_numbers(axes.yaxis)
    for step in run.loss_steps[~known][:1]:
        axes.axvline(step, color=drawing.WARM, linewidth=1.0, linestyle=":")
        axes.annotate(
            f"{_lost(run)} from here on",
            (step, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(4 if step < (left + right) / 2 else -4, -2),
            textcoords="offset points",
            ha="left" if step < (left + right) / 2 else "right",
            va="top",
            fontsize=drawing.SMALL_SIZE,
            color=drawing.WARM,
        )
    axes.set_ylabel("loss", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    _rate(axes, run)


def _lost(run: TrainingRun) -> str:
    """Say why the first loss that is not drawn is none of an axis."""
    first = run.losses[~(np.abs(run.losses) <= _LARGEST)][0]
    return f"beyond {_LARGEST:.0e}" if np.isfinite(first) else "not finite"


def _rate(axes: Axes, run: TrainingRun) -> None:
    """Draw the learning rate where it changes; say it where it does not."""
    drawn = np.where(np.abs(run.rates) <= _LARGEST, run.rates, np.nan)
    rates = drawn[np.isfinite(drawn)]
    if not rates.size:
        return
    if rates.min() == rates.max():
        axes.set_title(
            f"learning rate {rates[0]:g}",
            fontsize=drawing.SMALL_SIZE,
            color=drawing.QUIET,
            loc="right",
        )
        return
    other = axes.twinx()
    drawing.plain_axes(other)
    other.spines["left"].set_visible(False)
    other.step(run.steps, drawn, where="post", color=drawing.WARM, linewidth=0.9, alpha=0.8)
    other.set_ylim(bottom=0.0)
    other.set_ylabel("learning rate", fontsize=drawing.SMALL_SIZE, color=drawing.WARM)


def timeline_high(run: TrainingRun) -> float:
    """Return how high a timeline is in inches: a row for each kind of event."""
    kinds = len({event.kind for event in run.events})
    return 0.35 + 0.24 * kinds if kinds else 0.0


def draw_timeline(axes: Axes, run: TrainingRun) -> None:
    """Draw a row for each kind of event, with a dot when it was told."""
    kinds = list(dict.fromkeys(event.kind for event in run.events))
    drawing.plain_axes(axes)
    for row, kind in enumerate(kinds):
        told = [event for event in run.events if event.kind == kind]
        axes.axhline(row, color=drawing.FAINT, linewidth=0.6, zorder=0)
        axes.plot([event.step for event in told], [row] * len(told), "o", color=drawing.WARM, ms=5)
        axes.annotate(
            _named(told),
            (told[-1].step, row),
            xytext=(6, 0) if _early(told[-1], run) else (-6, 7),
            textcoords="offset points",
            ha="left" if _early(told[-1], run) else "right",
            va="center",
            fontsize=drawing.SMALL_SIZE,
            color=drawing.QUIET,
        )
    axes.set_yticks(range(len(kinds)), kinds)
    axes.tick_params(axis="y", length=0, labelcolor=drawing.INK)
    axes.set_ylim(len(kinds) - 0.5, -0.7)
    left, right = span(run)
    if run.loss_steps.size:
        right = max(right, float(run.loss_steps[-1]) + 0.5)
    axes.set_xlim(left, right)
    step_axis(axes)


def _named(told: list[Event]) -> str:
    layers = [event.layer for event in told if event.layer]
    return listed([shortened(layer, 20, "start") for layer in layers], 2)


def _early(event: Event, run: TrainingRun) -> bool:
    left, right = span(run)
    return (event.step - left) < 0.6 * (right - left)
