"""The picture of a transfer: accuracy over samples, differences seed by seed, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.course.small_trainings import LEVEL
from cnnviz.results import drawing
from cnnviz.results.text import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from cnnviz.views.transfer_learning import TransferLearning

_COLOURS = {"frozen": drawing.ACCENT, "fine-tuned": drawing.WARM, "scratch": drawing.INK}
_MARKS = {"frozen": "o", "fine-tuned": "s", "scratch": "^"}
_GAP, _LETTERS, _MOST_NAMES = 4, 18, 20


def draw(found: TransferLearning, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw accuracy and samples above; below, where there are any, differences and changes."""
    panels = [*found.pairs, *(["changes"] if found.layers else [])]
    width = 12.4 if panels else 9.6
    figure = drawing.canvas(width, width / drawing.SLIDE, into)
    narrow = drawing.too_narrow(into, width)
    # In a column all panels stand below each other.
    tall = [4.6, 1.7 * len(panels)] if narrow else [4.0, 3.0]
    if narrow:
        drawing.ask_for_height(figure, (sum(tall) if panels else tall[0]) + 0.6)
    above: Any = figure
    if panels:
        parts: Any = figure.subfigures(2, 1, height_ratios=tall)
        above, below = parts
        shape = (len(panels), 1) if narrow else (1, len(panels))
        across: Any = below.subplots(*shape, squeeze=False).ravel()
        for pair, axes in enumerate(across[: len(found.pairs)]):
            _differences(axes, found, pair)
        if found.layers:
            _changes(across[-1], found, key=1.1 if narrow else 0.62)
    if narrow:
        left, right = above.subplots(2, 1, height_ratios=[2.2, 2.0])
    else:
        left, right = above.subplots(1, 2, width_ratios=[7.0, 4.6])
    _accuracies(left, found)
    _examples(right, found)
    drawing.heading(
        figure,
        f"{found.source} learns {shortened(found.task, 60)}: accuracy over the number of samples, "
        f"{len(found.seeds)} seed{'s' if len(found.seeds) > 1 else ''}",
    )
    return figure


def _accuracies(axes: Axes, found: TransferLearning) -> None:
    drawing.plain_axes(axes)
    for method, mean, deviation in zip(
        found.methods, 100.0 * found.mean_accuracy, 100.0 * found.deviation, strict=True
    ):
        colour = _COLOURS[method]
        axes.plot(
            found.samples, mean, color=colour, marker=_MARKS[method], markersize=5.0,
            linewidth=1.9, label="from scratch" if method == "scratch" else method,
        )  # fmt: skip
        if np.isfinite(deviation).all():
            axes.fill_between(
                found.samples, mean - deviation, mean + deviation, color=colour, alpha=0.16,
                linewidth=0.0,
            )  # fmt: skip
    axes.axhline(
        100.0 * found.by_chance, color=drawing.QUIET, linewidth=0.9, dashes=(3, 2),
        label="guessing",
    )  # fmt: skip
    _over_samples(axes, found)
    axes.set_ylim(0.0, 103.0)
    axes.set_ylabel("accuracy (%)", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    axes.legend(loc="lower right", frameon=False, fontsize=drawing.SMALL_SIZE, ncols=2)
    several = len(found.seeds) > 1
    _titled(
        axes, "line: mean over the seeds; band: one standard deviation" if several else "one seed"
    )


def _over_samples(axes: Axes, found: TransferLearning) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(found.samples, [str(count) for count in found.samples])
    axes.set_xticks([], minor=True)
    if len(found.samples) == 1:
        axes.set_xlim(found.samples[0] / 2.0, found.samples[0] * 2.0)
    axes.set_xlabel(
        "training samples a class (log scale)", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET
    )


def _examples(axes: Axes, found: TransferLearning) -> None:
    """Draw a row of training images for each class; of many classes the first."""
    tiles = found.examples[:6]
    kinds, count, height, width = tiles.shape[:4]
    sheet = np.full(
        (kinds * (height + _GAP) - _GAP, count * (width + _GAP) - _GAP, 3), 255, np.uint8
    )
    for row, column in np.ndindex(kinds, count):
        top, left = row * (height + _GAP), column * (width + _GAP)
        sheet[top : top + height, left : left + width] = tiles[row, column]
    drawing.show(axes, sheet)
    middles = [row * (height + _GAP) + height / 2.0 for row in range(kinds)]
    names = [shortened(name, _LETTERS) for name in found.classes[:kinds]]
    axes.set_yticks(middles, names, fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    axes.tick_params(axis="y", length=0)
    more = len(found.classes) - kinds
    _titled(axes, "training samples" + (f" of the first {kinds} classes" if more else ""))


def _differences(axes: Axes, found: TransferLearning, pair: int) -> None:
    """Draw a dot for each seed and a bar at the mean, filled where chance does not explain it."""
    drawing.plain_axes(axes)
    first, other = found.pairs[pair]
    axes.axhline(0.0, color=drawing.QUIET, linewidth=0.9)
    for samples, row, chance in zip(
        found.samples, 100.0 * found.differences[pair], found.differences_chance[pair], strict=True
    ):
        axes.plot(
            np.full(len(row), samples), row, "o", color=_COLOURS[first], markersize=4.5,
            fillstyle="full" if chance <= LEVEL else "none", markeredgewidth=0.9,
        )  # fmt: skip
        if len(row) > 1:
            ends = [samples / 1.25, samples * 1.25]
            axes.plot(ends, [row.mean()] * 2, color=drawing.INK, linewidth=2.0)
    _over_samples(axes, found)
    # One scale for all pairs, with room for a dot at either end.
    low, high = 100.0 * found.differences.min(), 100.0 * found.differences.max()
    axes.set_ylim(min(low, 0.0) - 4.0, max(high, 0.0) + 4.0)
    axes.set_ylabel("points", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    told = "" if pair else " (open: may be chance)"
    _titled(axes, f"{first} minus {other}{told}")


def _changes(axes: Axes, found: TransferLearning, key: float) -> None:
    """Draw what fine-tuning changed in each layer, as mean and deviation over the seeds.

    `key` is the room for the legend, as a share of the largest value.
    """
    drawing.plain_axes(axes)
    places = np.arange(len(found.layers))
    for values, colour, mark, name in (
        (found.cka, drawing.WARM, "s", "CKA before and after"),
        (found.weight_change, drawing.QUIET, "D", "change of weights / norm"),
    ):
        if np.isfinite(values).any():
            axes.errorbar(
                places, values.mean(1), _spread(values), color=colour, marker=mark, markersize=4.5,
                linewidth=1.5, capsize=2.5, label=name,
            )  # fmt: skip
    held = np.concatenate([found.cka.ravel(), found.weight_change.ravel(), [0.0, 1.0]])
    low, high = np.nanmin(held), np.nanmax(held)
    # The unbiased CKA may be below 0, and weights may move by all they are.
    axes.set_ylim(1.05 * low, (1.0 + key) * high)
    if low == 0.0 and high == 1.0:
        axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0])
    step = -(-len(places) // _MOST_NAMES)
    names = [shortened(name, _LETTERS) for name in found.layers[::step]]
    axes.set_xticks(places[::step], names, fontsize=drawing.SMALL_SIZE, rotation=30, ha="right")
    axes.legend(loc="upper left", frameon=False, fontsize=drawing.SMALL_SIZE)
    _titled(axes, f"fine-tuning on {found.samples[-1]} a class")


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    return values.std(1, ddof=1) if values.shape[1] > 1 else None


def _titled(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
