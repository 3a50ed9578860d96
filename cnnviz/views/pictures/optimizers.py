"""The picture of optimizers on a surface: their paths, their losses, and what rates they bear."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.course.optimizers import RATES
from cnnviz.results import drawing
from cnnviz.results.animation import Frame
from cnnviz.results.text import number, plural
from cnnviz.views.pictures.loss_landscape import levels
from cnnviz.views.pictures.named_marks import name_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    from cnnviz.views.optimizers import OptimizerPaths

_COLOURS = {
    "gd": "#111827",
    "momentum": "#2a6fdb",
    "nesterov": "#1a9bb5",
    "adagrad": "#8a6d00",
    "rmsprop": "#2f8f4e",
    "adadelta": "#7a4fc9",
    "adam": "#c8501e",
}
_WHY = (
    "more than a quarter of the loss is left",
    "the lowest mean loss",
    "mean loss above the first (or last tried)",
)
"""What makes a rate too small, right or too large, as `choose_rates` has it."""
_COORDINATES = ("x", "y")
_DIRECTIONS = ("along the first direction", "along the second")
"""The axes of a formula, and those of the plane of a network."""
_FRAMES = 31
_SECONDS, _REST = 0.12, 2.0
_DEEP = 1e-6
"""The least share of the first loss that the axes show."""


@dataclass(frozen=True)
class _Moving:
    """What changes from frame to frame: a path and its loss, of one optimizer and one rate."""

    path: Line2D
    head: Line2D
    loss: Line2D
    points: NDArray[np.float64]
    losses: NDArray[np.float64]

    def until(self, step: int) -> None:
        """Show it up to a step."""
        shown = self.points[: step + 1]
        self.path.set_data(shown[:, 0], shown[:, 1])
        finite = shown[np.isfinite(shown).all(1)]
        self.head.set_data(finite[-1:, 0], finite[-1:, 1])
        self.loss.set_data(np.arange(step + 1), self.losses[: step + 1])


def draw(found: OptimizerPaths, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the paths with each learning rate, the losses over the steps and over the rates."""
    return _figure(found, into)[0]


def frames(found: OptimizerPaths, into: drawing.Canvas | None = None) -> Iterator[Frame]:
    """Draw the same with the paths as they grow."""
    figure, moving = _figure(found, into)
    said = _corner(moving[0].loss.axes)
    count = min(_FRAMES, found.steps + 1)
    for step in np.linspace(0, found.steps, count).round().astype(int):
        for one in moving:
            one.until(int(step))
        said.set_text(f"step {step} of {found.steps}")
        yield Frame(figure, _REST if step == found.steps else _SECONDS)


def _corner(axes: Any) -> Text:
    """Return a text in the upper right corner of a panel, which a frame may change."""
    found: Text = axes.text(
        0.98, 0.97, "", transform=axes.transAxes, ha="right", va="top",
        fontsize=drawing.TEXT_SIZE, color=drawing.INK,
    )  # fmt: skip
    return found


