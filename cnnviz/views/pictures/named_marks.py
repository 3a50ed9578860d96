"""A mark on a plot with its name beside it, so that nobody has to look for it in a caption."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.results import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_APART = 7.0
"""Points from the mark to its name."""
_TOP = 0.92
"""The share of the panel's height from which a name above its mark would leave the panel."""


def name_mark(axes: Axes, place: tuple[float, float], name: str, colour: str) -> None:
    """Write what a mark is, on the side of it that has more room in the panel as it is."""
    from matplotlib.patheffects import withStroke

    across, up = axes.transAxes.inverted().transform(axes.transData.transform(place))
    right, above = across < 0.5, up < _TOP
    axes.annotate(
        name, place, xytext=(_APART if right else -_APART, _APART if above else -_APART),
        textcoords="offset points", ha="left" if right else "right",
        va="bottom" if above else "top", fontsize=drawing.SMALL_SIZE, color=colour,
        zorder=6, path_effects=[withStroke(linewidth=2.2, foreground="white")],
    )  # fmt: skip
