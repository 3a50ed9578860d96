"""Colour bars beside pictures."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from cnnviz.results.drawing import QUIET, SMALL_SIZE, Scale
from cnnviz.results.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar

_LEAST_BAR = 1.2
"""The least height of a colour bar beside a flat picture, in inches."""
_LABEL_LETTERS = 19
"""How many letters of a label fit into an inch of a colour bar."""


def colour_bar(
    axes: Axes,
    scale: Scale,
    label: str,
    *,
    logarithmic: bool = False,
    place: tuple[float, float, float, float] = (1.03, 0.0, 0.04, 1.0),
    inches: float | None = None,
) -> Colorbar:
    """Put a colour bar with its unit beside an Axes, as high as the picture in it.

    A constant scale is said in words. `place` has left, lower end, width and height as shares of
    the picture, where the bar belongs to a part of it. `inches` is about how high the picture is,
    where it may be flat: the bar then goes on below it as far as is needed to be read, and its
    label goes on in a next line.
    """
    if inches is not None:
        label = "\n".join(textwrap.wrap(label, round(max(inches, _LEAST_BAR) * _LABEL_LETTERS)))
        left, bottom, width, height = place
        tall = height * max(1.0, _LEAST_BAR / inches)
        place = (left, bottom + height - tall, width, tall)
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    low, high = (scale.low, scale.high) if not scale.constant else (scale.low, scale.low + 1.0)
    mappable = ScalarMappable((LogNorm if logarithmic else Normalize)(low, high), scale.colours)
    # An inset has the place that a picture keeps once its pixels are made square; a bar that is
    # given a column of its own is as high as the whole row.
    bar = axes.figure.colorbar(mappable, cax=axes.inset_axes(place))
    style_bar(bar, label if not scale.constant else f"{label} (constant {number(scale.low)})")
    if scale.constant:
        bar.set_ticks([])
    return bar


def bar_of_panels(
    panels: Axes | list[Axes], scale: Scale, label: str, *, fraction: float, pad: float, aspect: int
) -> Colorbar:
    """Put a colour bar in a column of its own, beside one or several panels."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    mappable = ScalarMappable(Normalize(scale.low, scale.high), scale.colours)
    figure = (panels[0] if isinstance(panels, list) else panels).figure
    bar = figure.colorbar(
        mappable, ax=panels, fraction=fraction, pad=pad, aspect=aspect, panchor=False
    )
    style_bar(bar, label)
    return bar


def style_bar(bar: Colorbar, label: str) -> None:
    """Write the label of a colour bar, and keep its lines quiet."""
    bar.set_label(label, fontsize=SMALL_SIZE, color=QUIET)
    bar.outline.set_visible(False)
    bar.ax.tick_params(which="both", labelsize=SMALL_SIZE, colors=QUIET)
