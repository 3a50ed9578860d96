"""How the strongest patches are drawn: each channel's projections beside its patches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing, mosaics
from cnnviz.results.aligned_numbers import to_one_place
from cnnviz.results.space import IMAGE
from cnnviz.results.text import shown_of
from cnnviz.views.pictures.deconvnet import REACH, paint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.top_activations import TopActivations

PER_PAGE = 12
"""Channels on a page."""
TILE = 112
"""Pixels of a tile's longer side at most; smaller ones grow by a whole factor as far as it goes."""
EMPTY = drawing.FLAT
"""The colour of what lies beyond an image, and of a place without a patch."""
_GAP = 2
_BAR = 4
_SEAM = 8
_BLOCK = 20
_INK = (90, 134, 205)
_HEADER = 30
_SENT, _PATCHES = "sent back", "patches"
_ALIKE = 3
"""Steps of 255 by which pixels may differ and still look the same."""
_RATIO = 1.5
"""How many times as wide as high a page is by itself."""
_WIDEST, _AROUND = 13.0, 1.3
"""Inches of a page at most, and of what is above and below its blocks."""
_LETTER = 0.062
"""Inches that a letter above the patches takes."""
_SIDES, ABOVE = 0.2, 0.16
"""Inches beside the blocks of a column, and of what stands above each."""

__all__ = ["EMPTY", "PER_PAGE", "REACH", "TILE", "draw", "paint", "placed", "tile"]


