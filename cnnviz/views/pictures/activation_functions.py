"""The picture of activation functions: a panel for each, and the gradients of all chains below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.text import plural, power_of_ten
from cnnviz.views.pictures.formula_title import formula_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.activation_functions import ActivationFunctions

_ACROSS = 5
_FLOOR = 1e-9
"""The lower end of the axis of gradients; what falls below it is told at its foot."""
_FOOT = 0.3
"""Where that is told, as a share of the width."""
_COLOURS = {
    "sigmoid": "#c8501e",
    "tanh": "#7a4fc9",
    "relu": "#2a6fdb",
    "leaky_relu": "#1a9bb5",
    "elu": "#2f8f4e",
    "selu": "#8a6d00",
    "gelu": "#d1478f",
    "silu": "#5b6f94",
    "maxout": "#7d3b1d",
    "softmax": "#111827",
}


def draw(found: ActivationFunctions, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw each function with its derivative, and the gradients of all chains below."""
    count = len(found.names)
    across = min(_ACROSS, count)
    down = math.ceil(count / across)
    figure = drawing.canvas(13.2, 1.75 * down + 3.9, into)
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.75 * down + 0.4, 3.5])
    curves, chains = parts
    panels = curves.subplots(down, across, squeeze=False, sharex=True)
    for place, axes in enumerate(panels.flat):
        if place < count:
            _curve(axes, found, place)
        else:
            axes.set_visible(False)
    left, right = chains.subplots(1, 2, sharey=True)
    left.set_yscale("log")
    left.set_ylim(*_limits(found))
    _chains(left, found, 0, "weights that suit the function")
    _chains(right, found, 1, "torch's default weights")
    left.set_ylabel(
        "gradient, as a share of what was sent in", fontsize=drawing.TEXT_SIZE, color=drawing.INK
    )
    title = (
        "Activation functions (dashed: their derivatives), and what "
        f"{plural(found.layers, 'layer')} of each do to a gradient"
    )
    drawing.heading(figure, title)
    return figure


def _curve(axes: Axes, found: ActivationFunctions, place: int) -> None:
    drawing.plain_axes(axes)
    axes.axhline(0.0, color=drawing.FAINT, linewidth=0.7)
    axes.axvline(0.0, color=drawing.FAINT, linewidth=0.7)
    axes.plot(found.x, found.values[place], color=drawing.INK, linewidth=1.6)
    axes.plot(
        found.x,
        found.derivatives[place],
        color=_colour(found.names[place]),
        linewidth=1.4,
        dashes=(3, 2),
    )
    low = min(-0.3, float(np.minimum(found.values[place], found.derivatives[place]).min()))
    axes.set_ylim(1.08 * low, max(1.15, min(3.0, float(found.values[place].max()))))
    axes.set_xlim(float(found.x[0]), float(found.x[-1]))
    formula_title(axes, found.titles[place], found.formulas[place], _colour(found.names[place]))


def _chains(axes: Axes, found: ActivationFunctions, start: int, title: str) -> None:
    drawing.plain_axes(axes)
    depth = np.arange(found.layers + 1)
    shares = found.gradients[:, start]
    axes.axhline(1.0, color=drawing.FAINT, linewidth=0.8)
    for place in range(len(found.names)):
        axes.plot(
            depth,
            shares[place],
            color=_colour(found.names[place]),
            linewidth=1.5,
            marker="o",
            markersize=2.8,
        )
    axes.set_xlim(-0.25 * found.layers - 0.4, found.layers + 0.2)
    axes.set_xticks(depth[:: max(1, found.layers // 10)])
    axes.set_xlabel("after layer (0: the input)", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    axes.set_title(
        f"Going back through {plural(found.layers, 'layer')}, {title}",
        fontsize=drawing.TEXT_SIZE, color=drawing.INK, loc="left",
    )  # fmt: skip
    _label(axes, found, shares[:, 0])


def _limits(found: ActivationFunctions) -> tuple[float, float]:
    shares = found.gradients[found.gradients > 0.0]
    low = min(0.1, 0.3 * float(shares.min()))
    return max(_FLOOR, low), max(10.0, 6.0 * float(shares.max()))


def _label(axes: Axes, found: ActivationFunctions, ends: NDArray[np.float64]) -> None:
    """Write each name at the left end of its line, without one lying over another.

    That of a line that ends below the axis stands at its foot, right of where the others end.
    """
    low, high = axes.get_ylim()
    span = math.log10(high / low)
    wanted = [(math.log10(max(float(end), low) / low) / span if end > 0.0 else 0.0) for end in ends]
    # Half a letter of room at both ends.
    room, size = 0.018, 0.95
    places = spread([(height - room) / size for height in wanted], 0.055)
    for place, height in enumerate(room + size * place for place in places):
        below = ends[place] < low
        text = found.titles[place]
        if below:
            text += f" (to {power_of_ten(ends[place])})"
        axes.text(
            _FOOT if below else 0.155, height, text, transform=axes.transAxes,
            ha="left" if below else "right", va="bottom" if below else "center",
            fontsize=drawing.SMALL_SIZE,
            color=_colour(found.names[place]),
        )  # fmt: skip
        if not below:
            ends_at = (0.0, float(ends[place]))
            axes.annotate(
                "", ends_at, (0.16, height), xycoords="data", textcoords="axes fraction",
                arrowprops={"arrowstyle": "-", "color": drawing.FAINT, "linewidth": 0.6,
                            "shrinkA": 1, "shrinkB": 3},
            )  # fmt: skip


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Return heights from 0 to 1 near the wanted ones, in their order, at least `gap` apart.

    Where there is no room for all of them, the gap is what the room allows.
    """
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    gap = min(gap, 1.0 / max(len(wanted) - 1, 1))
    # Neighbours that would touch share the middle of what they want: pool adjacent violators.
    groups: list[list[float]] = []
    for rank, place in enumerate(order):
        groups.append([wanted[place] - rank * gap])
        while len(groups) > 1 and _mean(groups[-2]) >= _mean(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    found = [0.0] * len(wanted)
    limit = 1.0 - gap * (len(wanted) - 1)
    bases = [base for group in groups for base in [_mean(group)] * len(group)]
    for rank, (place, base) in enumerate(zip(order, bases, strict=True)):
        found[place] = min(max(base, 0.0), max(limit, 0.0)) + rank * gap
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _colour(name: str) -> str:
    return _COLOURS.get(name, drawing.INK)
