"""Draws the strongest patches of signals: a row of traces for each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.results import drawing
from cnnviz.results.text import number, shortened
from cnnviz.views.pictures import array_patches
from cnnviz.views.pictures.deconvnet import reach_of
from cnnviz.views.pictures.top_activations import label, rows_of_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.top_activations import TopActivations

_PAIR = 0.5
"""Inches of the height of a patch."""
_LINES = 2
_LETTERS = 20


def draw(found: TopActivations, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the page: a row of patches for each channel, each over what it sends back."""
    rows = len(rows_of_page(found))
    k = found.values.shape[1]
    across = min(14.0, max(6.0, 1.4 * k + 1.4))
    down = _PAIR * array_patches.pair_height(_LINES) * rows
    figure = drawing.canvas(across, down + 1.0, into)
    draw_panel(found, figure.subplots())
    drawing.heading(figure, found.title())
    return figure


def draw_panel(found: TopActivations, axes: Axes) -> None:
    """Draw the page into an Axes."""
    rows, k = rows_of_page(found), found.values.shape[1]
    places = [(row, slot) for row in rows for slot in range(k)]
    array_patches.signal_pairs(
        axes,
        [found.patches[each] for each in places],
        [found.projections[each] for each in places],
        [_label(found, *each) for each in places],
        k,
        _LINES,
    )
    step = array_patches.pair_height(_LINES)
    for place, row in enumerate(rows):
        name = label(found, row).replace(":  ", "\n")
        axes.text(
            -0.08,
            -place * step - 0.9,
            name,
            fontsize=8.0,
            color=drawing.INK,
            ha="right",
            va="center",
        )
    colours = array_patches.colours_told(found.patches.shape[2])
    axes.set_xlabel(
        "left: the channel, its strongest activation and the last; above: the patch, strongest "
        f"first;\nbelow it what it sends back, with zero as a faint line{colours}",
        fontsize=drawing.SMALL_SIZE,
        color=drawing.QUIET,
        loc="left",
    )


def _label(found: TopActivations, row: int, slot: int) -> str:
    """Say how strong the unit is, where its colours end, and in which signal it is."""
    if not found.drawn[row, slot]:
        return ""
    channel = found.shown[row]
    value = number(float(found.values[channel, slot]))
    name = shortened(found.names[int(found.images[channel, slot])], _LETTERS, "start")
    return f"{value};  ±{number(reach_of(found.projections[row, slot]))}\n{name}"
