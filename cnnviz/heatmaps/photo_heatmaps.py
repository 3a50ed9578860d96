"""Draws evidence over photos: each photo, and beside it its maps on what the network saw."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.heatmaps import map_words
from cnnviz.heatmaps.doubts import NOT_EVIDENCE
from cnnviz.heatmaps.stretching import stretch_over_box
from cnnviz.images import PhotoBox
from cnnviz.results import colour_bars, drawing
from cnnviz.results.text import layer_said, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.heatmaps.heatmap import Heatmap

_LETTERS_PER_INCH = 16
"""How many letters of a title fit into an inch of a panel's width."""
_BESIDE = 0.9
"""Inches that the colour bar takes."""
_RATIOS = (0.6, 3.0)
"""The least and the greatest height of a row of photos for its width."""
_MARK_LETTERS = 18
"""Letters of the width of a map that has room for the whole of a mark."""
_PANEL_LETTERS = 54
"""Letters of a title above a map that a caller's own Axes holds."""


def draw(found: Heatmap, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw each photo, and beside it its maps on the part that the network saw."""
    columns, rows = 1 + len(found.layers), len(found.images)
    across = 3.4 if columns < 4 else 2.6
    ratios = [_ratio(found, image) for image in range(rows)]
    figure = drawing.canvas(
        across * columns + _BESIDE, sum(across * ratio + 0.5 for ratio in ratios) + 0.4, into
    )
    wide = min(across, (drawing.width_of(figure) - _BESIDE) / columns)
    letters = max(8, round(wide * _LETTERS_PER_INCH))
    panels = figure.subplots(rows, columns, squeeze=False, height_ratios=ratios)
    for image, row in enumerate(panels):
        _draw_photo(found, row[0], image, letters)
        for layer, axes in zip(found.layers, row[1:], strict=True):
            _draw_map(found, axes, image, layer, letters)
    # Beside the first row, where it is seen at once however many photos follow.
    pixels = found.seen(0, found.layers[-1], 480)
    high = wide * min(pixels.shape[0] / pixels.shape[1], ratios[0])
    colour_bars.colour_bar(panels[0][-1], *found.key(), inches=high)
    if rows == 1:
        # In a shape that is higher than the one row, both stand in the middle of its height.
        for axes in panels[0]:
            axes.set_anchor("C")
    drawing.heading(figure, found.summary())
    return figure


def draw_panel(found: Heatmap, axes: Axes) -> None:
    """Draw the first map on an Axes of the caller."""
    _draw_map(found, axes, 0, found.layers[0], _PANEL_LETTERS)


def has_border(found: Heatmap, place: int) -> bool:
    """Return whether the network saw less than the whole photo."""
    box, (height, width) = found.boxes[place], found.photos[place].shape[:2]
    return bool(box.width < width - 1.0 or box.height < height - 1.0)


def _ratio(found: Heatmap, image: int) -> float:
    """Return the height of a row for a width of one: that of the taller of photo and crop.

    Very narrow photos are drawn smaller, in a row that has room for the colour bar.
    """
    height, width = found.photos[image].shape[:2]
    box = found.boxes[image]
    return float(np.clip(max(height / width, box.height / box.width), *_RATIOS))


def _draw_photo(found: Heatmap, axes: Axes, image: int, letters: int) -> None:
    height, width = found.photos[image].shape[:2]
    axes.imshow(drawing.fit(found.photos[image], 640), extent=(0, width, height, 0))
    drawing.hide_ticks(axes)
    if has_border(found, image):
        if not found.axis_names:
            said = fill("in the frame: the part that the network sees", letters)
            axes.set_xlabel(said, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left")
        box = found.boxes[image]
        outline(axes, (box.left, box.top, box.right, box.bottom), drawing.ACCENT, (2.2, 1.1))
    asked = found.asked_boxes[image] if found.asked_boxes else None
    if asked is not None:
        outline(axes, asked, drawing.WARM, (3.0, 1.5))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
    _name_axes(found, axes)
    _title(axes, found.images[image], f"explained: {found.targets[image]}", letters)


def outline(
    axes: Axes,
    corners: tuple[float, float, float, float],
    colour: str,
    widths: tuple[float, float],
    style: str = "-",
) -> None:
    """Draw a frame on a white one that is wider, so that it is seen on every photo."""
    from matplotlib.patches import Rectangle

    left, top, right, bottom = corners
    sides = (right - left, bottom - top)
    frames = zip(("white", colour), widths, ("-", style), strict=True)
    for each, line, drawn in frames:
        axes.add_patch(
            Rectangle(
                (left, top), *sides, fill=False, edgecolor=each, linewidth=line, linestyle=drawn
            )
        )


def _draw_map(found: Heatmap, axes: Axes, image: int, layer: str, letters: int) -> None:
    drawing.show(axes, found.seen(image, layer, 480), smooth=True)
    _name_axes(found, axes)
    extent = found.extent(image, layer)
    if len(extent) > letters:
        extent = found.extent(image, layer, small=True)
    _title(axes, layer_said(layer), extent, letters)
    stamp(axes, map_words.mark(found, image, layer), letters)


def _name_axes(found: Heatmap, axes: Axes) -> None:
    """Write what rows and columns are, and turn a spectrogram with its first row downwards."""
    if not found.axis_names:
        return
    rows, columns = found.axis_names
    axes.set_ylabel(f"{rows} →", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    axes.set_xlabel(f"{columns} →", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    axes.invert_yaxis()


def overlay(
    found: Heatmap,
    part: NDArray[np.uint8],
    corner: tuple[int, int],
    image: int,
    layer: str | None,
    longest: int,
) -> NDArray[np.uint8]:
    """Return the overlay of one map on a part of its photo, whose corner lies at left and top.

    The longer side of the picture is at most `longest` pixels.
    """
    photo = drawing.fit(part, longest)
    height, width = photo.shape[:2]
    down, across = height / part.shape[0], width / part.shape[1]
    box = found.boxes[image]
    scaled = PhotoBox(
        across * (box.left - corner[0]),
        down * (box.top - corner[1]),
        across * (box.right - corner[0]),
        down * (box.bottom - corner[1]),
    )
    heat = stretch_over_box(found.shown(layer)[image], scaled, height, width)
    return drawing.overlay(photo, heat, found.scale(image, layer))


def _title(axes: Axes, first: str, second: str, letters: int) -> None:
    axes.set_anchor("N")
    lines = "\n".join(shortened(line, letters) for line in (first, second))
    axes.set_title(lines, fontsize=drawing.SMALL_SIZE, color=drawing.INK, loc="left")


def stamp(axes: Axes, mark: str, letters: int) -> None:
    """Write on a map why it must not be read as evidence, so that it goes wherever the map goes.

    Parameters
    ----------
    axes : Axes
        The map.
    mark : str
        What to write; nothing writes nothing.
    letters : int
        How many letters the map is wide.
    """
    from matplotlib.patheffects import withStroke

    if mark:
        axes.text(
            0.02,
            0.02,
            fill(mark if letters >= _MARK_LETTERS else NOT_EVIDENCE, int(0.8 * letters)),
            transform=axes.transAxes,
            va="bottom",
            fontsize=drawing.SMALL_SIZE,
            color="white",
            bbox={"facecolor": drawing.WARM, "edgecolor": "white", "linewidth": 0.6, "pad": 2.5},
            in_layout=False,
            # With an outline, like all that is meant to lie over a picture.
            path_effects=[withStroke(linewidth=0.1, foreground="white")],
        )
