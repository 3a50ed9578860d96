"""Draws the kernels of convolutions over images as tiles, with the distribution of their norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results import drawing, mosaics
from cnnviz.results.text import shown_of
from cnnviz.views._dead_filters import DEAD_BELOW
from cnnviz.views.pictures.kernel_tiles import kernel_tile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.filters import FilterGrid

_NORMS, _WORDS = 1.3, 0.9
"""Inches of the norms beside the kernels, and of all words above and below both."""
_LEAST_KERNELS = 0.5
"""The share of the height of a figure that the kernels have at least."""


def draw(found: FilterGrid, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the kernels as one picture, with the distribution of their norms below."""
    alone = found.as_colour or found.kernels.shape[1] == 1
    room = None if into is None else _room(into)
    grid = tile_grid(found, room and room[0] / room[1]) if alone else _channel_grid(found)
    height, width = grid.pixels.shape[:2]
    across = 10.0
    down = min(14.0, max(1.4, across * height / width))
    figure = drawing.canvas(across, down + _NORMS + _WORDS, into)
    high = down if room is None else room[1]
    picture, norms = figure.subplots(2, 1, height_ratios=[high, _NORMS])
    drawing.show(picture, grid.pixels)
    drawing.say_below(picture, _key(found))
    drawing.heading(figure, f"{found.provenance.model}, {found.summary()}")
    if alone:
        mosaics.label_tiles(picture, grid, [found.label(channel) for channel in found.shown])
    else:
        _label_rows_and_columns(picture, found, grid)
    draw_norms(norms, found)
    return figure


def _key(found: FilterGrid) -> str:
    """Say below the kernels what they are, for a picture that is shown without its caption."""
    count, depth = found.kernels.shape[:2]
    extent = shown_of(len(found.shown), count, "filter")
    if len(found.shown) < count:
        extent += f", {found.order}"
    if found.as_colour:
        return f"{extent}; grey is zero, each on its own scale"
    if depth == 1:
        return f"{extent}; red: above zero, blue: below, each on its own scale"
    channels = f"the first {len(found.inputs)} of {depth} input channels"
    if len(found.inputs) == depth:
        channels = f"all {depth} input channels"
    colours = "red: above zero, blue: below, each row on its own scale"
    return f"rows: {extent}; columns: {channels}\n{colours}"


def _label_rows_and_columns(axes: Axes, found: FilterGrid, grid: mosaics.Mosaic) -> None:
    size, ink = drawing.SMALL_SIZE, drawing.QUIET
    for channel, (left, top) in zip(found.shown, grid.corners[:: grid.columns], strict=True):
        middle = top + grid.side[0] / 2
        axes.text(
            left - 6,
            middle,
            found.label(channel),
            ha="right",
            va="center",
            fontsize=size,
            color=ink,
        )
    for channel, (left, top) in zip(found.inputs, grid.corners, strict=False):
        middle = left + grid.side[1] / 2
        axes.text(middle, top - 6, str(channel), ha="center", fontsize=size, color=ink)


def tile_grid(found: FilterGrid, wide: float | None = None) -> mosaics.Mosaic:
    """Return a tile for each filter: its colours, or its one channel."""
    tiles = [_tile(found, channel) for channel in found.shown]
    side = 77 if len(tiles) <= 160 else 49
    labels = 24 if side > 60 else 18
    return mosaics.mosaic(np.stack(tiles), wide=wide, side=side, labels=labels)


def _tile(found: FilterGrid, channel: int) -> drawing.Pixels:
    kernel = found.kernels[channel]
    if found.dead[channel]:
        return np.full((*kernel.shape[1:], 3), drawing.FLAT, np.uint8)
    return kernel_tile(kernel)


def _channel_grid(found: FilterGrid) -> mosaics.Mosaic:
    tiles: list[drawing.Pixels] = []
    for channel in found.shown:
        row = found.kernels[channel, list(found.inputs)]
        scale = drawing.Scale.signed(found.kernels[channel])
        tiles.extend(scale.paint(kernel) for kernel in row)
    return mosaics.mosaic(np.stack(tiles), columns=len(found.inputs), side=36, gap=4)


def draw_norms(axes: Axes, found: FilterGrid) -> None:
    """Draw the distribution of the norms, the dead filters shaded."""
    from matplotlib.ticker import MaxNLocator

    ordered = np.sort(found.norms)[::-1]
    axes.bar(np.arange(len(ordered)), ordered, width=1.0, color=drawing.ACCENT)
    dead = int(found.dead.sum())
    if dead:
        # Their bars are too low to be seen.
        first = len(ordered) - dead - 0.5
        axes.axvspan(first, len(ordered) - 0.5, color=drawing.WARM, alpha=0.35, linewidth=0)
    axes.set_xlim(-0.5, len(ordered) - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    drawing.say_below(
        axes,
        "filters, from the largest norm to the smallest; "
        f"dead, below {DEAD_BELOW:g} of the median: {f'{dead}, shaded' if dead else 'none'}",
        "center",
    )
    axes.set_ylabel("L2 norm", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    drawing.plain_axes(axes)


def _room(into: drawing.Canvas) -> tuple[float, float]:
    """Return the inches that a figure of a given size leaves for the kernels."""
    wide = drawing.width_of(into)
    high = wide * float(into.bbox.height / into.bbox.width)
    return wide, max(high - _NORMS - _WORDS, _LEAST_KERNELS * high)
