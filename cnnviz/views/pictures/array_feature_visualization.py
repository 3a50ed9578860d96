"""Draws what drives units of signals furthest, as traces, and of volumes, as strips of slices."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results import drawing, mosaics, traces
from cnnviz.results.array_pictures import shown_slices, slice_noun, slices
from cnnviz.results.text import number, plural
from cnnviz.views.pictures import array_patches
from cnnviz.views.pictures.feature_visualization import labels_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.feature_visualization import FeatureVisualization

_ACROSS = 10.4
_TALLEST = 40.0
_ROW = 1.15
"""Inches of the trace of a signal with its label."""
_COLUMNS = 4
_LETTERS = 150
"""How many letters of the key fit into a line."""


def how(found: FeatureVisualization) -> str:
    """Say what the lines or slices are, and what of them is left out."""
    channels, *size = found.pictures[0].shape[1:]
    if found.space.axes == 1:
        drawn = min(channels, array_patches.MOST_LINES)
        some = f", the first {drawn} of {channels} channels" if drawn < channels else ""
        return (
            f"Each is a line over its samples on its own scale, with zero as a faint line{some}"
            f"{array_patches.colours_told(drawn)}."
        )
    noun = slice_noun(found.pictures[0][0])
    some = shown_slices(array_patches.slices_of(size[0]), size[0], noun)
    grey = f" Of {channels} channels the mean is shown." if channels not in (1, 3) else ""
    return f"Of each {some or plural(size[0], noun)} stand side by side.{grey}"


def draw(found: FeatureVisualization, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the traces in rows, or the strips one below the other."""
    count = sum(len(each) for each in found.pictures)
    title = f"Feature visualization, {found.provenance.model}"
    if found.space.axes == 1:
        down = _ROW * -(-count // _columns(found))
    else:
        grid = _strips(found)
        down = _ACROSS * grid.pixels.shape[0] / grid.pixels.shape[1]
    room = 0.7 + drawing.heading_height(title, _ACROSS)
    figure = drawing.canvas(_ACROSS, min(_TALLEST, down) + room, into)
    draw_panel(found, figure.subplots())
    drawing.heading(figure, title)
    return figure


def draw_panel(found: FeatureVisualization, axes: Axes) -> None:
    """Draw what was made into an Axes."""
    if found.space.axes == 1:
        tiles = [one[: array_patches.MOST_LINES] for each in found.pictures for one in each]
        traces.trace_tiles(axes, tiles, _labels(found), _columns(found))
    else:
        grid = _strips(found)
        drawing.show(axes, grid.pixels, smooth=True)
        axes.set_anchor("NW")
        mosaics.label_tiles(axes, grid, _labels(found), 6.5)
    key = (
        f"below each: the unit, its score before → after at most {found.most_steps} steps, and the "
        f"values it spans. {how(found)}"
    )
    lines = "\n".join(textwrap.wrap(key, _LETTERS))
    axes.set_xlabel(lines, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left")


def _labels(found: FeatureVisualization) -> list[str]:
    """Return what stands below each: the unit, its scores, and the values it spans."""
    every = [one for each in found.pictures for one in each]
    spans = [f"{number(float(one.min()))} to {number(float(one.max()))}" for one in every]
    return [f"{said};  {span}" for said, span in zip(labels_of(found), spans, strict=True)]


def _columns(found: FeatureVisualization) -> int:
    """Return how many stand in a row: those of a unit together."""
    count, each = sum(len(one) for one in found.pictures), int(found.end.shape[1])
    return min(count, each * max(1, _COLUMNS // each))


def _strips(found: FeatureVisualization) -> mosaics.Mosaic:
    strips = [array_patches.strip(slices(one)) for each in found.pictures for one in each]
    height = max(one.shape[0] for one in strips)
    width = max(one.shape[1] for one in strips)
    tiles = np.full((len(strips), height, width, 3), 255, np.uint8)
    for tile, one in zip(tiles, strips, strict=True):
        tile[: one.shape[0], : one.shape[1]] = one
    columns = max(1, min(len(strips), round((1.2 * len(strips) * height / width) ** 0.5)))
    room = round(0.42 * columns / _ACROSS * (width + 10))
    return mosaics.mosaic(tiles, columns=columns, side=1, gap=6, labels=room)
