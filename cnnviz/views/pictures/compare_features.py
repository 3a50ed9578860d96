"""How the kernels and the feature maps of two networks are drawn side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.text import dimensions, number, shortened
from cnnviz.views.pictures.kernel_tiles import kernel_tile
from cnnviz.views.pictures.tile_sheet import TileSheet

if TYPE_CHECKING:
    from cnnviz.views._compare_features import KernelPair
    from cnnviz.views.compare import Comparison
    from cnnviz.views.feature_maps import FeatureMaps

_ACROSS = 13.0
_TILE, _GAP, _LABEL, _TITLE = 96, 12, 20, 30
"""Pixels of a feature map, between two, for the words below it and above a row of them."""
_KERNEL, _SMALL_KERNEL, _KERNEL_GAP, _KERNEL_LABEL = 72, 46, 36, 34
"""Pixels of a kernel beside its match and without one, between two, and for the words below."""
_KERNELS_ACROSS = 12
_DOTS = 104.0
"""Pixels of the composed pictures for an inch."""


def draw(found: Comparison, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the kernels above, and below them the feature maps of either network in a column."""
    kernels, maps = _kernels(found.kernels), _columns(found)
    heights = [_tall(kernels) + 0.5 if kernels else 0.6, _tall(maps) + 0.5 if maps else 0.6]
    figure = drawing.canvas(_ACROSS, sum(heights) + 0.5, into)
    above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_kernels(above, found, kernels)
    if maps:
        for axes, sheet, name in zip(below.subplots(1, 2), maps, found.names, strict=True):
            sheet.draw(axes, name, 80)
    else:
        _say(below, f"No feature maps: {found.pairing}.")
    drawing.heading(figure, f"{found.names[0]} and {found.names[1]}: kernels and feature maps")
    return figure


def _tall(sheets: Sequence[TileSheet]) -> float:
    """Return the inches that pictures side by side are high."""
    wide = sum(sheet.pixels.shape[1] for sheet in sheets)
    tall = max(sheet.pixels.shape[0] for sheet in sheets)
    return float(tall * min(_ACROSS / wide, 1.0 / _DOTS))


def _kernels(pair: KernelPair | None) -> list[TileSheet]:
    """Return one picture of matched kernels, or one for either network."""
    if pair is None:
        return []
    if pair.unmatched:
        sides = ((pair.kernels, pair.shown), (pair.other_kernels, pair.other_shown))
        return [_unmatched(kernels, shown) for kernels, shown in sides]
    columns = min(len(pair.shown), _KERNELS_ACROSS)
    step_y, step_x = 2 * _KERNEL + 4 + _KERNEL_LABEL, _KERNEL + _KERNEL_GAP
    rows = -(-len(pair.shown) // columns)
    sheet = TileSheet(rows * step_y, columns * step_x)
    for place, channel in enumerate(pair.shown):
        left, top = place % columns * step_x, place // columns * step_y
        for row, kernels in enumerate((pair.kernels, pair.other_kernels)):
            tile = kernel_tile(kernels[channel])
            sheet.put(tile, left, top + row * (_KERNEL + 4), _KERNEL)
        change = pair.changes[channel]
        said = number(change) if np.isfinite(change) else "–"
        sheet.say(left, top + 2 * _KERNEL + 6, f"{channel}: {said}")
    return [sheet]


def _unmatched(kernels: NDArray[np.float32], shown: Sequence[int]) -> TileSheet:
    columns, step = _KERNELS_ACROSS, _SMALL_KERNEL + 10
    rows = -(-len(shown) // columns)
    sheet = TileSheet(rows * (step + _LABEL), columns * step)
    for place, channel in enumerate(shown):
        left, top = place % columns * step, place // columns * (step + _LABEL)
        sheet.put(kernel_tile(kernels[channel]), left, top, _SMALL_KERNEL)
        sheet.say(left, top + _SMALL_KERNEL + 2, str(channel))
    return sheet


def _columns(found: Comparison) -> list[TileSheet]:
    """Return the feature maps of either network, a row for each layer, the photo above them."""
    if not found.maps:
        return []
    sides = (
        [pair.maps for pair in found.maps],
        [pair.other_maps for pair in found.maps],
    )
    across = max(len(maps.shown) for side in sides for maps in side)
    return [_maps(side, max(across, 4)) for side in sides]


def _maps(layers: Sequence[FeatureMaps], across: int) -> TileSheet:
    row = _TITLE + _TILE + _LABEL
    sheet = TileSheet((len(layers) + 1) * row - _LABEL, across * (_TILE + _GAP))
    sheet.say(0, 4, f"{shortened(layers[0].image, 40)}, as it is shown", strong=True)
    sheet.put(layers[0].photo, 0, _TITLE, _TILE)
    for place, maps in enumerate(layers):
        top = (place + 1) * row - _LABEL + 8
        size = dimensions(maps.maps.shape[1:])
        sheet.say(0, top, f"{shortened(maps.layer, 30)}, {size}", strong=True)
        for column, channel in enumerate(maps.shown):
            left = column * (_TILE + _GAP)
            sheet.put(maps.paint(channel), left, top + _TITLE - 8, _TILE)
            below = top + _TITLE - 6 + _TILE
            sheet.say(left, below, maps.label(channel))
    return sheet


def _draw_kernels(part: drawing.Canvas, found: Comparison, sheets: Sequence[TileSheet]) -> None:
    pair = found.kernels
    if pair is None:
        _say(part, f"No kernels: {found.no_kernels}")
        return
    counts = len(pair.kernels), len(pair.other_kernels)
    if not pair.unmatched:
        first, other = (shortened(name, 40) for name in found.names)
        title = (
            f"kernels of {pair.layers[0]}, {len(pair.shown)} of {counts[0]}, {pair.order}; above: "
            f"{first}, below: {other}; the number of the filter, and how much it changed"
        )
        sheets[0].draw(part.subplots(), title, 170)
        return
    panels = part.subplots(1, 2)
    shown = (pair.shown, pair.other_shown)
    for place, (axes, sheet) in enumerate(zip(panels, sheets, strict=True)):
        title = (
            f"kernels of {pair.layers[place]} of {shortened(found.names[place], 24)}, "
            f"{len(shown[place])} of {counts[place]}, {pair.order}; not matched"
        )
        sheet.draw(axes, title, 90)


def _say(part: drawing.Canvas, words: str) -> None:
    axes = part.subplots()
    drawing.hide_ticks(axes)
    axes.text(0.0, 0.5, words, fontsize=drawing.TEXT_SIZE, color=drawing.QUIET, va="center")
