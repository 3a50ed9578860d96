"""How the kernels and the feature maps of two networks are drawn side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results import drawing
from cnnviz.results.text import layer_said, shortened
from cnnviz.views.pictures.compare_feature_sheets import (
    DOTS,
    kernel_sheets,
    map_sheets,
    photo_sheet,
    sides_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.compare import Comparison
    from cnnviz.views.feature_maps import FeatureMaps
    from cnnviz.views.pictures.tile_sheet import TileSheet

    _Part = tuple[str, TileSheet | None]

_ACROSS = 13.0
_APART = 24
"""Pixels between the photo and the kernels beside it."""
_SIDES = 0.2
"""Inches that are free beside the pictures of a column."""
_SLIDE = 1.6
"""How many times wider than high a canvas is on which all stands side by side."""
_SHARES = (0.4, 0.3, 0.3)
"""Shares of its width that the kernels and the maps of either network take there."""
_LINE, _ABOVE = 0.15, 0.22
"""Inches of a line of the title of a picture in a column, and what is free around it."""


def draw(found: Comparison, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw photo and kernels above, and below them the maps of either network in a column."""
    if into is not None and drawing.too_narrow(into, _ACROSS):
        return _in_a_column(found, into)
    tops, maps = _tops(found), map_sheets(found)
    if into is not None and _is_a_slide(into) and len(tops) == 1 and maps:
        return _on_a_slide(found, into)
    heights = [_tall(tops) + _titled(tops) if tops else 0.6, _tall(maps) + 0.5 if maps else 0.6]
    figure = drawing.canvas(_ACROSS, sum(heights) + 0.3, into)
    above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_tops(above, found, tops)
    if maps:
        for axes, sheet, name in zip(below.subplots(1, 2), maps, found.names, strict=True):
            sheet.draw(axes, _maps_title(name), 80)
    else:
        _say(below, _no_maps(found))
    drawing.heading(figure, _heading(found))
    return figure


def _in_a_column(found: Comparison, figure: drawing.Canvas) -> drawing.Canvas:
    """Draw one below the other, as many tiles in a row as leave room for their labels."""
    across = drawing.width_of(figure) - _SIDES
    high = _stacked(figure, _parts(found, int(across * DOTS)), across)
    title = _heading(found)
    drawing.ask_for_height(figure, high + drawing.heading_height(title, across) + 0.2)
    drawing.heading(figure, title)
    return figure


def _is_a_slide(figure: drawing.Canvas) -> bool:
    return drawing.width_of(figure) > _SLIDE * drawing.height_of(figure)


def _on_a_slide(found: Comparison, figure: drawing.Canvas) -> drawing.Canvas:
    """Draw the photo above the kernels, and the maps of either network right of them."""
    whole = drawing.width_of(figure) - _SIDES
    widths = [share * whole for share in _SHARES]
    photo, kernels, *_ = _parts(found, int(widths[0] * DOTS))
    high = drawing.height_of(figure) - drawing.heading_height(_heading(found), whole)
    high -= _needed(photo, widths[0]) + _needed((kernels[0], None), widths[0])
    fitting = kernel_sheets(found.kernels, int(widths[0] * DOTS), high * DOTS)
    kernels = (kernels[0], fitting[0]) if fitting else kernels
    *_, first, second = _parts(found, int(widths[-1] * DOTS))
    stacks = ((photo, kernels), (first,), (second,))
    parts = figure.subfigures(1, 3, width_ratios=_SHARES, squeeze=False)[0]
    for part, stack, across in zip(parts, stacks, widths, strict=True):
        _stacked(part, stack, across)
    drawing.heading(figure, _heading(found))
    return figure


