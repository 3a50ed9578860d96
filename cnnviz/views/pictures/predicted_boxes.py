"""The boxes that a detector finds, over the photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.results import drawing
from cnnviz.results.text import plural, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.predicted_boxes import PredictedBoxes

_LONGEST = 800
_WIDTH = 5.0


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
    from matplotlib.patches import Rectangle

    photo = result.photos[place]
    height, width = photo.shape[:2]
    axes.imshow(drawing.fit(photo, _LONGEST), extent=(0, width, height, 0))
    shown = result.shown_of(place)
    for rank in reversed(range(shown)):
        left, top, right, bottom = result.boxes[place, rank]
        colour = drawing.ACCENT if rank == 0 else drawing.QUIET
        corner, size = (left, top), (right - left, bottom - top)
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="white", linewidth=3.0))
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=1.5))
        name = shortened(result.names[place][rank], 24, "end")
        axes.text(
            min(max(left, 0.0), 0.98 * width),
            min(max(top, 0.0), 0.98 * height),
            f"{name} {result.said(place, rank)}",
            fontsize=drawing.SMALL_SIZE,
            color="white",
            va="bottom" if top > 0.06 * height else "top",
            clip_on=True,
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.5},
        )
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
