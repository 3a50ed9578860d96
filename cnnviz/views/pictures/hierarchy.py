"""The picture of a hierarchy: a row for each stage, its receptive field in the margin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results import drawing, mosaics
from cnnviz.results.text import dimensions, percent, shortened
from cnnviz.views.pictures.top_activations import block, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.hierarchy import Hierarchy
    from cnnviz.views.top_activations import TopActivations

_MARGIN = 2.1
"""Inches of the margin with the receptive field."""
_ACROSS = 12.4
"""Inches of the row of channels."""
_TALLEST = 3.2
_GAP = 26
_ABOVE = 0.5
"""Inches above a row for the labels of its channels."""
_LETTERS = 30


def draw(found: Hierarchy, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw a row for each stage, from the shallowest to the deepest."""
    grids = [_row(one) for one in found.stages]
    heights = [
        min(_TALLEST, _ACROSS * grid.pixels.shape[0] / grid.pixels.shape[1]) for grid in grids
    ]
    # A row with few patches is no wider than its height allows.
    tall = sum(heights) + _ABOVE * len(grids) + 0.7
    figure = drawing.canvas(_MARGIN + _ACROSS, tall, into)
    panels = figure.subplots(
        len(grids),
        2,
        squeeze=False,
        width_ratios=[_MARGIN, _ACROSS],
        height_ratios=[height + _ABOVE for height in heights],
    )
    for place, (stage, grid) in enumerate(zip(found.stages, grids, strict=True)):
        _margin(panels[place][0], found, place)
        _patches(panels[place][1], stage, grid)
    panels[-1][1].set_xlabel(
        "of each channel the left square: what each patch sent back to the pixels; the right one: "
        "the patches, strongest first; above it the channel, and its activations",
        fontsize=drawing.SMALL_SIZE,
        color=drawing.QUIET,
        loc="left",
    )
    drawing.heading(figure, found.summary())
    return figure


def _row(stage: TopActivations) -> mosaics.Mosaic:
    blocks = np.stack([block(stage, row) for row in range(len(stage.shown))])
    return mosaics.mosaic(blocks, columns=len(blocks), side=1, gap=_GAP)


def _patches(axes: Axes, stage: TopActivations, grid: mosaics.Mosaic) -> None:
    drawing.show(axes, grid.pixels, smooth=True)
    axes.set_anchor("NW")
    for row, (left, top) in enumerate(grid.corners):
        axes.text(
            left,
            top,
            label(stage, row),
            fontsize=drawing.SMALL_SIZE,
            color=drawing.INK,
            va="bottom",
        )


def _margin(axes: Axes, found: Hierarchy, place: int) -> None:
    """Draw the receptive field as a square in the input, with its size below."""
    from matplotlib.patches import Rectangle

    stage = found.stages[place]
    height, width = found.input_size
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_aspect("equal")
    axes.set_anchor("N")
    drawing.hide_ticks(axes)
    axes.add_patch(Rectangle((0, 0), width, height, color=drawing.FAINT, alpha=0.5, lw=0))
    rows, columns = found.fields[place].tolist()
    if rows >= 0:
        tall, wide = min(rows, height), min(columns, width)
        corner = ((width - wide) / 2, (height - tall) / 2)
        axes.add_patch(Rectangle(corner, wide, tall, color=drawing.ACCENT, alpha=0.75, lw=0))
    axes.set_title(
        f"{place + 1}. {shortened(stage.layer, _LETTERS)}",
        fontsize=drawing.TEXT_SIZE,
        color=drawing.INK,
        fontweight="bold",
    )
    axes.set_xlabel(
        f"{_field_told(found, place)}\n{len(stage.shown)} of {len(stage.values)} channels",
        fontsize=drawing.SMALL_SIZE,
        color=drawing.QUIET,
    )


def _field_told(found: Hierarchy, place: int) -> str:
    """Say how large the receptive field is, and how much of the input that is."""
    share = found.shares[place]
    if math.isnan(share):
        return f"sees {shortened(found.stages[place].field, _LETTERS)}"
    size = dimensions(found.fields[place].tolist())
    if share >= 1.0:
        return f"sees {size} px: all of the input"
    return f"sees {size} px,\n{percent(share)} of the input"