def _stacked(figure: drawing.Canvas, parts: Sequence[_Part], across: float) -> float:
    """Draw pictures below one another, so many inches wide; return how high they are."""
    heights = [_needed(part, across) for part in parts]
    panels = figure.subplots(len(parts), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (title, sheet) in zip(panels, parts, strict=True):
        said = _wrapped(title, across)
        if sheet is None:
            _write(axes, said)
        else:
            sheet.draw(axes, said, int(across * DOTS))
    return sum(heights)


def _needed(part: _Part, across: float) -> float:
    """Return the inches that a picture of so many inches takes with what stands above it."""
    title, sheet = part
    return _LINE * (_wrapped(title, across).count("\n") + 1) + _ABOVE + _high(sheet)


def _parts(found: Comparison, wide: int) -> list[_Part]:
    """Return the pictures of a column so many pixels wide with what stands above each.

    In place of a picture that there is not, None, and why.
    """
    photos = [photo_sheet(maps, None) for maps in _photos(found)]
    parts: list[_Part] = []
    if photos:
        parts.append(
            ("the photo", photos[0] if len(photos) == 1 else photos[0].beside(photos[1], _APART))
        )
    kernels = kernel_sheets(found.kernels, wide)
    parts += zip(_titles(found), kernels, strict=False)
    if not kernels:
        parts.append((_titles(found)[0], None))
    sheets = map_sheets(found, wide)
    parts += zip(map(_maps_title, found.names), sheets, strict=False)
    if not sheets:
        parts.append((_no_maps(found), None))
    return parts


def _wrapped(title: str, across: float) -> str:
    lines = (drawing.wrapped(line, across, drawing.TEXT_SIZE) for line in title.split("\n"))
    return "\n".join(lines)


def _high(sheet: TileSheet | None) -> float:
    return 0.0 if sheet is None else sheet.pixels.shape[0] / DOTS


def _heading(found: Comparison) -> str:
    return f"{found.names[0]} and {found.names[1]}: kernels and feature maps"


def _maps_title(name: str) -> str:
    return f"feature maps of {name}: channel and largest value"


def _no_maps(found: Comparison) -> str:
    return f"No feature maps: {found.pairing}."


def _titled(tops: Sequence[TileSheet]) -> float:
    """Return the inches of the title above one sheet of both networks, or one of each."""
    return 0.6 if len(tops) == 1 else 0.4


def _tops(found: Comparison) -> list[TileSheet]:
    """Return what stands above: kernels, right of the photo whose maps stand below."""
    kernels = kernel_sheets(found.kernels)
    if len(kernels) == 1:
        for maps in _photos(found)[::-1]:
            kernels = [photo_sheet(maps, kernels[0]).beside(kernels[0], _APART)]
        return kernels
    photos = [maps[0] for maps in sides_of(found)]
    if not kernels:
        return [photo_sheet(maps, None) for maps in photos]
    if not photos:
        return kernels
    pairs = zip(photos, kernels, strict=True)
    return [photo_sheet(maps, sheet).beside(sheet, _APART) for maps, sheet in pairs]


def _photos(found: Comparison) -> list[FeatureMaps]:
    """Return the maps whose photo is drawn: one where both networks see the same, as a rule."""
    sides = [maps[0] for maps in sides_of(found)]
    if len(sides) == 2 and np.array_equal(sides[0].photo, sides[1].photo):
        return sides[:1]
    return sides


def _tall(sheets: Sequence[TileSheet]) -> float:
    """Return the inches that pictures side by side are high."""
    wide = sum(sheet.pixels.shape[1] for sheet in sheets)
    tall = max(sheet.pixels.shape[0] for sheet in sheets)
    return float(tall * min(_ACROSS / wide, 1.0 / DOTS))


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
            f"kernels of {layer_said(pair.layers[0])}, {len(pair.shown)} of {counts[0]}, "
            f"{pair.order}: the "
            f"number of the filter, and how much it changed\nabove: {first}, below: {other}",
        )
    shown = len(pair.shown), len(pair.other_shown)
    sides = zip(pair.layers, found.names, shown, counts, strict=True)
    return tuple(
        f"kernels of {layer_said(layer)} of {shortened(name, 24)}, {some} of {count}, "
        f"{pair.order}; not matched"
        for layer, name, some, count in sides
    )


def _say(part: drawing.Canvas, words: str) -> None:
    _write(part.subplots(), words)


def _write(axes: Axes, words: str) -> None:
    drawing.hide_ticks(axes)
    axes.text(0.0, 0.5, words, fontsize=drawing.TEXT_SIZE, color=drawing.QUIET, va="center")
