"""Blocks in perspective, and the colours of the kinds of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KIND_COLOURS: Mapping[str, str] = {
    "conv": "#2a6fdb",
    "pool": "#7f8b9c",
    "linear": "#d9782d",
    "attention": "#7d55c7",
    "norm": "#3a9d8f",
    "activation": "#58b368",
    "upsample": "#c2567a",
}
OTHER_COLOUR = "#b9c1cc"
INPUT_COLOUR = "#e3c567"


def cuboid(
    axes: Axes,
    left: float,
    width: float,
    height: float,
    slant: float,
    colour: str,
    middle: float = 0.0,
    *,
    rise: float = 0.3,
) -> None:
    """Draw a block: its front from `left`, `height` around `middle`, its depth to the right.

    Parameters
    ----------
    axes : Axes
        Where.
    left, width, height, middle : float
        The left end of its front, the size of that, and how high its middle lies.
    slant : float
        How far its back lies to the right.
    colour : str
        The colour of its front; top and side are shades of it.
    rise : float
        How far its back lies up, as a share of that.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Polygon

    base = to_rgb(colour)
    low, high, up = middle - height / 2, middle + height / 2, slant * rise
    right = left + width
    front = [(left, low), (right, low), (right, high), (left, high)]
    top = [(left, high), (right, high), (right + slant, high + up), (left + slant, high + up)]
    side = [(right, low), (right + slant, low + up), (right + slant, high + up), (right, high)]
    for corners, light in ((side, -0.22), (top, 0.35), (front, 0.0)):
        shade = [c + (1 - c) * light if light > 0 else c * (1 + light) for c in base]
        axes.add_patch(Polygon(corners, facecolor=shade, edgecolor="white", linewidth=0.4))
