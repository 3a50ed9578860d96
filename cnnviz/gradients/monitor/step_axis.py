"""The axis of steps: how records stand on it, for curves and for heatmaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.gradients.monitor.run import TrainingRun

MOST_COLUMNS = 600


def columns(run: TrainingRun) -> int:
    """Return how many columns a heatmap of the run has: one for each record, as far as fits."""
    first, last = _bounds(run)
    gaps = np.diff(run.steps)
    least = int(gaps[gaps > 0].min(initial=max(last - first, 1))) if gaps.size else 1
    return int(min(MOST_COLUMNS, (last - first) // least + 1))


def binned(run: TrainingRun, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread figures [L, T] over columns of equal length in steps, [L, columns].

    A column with several records holds their median, infinity where any is not finite; one
    without holds the record before, which stands until the next.
    """
    first, last = _bounds(run)
    wide = columns(run)
    place = np.minimum((run.steps - first) * (wide - 1) // max(last - first, 1), wide - 1)
    found = np.full((len(values), wide), np.nan)
    for column in range(wide):
        held = values[:, place == column]
        if held.shape[1] == 1:
            found[:, column] = held[:, 0]
        elif held.shape[1]:
            found[:, column] = _middles(held)
        elif column:
            found[:, column] = found[:, column - 1]
    return found


def _middles(held: NDArray[np.float64]) -> NDArray[np.float64]:
    broken = np.isinf(held).any(1)
    known = ~np.isnan(held).all(1)
    middle = np.full(len(held), np.nan)
    middle[known] = np.nanmedian(held[known], axis=1)
    return np.where(broken, np.inf, middle)


def _bounds(run: TrainingRun) -> tuple[int, int]:
    return int(run.steps[0]), int(run.steps[-1])


def span(run: TrainingRun) -> tuple[float, float]:
    """Return where the first column begins and the last one ends, in steps."""
    first, last = _bounds(run)
    half = (last - first) / max(columns(run) - 1, 1) / 2 or 0.5
    return first - half, last + half


def dots(count: int) -> dict[str, Any]:
    """Return how a line marks its points: only where they are few."""
    return {"marker": "o", "markersize": 2.5} if count <= 60 else {}


def step_axis(axes: Axes) -> None:
    """Let an axis count steps."""
    from matplotlib.ticker import MaxNLocator

    # Of a run of one step there is one tick, and none between steps.
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlabel("step", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
