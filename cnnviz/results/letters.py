"""The letters of a figure that is drawn, made larger or smaller all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.artist import Artist
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text


def scale_letters(figure: Figure, factor: float) -> None:
    """Make every text of a figure `factor` times as large, numbers along its axes too.

    Numbers are written anew whenever a figure is drawn, so an axis has to know their size.
    """
    for found in list(_texts_and_axes(figure)):
        if hasattr(found, "set_tick_params"):
            _scale_numbers(found, factor)
        else:
            found.set_fontsize(float(found.get_fontsize()) * factor)
            # What stands so many points from a place is meant to stand as many letters from it.
            if getattr(found, "anncoords", None) == "offset points":
                annotation: Any = found
                annotation.xyann = tuple(factor * each for each in annotation.xyann)


def _scale_numbers(axis: Any, factor: float) -> None:
    # An axis is not asked for its ticks: it would make all of them, which takes as long as a panel.
    counts = {"major": len(axis.get_majorticklocs()), "minor": len(axis.get_minorticklocs())}
    for which, count in counts.items():
        if count:
            first = axis.majorTicks[0] if which == "major" else axis.minorTicks[0]
            size = float(first.label1.get_fontsize()) * factor
            axis.set_tick_params(which=which, labelsize=size)


def _texts_and_axes(artist: Artist) -> Iterator[Text | Axis]:
    """Yield the texts of a figure but for the numbers along its axes, and these axes."""
    from matplotlib.axis import Axis
    from matplotlib.text import Text

    if isinstance(artist, Axis):
        yield from (artist.label, artist.offsetText, artist)
        return
    if isinstance(artist, Text):
        yield artist
    for child in artist.get_children():
        yield from _texts_and_axes(child)
