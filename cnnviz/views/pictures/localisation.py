"""The picture of a localisation: boxes in the photo, the map, its pieces, and the overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.heatmaps.map_boxes import pieces_above
from cnnviz.heatmaps.photo_heatmaps import outline
from cnnviz.results import colour_bars, drawing
from cnnviz.results.text import layer_said, plural, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from cnnviz.images import PhotoBox
    from cnnviz.views.localisation import ObjectLocalisation

_ACROSS = 3.1
_TITLES, _HEAD, _BAR, _LABELS = 0.4, 0.16, 0.9, 0.62
"""Inches above a photo, above all, of the colour bar, and of the labels of an axis."""
_LEAST_SMALL = 1.2
"""Inches of a small panel beside a large one at least: its colour bar is as high."""
_LETTERS = 44
_LONGEST = 640
"""The longer side of a photo in pixels, as it is drawn."""
_RATIOS = (0.6, 1.8)
"""The least height of a row with a curve for the width of a panel, and the greatest of any."""
_FLATTEST = 0.42
"""The least without a curve, with which a colour bar can still be read."""


def draw(found: ObjectLocalisation, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw a row for each photo."""
    count = len(found.boxes)
    curves = any(one is not None for one in found.found)
    columns = 4 if curves else 3
    shapes = [photo.shape for photo in found.heatmap.photos]
    least, most = _RATIOS
    ends = (least if curves else _FLATTEST, most)
    ratios = [float(np.clip(height / width, *ends)) for height, width, _ in shapes]
    tall = sum(_ACROSS * ratio + _TITLES for ratio in ratios) + _HEAD
    figure = drawing.canvas(_ACROSS * columns + _BAR, tall, into)
    if count == 1 and into is not None:
        panels, high, beside = _one_in(figure, ratios[0], curves)
    else:
        beside = False
        panels = list(figure.subplots(count, columns, squeeze=False, height_ratios=ratios))
        high = (drawing.width_of(figure) - _BAR) / columns * ratios[0]
    for image, row in enumerate(panels):
        _boxes(row[0], found, image)
        _map(row[1], found, image)
        _pieces(row[2], found, image)
        if curves:
            _curve(row[3], found, image)
            if not beside:
                shape = (_ACROSS * ratios[image] - _LABELS) / (_ACROSS - _LABELS)
                # As high as the photo, with what stands below the axis.
                row[3].set_box_aspect(max(0.3, shape))
    # A wide photo is not as high as its row, and the bar is as high as the photo.
    high *= min(1.0, shapes[0][0] / shapes[0][1] / ratios[0])
    colour_bars.colour_bar(panels[0][1], *found.heatmap.key(), inches=high)
    drawing.heading(figure, found.summary())
    return figure


def _one_in(
    figure: drawing.Canvas, ratio: float, curve: bool
) -> tuple[list[Sequence[Axes]], float, bool]:
    """Return the panels of one photo as they fill most of a canvas, and how high its map is.

    Also whether the photo stands large beside the others, which leaves the curve all the rest.
    """
    wide = drawing.width_of(figure)
    tall = max(wide * float(figure.bbox.height / figure.bbox.width) - _HEAD - _TITLES, 0.1)
    wide -= _BAR
    half = max((tall - _TITLES - _LABELS) / 2.0, 0.1)
    columns = 4 if curve else 3
    in_row = min(tall, wide / columns * ratio)
    in_square = min(half, wide / 2.0 * ratio)
    # The photo is large at the left, and its map, the pieces and the curve are beside it.
    beside = columns - 2
    fits = min(1.0, wide * ratio / (tall + beside * half))
    large, small = fits * tall, fits * half
    if small > _LEAST_SMALL and large**2 + 2.0 * small**2 > 3.0 * max(in_row, in_square) ** 2:
        return [_large_and(figure, beside, (large / ratio, small / ratio), wide)], small, True
    if in_square > in_row:
        panels = figure.subplots(2, 2).flatten()
        if not curve:
            panels[3].set_axis_off()
        return [panels], in_square, False
    return [figure.subplots(1, columns)], in_row, False


