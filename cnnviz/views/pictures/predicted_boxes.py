"""The boxes that a detector finds, over the photos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.text import plural, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.predicted_boxes import PredictedBoxes

_LONGEST = 800
_WIDTH = 5.0
_LINE, _LETTER = 0.17, 0.068
"""Inches of the height of a label, and of a letter of it with its share of the margins."""


def draw(result: PredictedBoxes, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the photos side by side, each with its boxes."""
    count = len(result.images)
    columns, heights = _rows(result)
    figure = drawing.canvas(_WIDTH * columns, sum(heights), into)
    panels = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights).ravel()
    for panel in panels[count:]:
        panel.set_axis_off()
    for place, panel in enumerate(panels[:count]):
        draw_photo(panel, result, place)
    return figure


def pages(result: PredictedBoxes, tallest: float) -> list[slice]:
    """Return which photos stand on each page, none taller than so many inches."""
    columns, heights = _rows(result)
    begins, height = [0], 0.0
    for row, own in enumerate(heights):
        if height and height + own > tallest:
            begins.append(row * columns)
            height = 0.0
        height += own
    ends = [*begins[1:], len(result.images)]
    return [slice(begin, end) for begin, end in zip(begins, ends, strict=True)]


def _rows(result: PredictedBoxes) -> tuple[int, list[float]]:
    """Return how many photos stand side by side, and the height of each row in inches."""
    columns = min(len(result.images), 2)
    ratios = [photo.shape[0] / photo.shape[1] for photo in result.photos]
    parts = [ratios[k : k + columns] for k in range(0, len(ratios), columns)]
    return columns, [_WIDTH * max(part) + 0.5 for part in parts]


def draw_photo(axes: Axes, result: PredictedBoxes, place: int) -> None:
    """Draw one photo with its boxes, that of the highest score on top."""
    photo = result.photos[place]
    height, width = photo.shape[:2]
    axes.imshow(drawing.fit(photo, _LONGEST), extent=(0, width, height, 0))
    shown = result.shown_of(place)
    _draw_boxes(axes, result, place)
    # Boxes may reach beyond the photo.
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    drawing.hide_ticks(axes)
    axes.set_anchor("N")
    found = plural(result.found[place], "box", "boxes") if result.found[place] else "nothing found"
    said = found if shown == result.found[place] else f"{shown} of {found}"
    axes.set_title(
        shortened(f"{result.images[place]}: {said}", 60, "end"),
        loc="left",
        fontsize=drawing.TITLE_SIZE,
        color=drawing.INK,
    )


def _draw_boxes(axes: Axes, result: PredictedBoxes, place: int) -> None:
    from matplotlib.patches import Rectangle

    shown = result.shown_of(place)
    boxes = result.boxes[place, :shown]
    labels = [
        f"{shortened(result.names[place][rank], 24, 'end')} {result.said(place, rank)}"
        for rank in range(shown)
    ]
    corners = label_corners(boxes, labels, result.photos[place].shape[:2])
    ranks = list(reversed(range(shown)))
    for rank in ranks:
        left, top, right, bottom = boxes[rank]
        colour = drawing.ACCENT if rank == 0 else drawing.QUIET
        for edge, line in (("white", 3.0), (colour, 1.5)):
            size = (right - left, bottom - top)
            axes.add_patch(Rectangle((left, top), *size, fill=False, edgecolor=edge, lw=line))
    for rank in ranks:
        axes.text(
            *corners[rank],
            labels[rank],
            fontsize=drawing.SMALL_SIZE,
            color="white",
            va="bottom",
            clip_on=True,
            zorder=4,
            bbox={
                "facecolor": drawing.QUIET if rank else drawing.ACCENT,
                "edgecolor": "none",
                "pad": 1.5,
            },
        )


def label_corners(
    boxes: NDArray[np.floating[Any]], labels: Sequence[str], size: tuple[int, int]
) -> list[tuple[float, float]]:
    """Return the lower left corner of each label, so that none lies on another while there is room.

    Parameters
    ----------
    boxes : ndarray of float
        [K, 4]: left, top, right and bottom, in pixels of the photo, the best box first.
    labels : sequence of str
        What is said of each.
    size : (int, int)
        Height and width of the photo.
    """
    height, width = size
    inch = width / _WIDTH
    line = _LINE * inch
    taken: list[tuple[float, float, float]] = []
    for (left, top, _, bottom), label in zip(boxes, labels, strict=True):
        across = (len(label) * _LETTER + 0.05) * inch
        x = float(min(max(left, 0.0), max(0.0, width - across)))
        # Above the box, at its upper edge within, below it, and then line by line down from it.
        wanted = [top, top + line, bottom + line, *(top + k * line for k in range(2, 12))]
        places = [float(min(max(y, line), height)) for y in wanted]

        def free(y: float, x: float = x, across: float = across) -> bool:
            return all(
                abs(y - low) >= line or x >= start + wide or start >= x + across
                for start, low, wide in taken
            )

        y = next(filter(free, places), places[0])
        taken.append((x, y, across))
    return [(x, y) for x, y, _ in taken]
