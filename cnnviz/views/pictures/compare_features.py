"""How the kernels and the feature maps of two networks are drawn side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.text import dimensions, shortened, to_one_place
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
_UNMATCHED_ACROSS = 8
_APART, _PHOTO = 24, 96
"""Pixels between the photo and the kernels beside it, and of its side where there are none."""
_LETTER = 6.5
"""Pixels of a letter below a photo."""
_DOTS = 104.0
"""Pixels of the composed pictures for an inch."""


def draw(found: Comparison, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw photo and kernels above, and below them the maps of either network in a column."""
    tops, maps = _tops(found), _columns(found)
    heights = [_tall(tops) + _titled(tops) if tops else 0.6, _tall(maps) + 0.5 if maps else 0.6]
    figure = drawing.canvas(_ACROSS, sum(heights) + 0.3, into)
    above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_tops(above, found, tops)
    if maps:
        for axes, sheet, name in zip(below.subplots(1, 2), maps, found.names, strict=True):
            sheet.draw(axes, f"feature maps of {name}: channel and largest value", 80)
    else:
        _say(below, f"No feature maps: {found.pairing}.")
    drawing.heading(figure, f"{found.names[0]} and {found.names[1]}: kernels and feature maps")
    return figure


def _titled(tops: Sequence[TileSheet]) -> float:
    """Return the inches of the title above one sheet of both networks, or one of each."""
    return 0.6 if len(tops) == 1 else 0.4


def _tops(found: Comparison) -> list[TileSheet]:
    """Return what stands above: kernels, right of the photo whose maps stand below."""
    kernels = _kernels(found.kernels)
    photos = [maps[0] for maps in _sides(found)]
    if not photos:
        return kernels
    if len(kernels) == 1:
        # Both networks see the same photo as a rule.
        same = np.array_equal(photos[0].photo, photos[1].photo)
        for maps in photos[:1] if same else photos[::-1]:
            kernels = [_photo(maps, kernels[0]).beside(kernels[0], _APART)]
        return kernels
    if not kernels:
        return [_photo(maps, None) for maps in photos]
    pairs = zip(photos, kernels, strict=True)
    return [_photo(maps, sheet).beside(sheet, _APART) for maps, sheet in pairs]


def _photo(maps: FeatureMaps, kernels: TileSheet | None) -> TileSheet:
    """Return the photo with its name, as high as the kernels beside it."""
    side = _PHOTO if kernels is None else kernels.pixels.shape[0] - _LABEL
    sheet = TileSheet(side + _LABEL, side)
    sheet.put(maps.photo, 0, 0, side)
    sheet.say(0, side + 2, shortened(maps.image, int(side / _LETTER)))
    return sheet


def _sides(found: Comparison) -> list[list[FeatureMaps]]:
    """Return the maps of either network, a layer each; nothing where there are none."""
    if not found.maps:
        return []
    return [[pair.maps for pair in found.maps], [pair.other_maps for pair in found.maps]]


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
    known = [channel for channel in pair.shown if np.isfinite(pair.changes[channel])]
    said = dict(zip(known, to_one_place(pair.changes[known]), strict=True))
    for place, channel in enumerate(pair.shown):
        left, top = place % columns * step_x, place // columns * step_y
        for row, kernels in enumerate((pair.kernels, pair.other_kernels)):
            tile = kernel_tile(kernels[channel])
            sheet.put(tile, left, top + row * (_KERNEL + 4), _KERNEL)
        sheet.say(left, top + 2 * _KERNEL + 6, f"{channel}: {said.get(channel, '–')}")
    return [sheet]


def _unmatched(kernels: NDArray[np.float32], shown: Sequence[int]) -> TileSheet:
    columns, step = min(len(shown), _UNMATCHED_ACROSS), _SMALL_KERNEL + 10
    rows = -(-len(shown) // columns)
    sheet = TileSheet(rows * (step + _LABEL), columns * step)
    for place, channel in enumerate(shown):
        left, top = place % columns * step, place // columns * (step + _LABEL)
        sheet.put(kernel_tile(kernels[channel]), left, top, _SMALL_KERNEL)
        sheet.say(left, top + _SMALL_KERNEL + 2, str(channel))
    return sheet


def _columns(found: Comparison) -> list[TileSheet]:
    """Return the feature maps of either network, a row for each layer."""
    sides = _sides(found)
    across = max((len(maps.shown) for side in sides for maps in side), default=0)
    return [_maps(side, max(across, 4)) for side in sides]


def _maps(layers: Sequence[FeatureMaps], across: int) -> TileSheet:
    row = _TITLE + _TILE + _LABEL
    sheet = TileSheet(len(layers) * row, across * (_TILE + _GAP))
    for place, maps in enumerate(layers):
        top = place * row
        size = dimensions(maps.maps.shape[1:])
        sheet.say(0, top + 6, f"{shortened(maps.layer, 30)}, {size}", strong=True)
        for column, channel in enumerate(maps.shown):
            left = column * (_TILE + _GAP)
            sheet.put(maps.paint(channel), left, top + _TITLE - 4, _TILE)
            sheet.say(left, top + _TITLE - 2 + _TILE, maps.label(channel))
    return sheet


def _draw_tops(part: drawing.Canvas, found: Comparison, sheets: Sequence[TileSheet]) -> None:
    if not sheets:
        _say(part, f"No kernels: {found.no_kernels}")
        return
    panels = part.subplots(1, len(sheets), squeeze=False)[0]
    letters = 170 // len(sheets)
    for axes, sheet, title in zip(panels, sheets, _titles(found), strict=False):
        sheet.draw(axes, title, letters)


def _titles(found: Comparison) -> tuple[str, ...]:
    """Return what stands above the one or two sheets of kernels."""
    pair = found.kernels
    if pair is None:
        return f"No kernels: {found.no_kernels}", ""
    counts = len(pair.kernels), len(pair.other_kernels)
    if not pair.unmatched:
        first, other = (shortened(name, 40) for name in found.names)
        return (
            f"kernels of {pair.layers[0]}, {len(pair.shown)} of {counts[0]}, {pair.order}: the "
            f"number of the filter, and how much it changed\nabove: {first}, below: {other}",
        )
    shown = len(pair.shown), len(pair.other_shown)
    sides = zip(pair.layers, found.names, shown, counts, strict=True)
    return tuple(
        f"kernels of {layer} of {shortened(name, 24)}, {some} of {count}, {pair.order}; not matched"
        for layer, name, some, count in sides
    )


def _say(part: drawing.Canvas, words: str) -> None:
    axes = part.subplots()
    drawing.hide_ticks(axes)
    axes.text(0.0, 0.5, words, fontsize=drawing.TEXT_SIZE, color=drawing.QUIET, va="center")
