"""Draws the maps of a layer on a signal, as traces, and on a volume, as rows of slices."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results import drawing, mosaics, traces
from cnnviz.results.array_pictures import shown_slices, slice_noun, slices, spread_slices

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.feature_maps import FeatureMaps

_ACROSS = 10.4
_COLUMNS = 4
_MOST_SLICES = 12
_MOST_ROWS = 24
"""How many channels of a volume are drawn at most; it says so where more were asked for."""
_SIDE = 44
_LETTERS = 13.0
"""How many letters of the note fit into an inch, beside the labels of the rows."""


def how(found: FeatureMaps) -> str:
    """Say what the lines or colours mean, and what is left out."""
    if found.space.axes == 1:
        return "each is a line over the positions of the layer, with zero as a faint line"
    assert found.values is not None
    said = "red is above zero, blue below" if found.signed else "bright is strong"
    rows = len(_rows(found))
    fewer = f"; of these the first {rows} are drawn" if rows < len(found.shown) else ""
    parts = [
        f"of each map, {_some(found.maps.shape[1], 'slice')}",
        f"of the volume above, {_some(found.values.shape[1], slice_noun(found.values))}",
    ]
    return "; ".join([f"{said}, one row a channel{fewer}", *parts])


def _some(deep: int, noun: str) -> str:
    """Say which of so many slices are drawn."""
    shown = spread_slices(deep, _MOST_SLICES)
    return shown_slices(shown, deep, noun) or f"all {deep} {noun}s"


def _rows(found: FeatureMaps) -> tuple[int, ...]:
    return found.shown[:_MOST_ROWS]


def draw(found: FeatureMaps, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw what the network saw, and the maps below it."""
    assert found.values is not None
    if found.space.axes == 1:
        rows = -(-len(found.shown) // _COLUMNS)
        tall = [1.3, 0.62 * rows + 0.2]
        figure = drawing.canvas(_ACROSS, sum(tall) + 1.2, into)
        signal, maps = figure.subplots(2, 1, height_ratios=tall)
        traces.draw_signal(signal, found.values)
        traces.time_axis(signal, found.rate)
        tiles = [found.maps[channel][None] for channel in found.shown]
        traces.trace_tiles(maps, tiles, [found.label(one) for one in found.shown], _COLUMNS)
    else:
        grid, seen = _grid(found), _seen(found)
        tall = [
            0.92 * _ACROSS * each.pixels.shape[0] / each.pixels.shape[1] for each in (seen, grid)
        ]
        figure = drawing.canvas(_ACROSS, min(15.0, sum(tall)) + 1.2, into)
        volume, maps = figure.subplots(2, 1, height_ratios=tall)
        drawing.show(volume, seen.pixels, smooth=True)
        shown = spread_slices(found.values.shape[1], _MOST_SLICES)
        noun = slice_noun(found.values)
        mosaics.label_tiles(volume, seen, [f"{noun} {at}" for at in shown])
        drawing.show(maps, grid.pixels)
        _label(maps, found, grid)
        volume.set_anchor("NW")
        maps.set_anchor("NW")
    note = f"what the network saw, and below it {found.extent}: {how(found)}"
    # As many letters as fit into the width.
    lines = textwrap.wrap(note, int(drawing.width_of(figure) * _LETTERS))
    maps.set_xlabel("\n".join(lines), fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left")
    drawing.heading(figure, found.summary())
    return figure


def _seen(found: FeatureMaps) -> mosaics.Mosaic:
    assert found.values is not None
    pictures = slices(found.values)
    shown = spread_slices(len(pictures), _MOST_SLICES)
    small = np.stack([drawing.fit(pictures[at], 96) for at in shown])
    return mosaics.mosaic(small, columns=len(shown), side=64, gap=3, labels=14)


def _grid(found: FeatureMaps) -> mosaics.Mosaic:
    shown = spread_slices(found.maps.shape[1], _MOST_SLICES)
    tiles = []
    for channel in _rows(found):
        painted = found.paint(channel)
        tiles += [drawing.fit(painted[at], 2 * _SIDE) for at in shown]
    return mosaics.mosaic(np.stack(tiles), columns=len(shown), side=_SIDE, gap=3)


def _label(axes: Axes, found: FeatureMaps, grid: mosaics.Mosaic) -> None:
    corners = grid.corners[:: grid.columns]
    for channel, (left, top) in zip(_rows(found), corners, strict=True):
        axes.text(
            left - 4,
            top + grid.side[0] / 2,
            found.label(channel),
            fontsize=6.5,
            color=drawing.QUIET,
            ha="right",
            va="center",
        )
    shown = spread_slices(found.maps.shape[1], _MOST_SLICES)
    for at, (left, top) in zip(shown, grid.corners, strict=False):
        axes.text(left, top - 4, f"map slice {at}", fontsize=6.5, color=drawing.QUIET)
