"""The bands behind a gradient's way back, and what another network has for its own healthy band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.results import drawing

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


def draw_other_band(
    axes: Axes, flow: GradientFlow, colour: str, limits: tuple[float, float]
) -> None:
    """Draw the ends of the healthy band of a network whose bands are not the shaded ones."""
    for end, words in zip(flow.verdict.edges[2:4], ("from", "up to"), strict=True):
        if not limits[0] < end < limits[1]:
            continue
        axes.axhline(end, color=colour, lw=0.9, ls=(0, (5, 3)), zorder=1)
        axes.annotate(
            f"healthy for {flow.provenance.model} {words} here", (0.995, end),
            xycoords=axes.get_yaxis_transform(), xytext=(0, 2), textcoords="offset points",
            fontsize=_NAME_SIZE, color=colour, ha="right", va="bottom",
        )  # fmt: skip


def of_other_bands(flows: Sequence[GradientFlow]) -> list[GradientFlow]:
    """Return the networks whose bands lie elsewhere than those of the first."""
    shaded = flows[0].verdict.edges
    return [flow for flow in flows if flow.verdict.edges != shaded]
