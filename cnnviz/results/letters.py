"""The letters of a figure that is drawn, made larger or smaller all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure


def scale_letters(figure: Figure, factor: float) -> None:
    """Make every text of a figure `factor` times as large, numbers along its axes too.

    Numbers are written anew whenever a figure is drawn, so an axis has to know their size.
    """
    from matplotlib.text import Text

    numbers = set()
    for axis in _axes_of(figure):
        for which, ticks in (("major", axis.get_major_ticks()), ("minor", axis.get_minor_ticks())):
            if ticks:
                size = float(ticks[0].label1.get_fontsize()) * factor
                axis.set_tick_params(which=which, labelsize=size)
        # Only now an axis has all its numbers: it makes some when it is asked for them.
        numbers |= {id(text) for text in axis.findobj(Text)} - {id(axis.label), id(axis.offsetText)}
    for text in figure.findobj(Text):
        if id(text) not in numbers:
            text.set_fontsize(float(text.get_fontsize()) * factor)


def _axes_of(figure: Figure) -> Iterator[Any]:
    from matplotlib.axes import Axes

    for panel in figure.findobj(Axes):
        for name in ("xaxis", "yaxis", "zaxis"):
            axis = getattr(panel, name, None)
            if axis is not None:
                yield axis