def _large_and(
    figure: drawing.Canvas, beside: int, sides: tuple[float, float], wide: float
) -> list[Axes]:
    """Return a large panel, and small ones in two rows beside it; room that is left is right."""
    large, small = sides
    rows = [["map"], ["pieces"]] if beside == 1 else [["map", "pieces"], ["curve", "curve"]]
    spare = max(wide - large - beside * small, 0.01)
    panels = figure.subplot_mosaic(
        [["box", *row, "."] for row in rows],
        width_ratios=[large, *[small] * beside, spare],
    )
    return [panels[name] for name in ("box", "map", "pieces", "curve") if name in panels]


def _frame(axes: Axes, found: ObjectLocalisation, image: int, pixels: drawing.Pixels) -> None:
    height, width = found.heatmap.photos[image].shape[:2]
    axes.imshow(drawing.fit(pixels, _LONGEST), extent=(0, width, height, 0))
    drawing.hide_ticks(axes)
    axes.set_anchor("N")


def _draw_boxes(axes: Axes, found: ObjectLocalisation, image: int) -> None:
    for box in found.annotated[image]:
        outline(axes, _corners(box), drawing.WARM, (3.0, 1.6), "--")
    if found.boxes[image].width:
        outline(axes, _corners(found.boxes[image]), drawing.ACCENT, (3.0, 1.6))
    height, width = found.heatmap.photos[image].shape[:2]
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def _corners(box: PhotoBox) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom


def _boxes(axes: Axes, found: ObjectLocalisation, image: int) -> None:
    _frame(axes, found, image, found.heatmap.photos[image])
    _draw_boxes(axes, found, image)
    said = f"box of {found.heatmap.targets[image]}"
    if found.found[image] is not None:
        verdict = "found" if found.found[image] else "not found"
        said = f"overlap {found.overlaps[image]:.2f}: {verdict}"
    elif not found.boxes[image].width:
        said = "no evidence, so no box"
    _title(axes, found.heatmap.images[image], said)


def _map(axes: Axes, found: ObjectLocalisation, image: int) -> None:
    (layer,) = found.heatmap.layers
    _frame(axes, found, image, found.heatmap.picture(image, layer, _LONGEST))
    row, column = found.peaks[image]
    for colour, size, width in (("white", 9.0, 3.2), (drawing.INK, 8.0, 1.4)):
        axes.plot(column + 0.5, row + 0.5, "x", color=colour, markersize=size, mew=width)
    _title(axes, layer_said(layer), found.heatmap.extent(image, layer))


def _pieces(axes: Axes, found: ObjectLocalisation, image: int) -> None:
    pieces, largest = pieces_above(found.heatmap.evidence_on_photo(image), found.threshold)
    painted = np.full((*pieces.shape, 3), 255, np.uint8)
    painted[pieces > 0] = _rgb(drawing.FAINT)
    if largest:
        painted[pieces == largest] = _rgb(drawing.ACCENT) // 2 + 127
    _frame(axes, found, image, painted)
    _draw_boxes(axes, found, image)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(drawing.FAINT)
    count = int(pieces.max())
    _title(
        axes,
        f"above {100 * found.threshold:g}% of the maximum",
        f"{plural(count, 'piece')}, the largest in blue" if count else "nothing",
    )


def _rgb(colour: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)], np.uint8)


def _curve(axes: Axes, found: ObjectLocalisation, image: int) -> None:
    """Draw the overlap at all thresholds."""
    if found.found[image] is None:
        axes.set_visible(False)
        return
    drawing.plain_axes(axes)
    axes.axhline(found.enough, color=drawing.FAINT, linewidth=1.2, linestyle="--")
    axes.axvline(found.threshold, color=drawing.ACCENT, linewidth=1.0, linestyle=":")
    axes.plot(
        found.thresholds, found.overlaps_at[image], "o-", color=drawing.INK, markersize=3, lw=1.2
    )
    axes.plot(
        found.threshold, found.overlaps[image], "o", color=drawing.ACCENT, markersize=6, zorder=3
    )
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.02)
    axes.set_anchor("N")
    axes.set_xlabel(
        "threshold, as a part of the maximum", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET
    )
    axes.set_ylabel("intersection over union", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    best, overlap = found.best(image)
    _title(axes, "overlap at other thresholds", f"at most {overlap:.2f}, above {100 * best:g}%")


def _title(axes: Axes, first: str, second: str) -> None:
    lines = "\n".join(shortened(line, _LETTERS) for line in (first, second))
    axes.set_title(lines, fontsize=drawing.SMALL_SIZE, color=drawing.INK, loc="left")
