"""The bands behind a gradient's way back, and what another network has for its own healthy band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results import drawing
from cnnviz.results.text import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.gradient_flow import GradientFlow

SHADES = {
    "healthy": "#dff0e4",
    "watch": "#fbf3d6",
    "exploding": "#f8dcc8",
    "vanishing": "#f8dcc8",
    "exploded": "#eec0b4",
    "vanished": "#eec0b4",
}
_NAME_SIZE = 6.5
_NAMED = 2
"""Networks whose bands end at one place that are named there."""
_NAME_SHARE = 0.3
"""Of the width of a panel, what the name of the end of a band takes."""
_LEAST_SHARE = 0.045
"""Of the height of a panel, from which on a band has room for its name."""


def draw_bands(axes: Axes, flow: GradientFlow, low: float, high: float) -> None:
    """Shade the bands of a network, and name them at the right edge."""
    from cnnviz.gradients.verdicts import BANDS

    edges = (low, *flow.verdict.edges, high)
    for bottom, top, name in zip(edges, edges[1:], BANDS, strict=False):
        bottom, top = max(bottom, low), min(top, high)
        if top <= bottom:
            continue
        axes.axhspan(bottom, top, color=SHADES[name], lw=0, zorder=0)
        if top - bottom > _LEAST_SHARE * (high - low):
            axes.text(
                1.006, (bottom + top) / 2, name, transform=axes.get_yaxis_transform(),
                fontsize=_NAME_SIZE, color=drawing.QUIET, va="center",
            )  # fmt: skip


def draw_other_bands(
    axes: Axes, flows: Sequence[GradientFlow], colours: Sequence[str], limits: tuple[float, float]
) -> None:
    """Draw where the healthy band of networks ends that end it elsewhere than the shaded one.

    The curves have to be drawn before, as the names of the ends keep out of their way.
    """
    shaded = flows[0].verdict.edges
    ends: dict[tuple[float, str], list[int]] = {}
    for place, flow in enumerate(flows):
        for number, words in ((2, "from"), (3, "up to")):
            end = flow.verdict.edges[number]
            if end != shaded[number] and limits[0] < end < limits[1]:
                ends.setdefault((end, words), []).append(place)
    for (end, words), places in ends.items():
        names = listed([str(flows[place].provenance.model) for place in places], _NAMED)
        colour = colours[places[0] % len(colours)] if len(places) == 1 else drawing.QUIET
        across, side = _clear_of_curves(axes, end, 0.05 * (limits[1] - limits[0]))
        axes.axhline(end, color=colour, lw=0.9, ls=(0, (5, 3)), zorder=1)
        axes.annotate(
            f"healthy for {names} {words} here", (across, end),
            xycoords=axes.get_yaxis_transform(), xytext=(0, 2), textcoords="offset points",
            fontsize=_NAME_SIZE, color=colour, ha=side, va="bottom",
        )  # fmt: skip


def _clear_of_curves(axes: Axes, base: float, high: float) -> tuple[float, str]:
    """Return where along a line a name of such a height is farthest from the curves."""
    left, right = axes.get_xlim()
    drawn = [np.asarray(line.get_xydata(), np.float64).T for line in axes.lines]
    curves = [points for points in drawn if points.shape[1] > 2]

    def room(place: tuple[float, str]) -> float:
        end = {"right": place[0] - _NAME_SHARE, "left": place[0], "center": 0.5 - _NAME_SHARE / 2}
        span = left + (right - left) * np.linspace(0.0, _NAME_SHARE, 24)
        over = span + (right - left) * end[place[1]]
        heights = [np.interp(over, x, y, left=np.nan, right=np.nan) for x, y in curves]
        apart = [
            np.nanmin(np.abs(one - base - high / 2)) for one in heights if np.isfinite(one).any()
        ]
        return min(float(min(apart, default=np.inf)), 2.0 * high)

    return max(((0.995, "right"), (0.5, "center"), (0.005, "left")), key=room)


def of_other_bands(flows: Sequence[GradientFlow]) -> list[GradientFlow]:
    """Return the networks whose bands lie elsewhere than those of the first."""
    shaded = flows[0].verdict.edges
    return [flow for flow in flows if flow.verdict.edges != shaded]