def tile(pixels: drawing.Pixels) -> drawing.Pixels:
    """Return a patch at the size at which it is drawn."""
    factor = max(1, TILE // max(pixels.shape[:2]))
    return drawing.fit(pixels.repeat(factor, 0).repeat(factor, 1), TILE)


def placed(pixels: drawing.Pixels, height: int, width: int) -> drawing.Pixels:
    """Return a tile shrunk and filled up to a height and width."""
    if pixels.shape[:2] == (height, width):
        return pixels
    factor = min(height / pixels.shape[0], width / pixels.shape[1])
    size = (max(1, int(pixels.shape[1] * factor)), max(1, int(pixels.shape[0] * factor)))
    canvas = np.full((height, width, 3), EMPTY, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(
        pixels, size, interpolation=cv2.INTER_AREA
    )
    return canvas


def draw(found: TopActivations, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the page: the projections of each channel beside its patches."""
    ratio = _RATIO
    if into is not None and drawing.is_narrow(into):
        _, (own, _) = _page(found, ratio)
        if drawing.too_narrow(into, own):
            return _in_a_column(found, into)
    if into is not None:
        ratio = _WIDEST / (max(0.2, _WIDEST * float(into.bbox.height / into.bbox.width) - _AROUND))
    grid, (across, down) = _page(found, ratio)
    figure = drawing.canvas(across, down + 0.9, into)
    _panel(figure.subplots(), found, grid, drawing.width_of(figure))
    drawing.heading(figure, found.title())
    return figure


def _in_a_column(found: TopActivations, figure: drawing.Canvas) -> drawing.Canvas:
    """Draw as many blocks in a row as leave room for what stands above each."""
    across = drawing.width_of(figure) - _SIDES
    longest = max(len(label(found, row)) for row in rows_of_page(found))
    most = max(1, int(across / (_LETTER * (longest + len(_PATCHES) + 3))))
    grid, (wide, down) = _page(found, 0.0, most, across)
    sentences = _key(found).replace(",\n", ", ").replace("\n", "; ")
    key = drawing.wrapped(sentences, across)
    drawing.ask_for_height(figure, down * across / wide + 0.15 * key.count("\n") + 0.8)
    _panel(figure.subplots(), found, grid, across, key)
    drawing.heading(figure, found.title())
    return figure


def draw_panel(found: TopActivations, axes: Axes) -> None:
    """Draw the page into an Axes."""
    grid, (across, _) = _page(found, _RATIO)
    _panel(axes, found, grid, across)


def rows_of_page(found: TopActivations) -> range:
    end = found.page * PER_PAGE
    return range(end - PER_PAGE, min(end, len(found.shown)))


def _page(
    found: TopActivations, ratio: float, columns: int = 0, across: float = 0.0
) -> tuple[mosaics.Mosaic, tuple[float, float]]:
    """Return the blocks of one page as one picture, and its width and height in inches.

    In so many columns over so many inches, or else in as many as fill a page so many times as wide
    as high.
    """
    blocks = [block(found, row) for row in rows_of_page(found)]
    height, width = blocks[0].shape[:2]
    columns = min(columns, len(blocks)) or mosaics.columns_in(ratio, len(blocks), height / width)
    header = round(ABOVE / across * columns * width) if across else _HEADER
    grid = mosaics.mosaic(np.stack(blocks), columns=columns, side=1, gap=_BLOCK, header=header)
    across = min(_WIDEST, max(5.2, grid.pixels.shape[1] / 110.0))
    down = min(20.0, across * grid.pixels.shape[0] / grid.pixels.shape[1])
    return grid, (across, down)


def _panel(
    axes: Axes, found: TopActivations, grid: mosaics.Mosaic, across: float, key: str = ""
) -> None:
    rows = rows_of_page(found)
    width = grid.side[1]
    drawing.show(axes, grid.pixels, smooth=True)
    axes.set_anchor("NW")
    for place, (row, (left, top)) in enumerate(zip(rows, grid.corners, strict=True)):
        said = label(found, row)
        axes.text(left, top - 6, said, fontsize=8.0, color=drawing.INK, va="bottom")
        if place < grid.columns:
            half = (width - _SEAM) // 2
            if (len(said) + len(_SENT) + 1) * _LETTER < half * across / grid.pixels.shape[1]:
                _say(axes, left + half, top - 6, _SENT)
            _say(axes, left + width, top - 6, _PATCHES)
    axes.set_xlabel(
        key or _key(found), fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left"
    )


def _key(found: TopActivations) -> str:
    """Say below the patches what they are, for a picture that is shown without its caption."""
    extent = shown_of(len(found.shown), len(found.values), "channel")
    alike = any(sends_one_back(found, row) for row in rows_of_page(found))
    once = ",\nonce where that is the same for all" if alike else ""
    return (
        f"{extent}; above each: the channel, its strongest activation and the last\n"
        f"left: what each patch sent back to the {found.space.places}{once}; right: the patches, "
        "strongest first\n"
        "bars: the activations, as shares of the first"
    )


def _say(axes: Axes, right: float, above: float, words: str) -> None:
    size, ink = drawing.SMALL_SIZE, drawing.QUIET
    axes.text(right, above, words, fontsize=size, color=ink, va="bottom", ha="right")


def label(found: TopActivations, row: int) -> str:
    """Return the channel in a row with the range of its activations."""
    channel = found.shown[row]
    if found.never_above_zero[channel]:
        return f"{channel}:  none above 0"
    values = found.values[channel][found.drawn[row]]
    if not len(values):
        return f"{channel}"
    highest, lowest = to_one_place((float(values[0]), float(values[-1])))
    return f"{channel}:  {highest}" + (f" to {lowest}" if len(values) > 1 else "")


def block(found: TopActivations, row: int) -> drawing.Pixels:
    """Return the projections of a channel and, beside them, its patches over their bars."""
    left, right = (
        _grid(
            np.stack([_barred(found, row, slot, one) for slot, one in enumerate(tiles)]),
            # Strips of slices stand one below the other.
            1 if found.space.axes > IMAGE.axes else math.ceil(math.sqrt(len(tiles))),
        )
        for tiles in (found.projections[row], found.patches[row])
    )
    if sends_one_back(found, row):
        # Nine times the same picture says less than one, and looks like a fault.
        size = (left.shape[1], left.shape[0])
        left = cv2.resize(found.projections[row, 0], size, interpolation=cv2.INTER_NEAREST)
    seam = np.full((left.shape[0], _SEAM, 3), 255, np.uint8)
    return np.concatenate([left, seam, right], axis=1)


def sends_one_back(found: TopActivations, row: int) -> bool:
    """Return whether all patches of a channel send the same back, as those of a first layer do."""
    sent = found.projections[row][found.drawn[row]]
    if found.space != IMAGE or len(sent) < 2:
        return False
    apart = np.abs(sent.astype(np.int16) - sent[0].astype(np.int16)).max()
    return bool(apart <= _ALIKE and np.ptp(sent) > _ALIKE)


def _barred(
    found: TopActivations, row: int, slot: int, pixels: NDArray[np.uint8]
) -> drawing.Pixels:
    """Return a tile over a bar as long as its activation, the first of the channel being whole."""
    bar = np.full((_BAR, pixels.shape[1], 3), 255, np.uint8)
    if found.drawn[row, slot]:
        values = found.values[found.shown[row]]
        length = round(pixels.shape[1] * float(values[slot] / values[0]))
        bar[1:, :length] = _INK
    return np.concatenate([pixels, bar])


def _grid(tiles: NDArray[np.uint8], columns: int) -> drawing.Pixels:
    return mosaics.mosaic(tiles, columns=columns, side=1, gap=_GAP).pixels