def _figure(
    found: OptimizerPaths, into: drawing.Canvas | None
) -> tuple[drawing.Canvas, list[_Moving]]:
    figure: Any = drawing.canvas(13.2, 13.2 / drawing.SLIDE, into)
    upper, lower = figure.subfigures(2, 1, height_ratios=[5.2, 2.3])
    panels: Any = upper.subplots(2, 3, sharey="row", sharex="row", height_ratios=[1.25, 1.0])
    moving = []
    for column, (word, why) in enumerate(zip(RATES, _WHY, strict=True)):
        ground, curve = panels[0, column], panels[1, column]
        _ground(ground, found, named=not column)
        _over_steps(curve, found)
        ground.set_title(
            f"Learning rate {word}:\n{why}", loc="left", fontsize=drawing.TEXT_SIZE,
            color=drawing.INK,
        )  # fmt: skip
        for place in range(len(found.titles)):
            moving.append(_moving(ground, curve, found, place, column))
    panels[1, 0].set_ylabel("loss", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    _over_rates(lower.subplots(), found)
    drawing.heading(figure, f"Optimizers on one surface, {found.title}")
    return figure, moving


def _ground(axes: Axes, found: OptimizerPaths, *, named: bool) -> None:
    drawing.plain_axes(axes)
    edges, _ = levels(found.heights)
    axes.contour(
        found.x, found.y, found.heights, levels=edges, cmap=drawing.SEQUENTIAL,
        norm="log" if edges[0] > 0.0 else "linear", linewidths=0.8, zorder=0,
    )  # fmt: skip
    axes.plot(*found.minimum, "*", color=drawing.WARM, markersize=11, zorder=4)
    axes.plot(*found.paths[0, 0, 0], "o", color=drawing.INK, markersize=5, zorder=4)
    axes.set_xlim(found.x[0], found.x[-1])
    axes.set_ylim(found.y[0], found.y[-1])
    across, up = _COORDINATES if found.error == 0.0 else _DIRECTIONS
    axes.set_xlabel(across, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    if named:
        axes.set_ylabel(up, fontsize=drawing.TEXT_SIZE, color=drawing.INK)
        name_mark(axes, tuple(found.paths[0, 0, 0]), "start", drawing.INK)
        name_mark(axes, found.minimum, "least loss", drawing.WARM)


def _over_steps(axes: Axes, found: OptimizerPaths) -> None:
    drawing.plain_axes(axes)
    axes.axhline(found.first, color=drawing.FAINT, linewidth=0.8)
    axes.set_yscale("log")
    axes.set_ylim(*_limits(found))
    axes.set_xlim(0, found.steps)
    axes.set_xlabel("step", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)


def _limits(found: OptimizerPaths) -> tuple[float, float]:
    """Return the lowest and the highest loss of the axes."""
    positive = found.losses[np.isfinite(found.losses) & (found.losses > 0.0)]
    return max(0.6 * float(positive.min()), _DEEP * found.first), 30.0 * found.first


def _on_paper(losses: NDArray[np.float64], found: OptimizerPaths) -> NDArray[np.float64]:
    """Return losses with those far beyond the axes just beyond them, where a line may end."""
    return np.minimum(losses, 1e3 * found.first)


def _moving(ground: Axes, curve: Axes, found: OptimizerPaths, place: int, column: int) -> _Moving:
    colour = _COLOURS[found.optimizers[place]]
    points, losses = found.paths[place, column], found.losses[place, column]
    # matplotlib has no place for what is far beyond a panel, such as 1e200.
    reach = 50.0 * max(np.ptp(found.x), np.ptp(found.y))
    shown = np.where(np.abs(points) < reach, points, np.nan)
    (path,) = ground.plot(
        shown[:, 0], shown[:, 1], color=colour, linewidth=1.3, marker="o", markersize=2.0,
        zorder=3,
    )  # fmt: skip
    (head,) = ground.plot([], [], "o", color=colour, markersize=6, zorder=5)
    drawn = _on_paper(losses, found)
    (loss,) = curve.plot(np.arange(len(drawn)), drawn, color=colour, linewidth=1.5)
    return _Moving(path, head, loss, shown, drawn)


def _over_rates(axes: Axes, found: OptimizerPaths) -> None:
    drawing.plain_axes(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for place, name in enumerate(found.optimizers):
        drawn = _on_paper(found.mean_losses[place], found)
        rates = found.rates[place]
        label = f"{found.titles[place]}: {', '.join(map(number, rates))}"
        axes.plot(found.tried, drawn, color=_COLOURS[name], linewidth=1.4, label=label)
        at = np.searchsorted(found.tried, rates)
        axes.plot(rates, drawn[at], "o", color=_COLOURS[name], markersize=4)
    axes.axhline(found.first, color=drawing.FAINT, linewidth=0.8)
    if np.isfinite(found.limit):
        axes.axvline(found.limit, color=drawing.WARM, linewidth=1.0, dashes=(4, 2))
        axes.text(
            found.limit, 0.02, " 2 / L", transform=axes.get_xaxis_transform(), va="bottom",
            fontsize=drawing.SMALL_SIZE, color=drawing.WARM,
        )  # fmt: skip
    finite = found.mean_losses[np.isfinite(found.mean_losses)]
    axes.set_ylim(0.6 * float(finite.min()), 30.0 * found.first)
    axes.set_xlim(found.tried[0], found.tried[-1])
    axes.set_xlabel("learning rate", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    axes.set_ylabel(
        f"mean loss\nover {plural(found.steps, 'step')}",
        fontsize=drawing.TEXT_SIZE,
        color=drawing.INK,
    )
    axes.legend(
        loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, title=", ".join(RATES),
        fontsize=drawing.SMALL_SIZE, title_fontsize=drawing.SMALL_SIZE, alignment="left",
    )  # fmt: skip
