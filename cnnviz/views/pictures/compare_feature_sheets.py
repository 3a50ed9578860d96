"""The kernels, the feature maps and the photo of two networks, each as one composed picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results.aligned_numbers import to_one_place
from cnnviz.results.text import dimensions, layer_said, shortened
from cnnviz.views.pictures.kernel_tiles import kernel_tile
from cnnviz.views.pictures.tile_sheet import TileSheet

if TYPE_CHECKING:
    from cnnviz.views._compare_features import KernelPair
    from cnnviz.views.compare import Comparison
    from cnnviz.views.feature_maps import FeatureMaps

LABEL = 20
"""Pixels for the words below a tile."""
_TITLE, _SEAM = 30, 4
"""Pixels for the words above a row of maps, and between a kernel and its match."""
_PHOTO = 96
"""Pixels of the side of a photo where there are no kernels beside it."""
_LETTER = 6.5
"""Pixels of a letter."""
_BETWEEN = 8
"""Pixels between two tiles of a column of a paper, and between their labels."""
_LEAST_ACROSS = 4
"""The narrowest row of maps, which has to hold the name of their layer."""
DOTS = 104.0
"""Pixels of the composed pictures for an inch."""


@dataclass(frozen=True)
class _Row:
    """How many tiles stand in a row, of what side, and what is free right of and below each."""

    columns: int
    side: int
    gap: int
    label: int = LABEL

    @property
    def step(self) -> int:
        """Pixels from one tile to the next."""
        return self.side + self.gap


_KERNELS, _UNMATCHED = _Row(12, 72, 36, 34), _Row(8, 46, 10)
_MAPS = _Row(0, 96, 12)


def photo_sheet(maps: FeatureMaps, kernels: TileSheet | None) -> TileSheet:
    """Return the photo with its name, as high as the kernels beside it."""
    side = _PHOTO if kernels is None else kernels.pixels.shape[0] - LABEL
    sheet = TileSheet(side + LABEL, side)
    sheet.put(maps.photo, 0, 0, side)
    sheet.say(0, side + 2, shortened(maps.image, int(side / _LETTER)))
    return sheet


def sides_of(found: Comparison) -> list[list[FeatureMaps]]:
    """Return the maps of either network, a layer each; nothing where there are none."""
    if not found.maps:
        return []
    return [[pair.maps for pair in found.maps], [pair.other_maps for pair in found.maps]]


def kernel_sheets(
    pair: KernelPair | None, wide: int = 0, high: float = math.inf
) -> list[TileSheet]:
    """Return one picture of matched kernels, or one for either network.

    Parameters
    ----------
    pair : KernelPair or None
        The kernels of both.
    wide : int
        Pixels that a column of a paper is wide; 0 for a picture that is as wide as it wants.
    high : float
        Pixels that are free for matched kernels in the column: what is higher is drawn smaller.
    """
    if pair is None:
        return []
    if not pair.unmatched:
        return [_matched(pair, wide, high)]
    sides = ((pair.kernels, pair.shown), (pair.other_kernels, pair.other_shown))
    return [_unmatched(kernels, shown, wide) for kernels, shown in sides]


def _matched(pair: KernelPair, wide: int, high: float) -> TileSheet:
    known = [channel for channel in pair.shown if np.isfinite(pair.changes[channel])]
    changes = dict(zip(known, to_one_place(pair.changes[known]), strict=True))
    said = [f"{channel}: {changes.get(channel, '–')}" for channel in pair.shown]
    row = _roomiest(said, wide, high) if wide else _KERNELS
    columns = min(len(said), row.columns)
    tall = _pair_height(row)
    sheet = TileSheet(-(-len(said) // columns) * tall, columns * row.step)
    for place, (channel, label) in enumerate(zip(pair.shown, said, strict=True)):
        left, top = place % columns * row.step, place // columns * tall
        for below, kernels in enumerate((pair.kernels, pair.other_kernels)):
            tile = kernel_tile(kernels[channel])
            sheet.put(tile, left, top + below * (row.side + _SEAM), row.side)
        sheet.say(left, top + 2 * row.side + _SEAM + 2, label)
    return sheet


def _pair_height(row: _Row) -> int:
    return 2 * row.side + _SEAM + row.label


def _roomiest(labels: Sequence[str], wide: int, high: float) -> _Row:
    """Return the row whose labels have most room where all rows shrink to the height."""
    most = _fitting(labels, wide, _KERNELS.columns)
    if -(-len(labels) // most.columns) * _pair_height(most) <= high:
        return most

    def room(row: _Row) -> float:
        rows = -(-len(labels) // row.columns)
        return row.step * min(1.0, high / (rows * _pair_height(row)))

    most_columns = max(1, min(len(labels), wide // (3 * _BETWEEN)))
    return max((_across(wide, columns) for columns in range(1, most_columns + 1)), key=room)


def _unmatched(kernels: NDArray[np.float32], shown: Sequence[int], wide: int) -> TileSheet:
    columns = min(len(shown), wide // _UNMATCHED.step if wide else _UNMATCHED.columns)
    tall = _UNMATCHED.step + _UNMATCHED.label
    sheet = TileSheet(-(-len(shown) // columns) * tall, columns * _UNMATCHED.step)
    for place, channel in enumerate(shown):
        left, top = place % columns * _UNMATCHED.step, place // columns * tall
        sheet.put(kernel_tile(kernels[channel]), left, top, _UNMATCHED.side)
        sheet.say(left, top + _UNMATCHED.side + 2, str(channel))
    return sheet


def map_sheets(found: Comparison, wide: int = 0) -> list[TileSheet]:
    """Return the feature maps of either network; `wide` as for `kernel_sheets`."""
    sides = sides_of(found)
    across = max((len(maps.shown) for side in sides for maps in side), default=0)
    row = _Row(max(across, _LEAST_ACROSS), _MAPS.side, _MAPS.gap)
    if wide:
        said = [maps.label(one) for side in sides for maps in side for one in maps.shown]
        row = _fitting(said, wide, row.columns)
    return [_maps(side, row) for side in sides]


def _maps(layers: Sequence[FeatureMaps], row: _Row) -> TileSheet:
    down = [-(-len(maps.shown) // row.columns) for maps in layers]
    tall = row.side + row.label
    sheet = TileSheet(len(layers) * _TITLE + sum(down) * tall, row.columns * row.step)
    top = 0
    for maps, lines in zip(layers, down, strict=True):
        size = dimensions(maps.maps.shape[1:])
        sheet.say(0, top + 6, f"{shortened(layer_said(maps.layer), 30)}, {size}", strong=True)
        top += _TITLE
        for place, channel in enumerate(maps.shown):
            left, high = place % row.columns * row.step, top + place // row.columns * tall
            sheet.put(maps.paint(channel), left, high - 4, row.side)
            sheet.say(left, high - 2 + row.side, maps.label(channel))
        top += lines * tall
    return sheet


def _fitting(labels: Sequence[str], wide: int, most: int) -> _Row:
    """Return a row of a column so wide, of as many tiles as leave room for their labels."""
    longest = max(map(len, labels), default=1)
    return _across(wide, max(1, min(int(wide / (_LETTER * longest + _BETWEEN)), most)))


def _across(wide: int, columns: int) -> _Row:
    return _Row(columns, wide // columns - _BETWEEN, _BETWEEN)
