"""The picture of a localisation: boxes in the photo, the map, its pieces, and the overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.heatmaps import map_words
from cnnviz.heatmaps.map_boxes import pieces_above
from cnnviz.heatmaps.photo_heatmaps import outline, stamp
from cnnviz.results import colour_bars, drawing
from cnnviz.results.text import layer_said, plural, shortened
from cnnviz.views.pictures.localisation_layout import (
    BAR,
    HEAD,
    LABELS,
    TITLES,
    arranged,
    stacked_height,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.images import PhotoBox
    from cnnviz.views.localisation import ObjectLocalisation

_ACROSS = 3.1
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
    wide = _ACROSS * columns + BAR
    tall = sum(_ACROSS * ratio + TITLES for ratio in ratios) + HEAD
    ratio = shapes[0][0] / shapes[0][1]
    if count == 1:
        tall = stacked_height(wide, ratio, curve=curves) or tall
    figure = drawing.canvas(wide, tall, into)
    if count == 1:
        found_room = arranged(figure, ratio, curve=curves)
        panels, high, free = [found_room.panels(figure)], found_room.small, found_room.free
    else:
        free = False
        panels = list(figure.subplots(count, columns, squeeze=False, height_ratios=ratios))
        high = (drawing.width_of(figure) - BAR) / columns * ratios[0]
        # A wide photo is not as high as its row, and the bar is as high as the photo.
        high *= min(1.0, ratio / ratios[0])
    for image, row in enumerate(panels):
        _boxes(row[0], found, image)
        _map(row[1], found, image)
        _pieces(row[2], found, image)
        if curves:
            _curve(row[3], found, image)
            if not free:
                shape = (_ACROSS * ratios[image] - LABELS) / (_ACROSS - LABELS)
                # As high as the photo, with what stands below the axis.
                row[3].set_box_aspect(max(0.3, shape))
    colour_bars.colour_bar(panels[0][1], *found.heatmap.key(), inches=high)
    drawing.heading(figure, found.summary())
    return figure


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
    stamp(axes, map_words.mark(found.heatmap, image, layer), _LETTERS)


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
