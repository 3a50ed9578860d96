"""The picture of a hierarchy: a row for each stage, its receptive field in the margin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.results import drawing, mosaics
from cnnviz.results.text import dimensions, layer_said, percent, shortened
from cnnviz.views.pictures.top_activations import ABOVE, block, label, sends_one_back

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.hierarchy import Hierarchy
    from cnnviz.views.top_activations import TopActivations

_MARGIN, _SQUARE = 2.1, 0.6
"""Inches of the margin, and of the receptive field in it."""
_ACROSS = 12.4
"""Inches of the row of channels."""
_TALLEST = 3.2
_GAP = 26
_ABOVE = 0.5
"""Inches above a row for the labels of its channels."""
_LETTERS = 30
_LEAST = 0.9
"""The share of its own width below which the picture is laid out anew."""
_SLIDE, _FLAT = 9.0, 1.4
"""Inches of a slide at least, and how much wider than high it is: there rows lack height."""
_FIELD, _LETTER = 0.75, 0.06
"""Inches of a receptive field in a column, and of a letter above a channel."""


def draw(found: Hierarchy, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw a row for each stage, from the shallowest to the deepest."""
    if into is not None and _is_column(into):
        return _in_a_column(found, into)
    grids = [_row(one) for one in found.stages]
    heights = [
        min(_TALLEST, _ACROSS * grid.pixels.shape[0] / grid.pixels.shape[1]) for grid in grids
    ]
    # A row with few patches is no wider than its height allows.
    tall = sum(heights) + _ABOVE * len(grids) + 0.7
    figure = drawing.canvas(_MARGIN + _ACROSS, tall, into)
    panels = figure.subplots(
        len(grids),
        3,
        squeeze=False,
        width_ratios=[_SQUARE, _MARGIN - _SQUARE, _ACROSS],
        height_ratios=[height + _ABOVE for height in heights],
    )
    for place, (stage, grid) in enumerate(zip(found.stages, grids, strict=True)):
        _margin(panels[place][0], found, place, panels[place][1])
        _patches(panels[place][2], stage, grid)
    across = drawing.width_of(figure) * _ACROSS / (_MARGIN + _ACROSS)
    _say_below(panels[-1][2], drawing.wrapped(_key(found), across))
    drawing.heading(figure, found.summary())
    return figure


def _is_column(canvas: drawing.Canvas) -> bool:
    """Return whether fields stand above the rows: beside them they would take too much width."""
    wide = drawing.width_of(canvas)
    if wide < _SLIDE:
        return True
    flat = bool(canvas.bbox.width > _FLAT * canvas.bbox.height)
    return not flat and wide < _LEAST * (_MARGIN + _ACROSS)


def _in_a_column(found: Hierarchy, figure: drawing.Canvas) -> drawing.Canvas:
    """Draw the receptive field of a stage beside its name, and its channels below these."""
    across = drawing.width_of(figure) - 0.3
    letters = max(
        len(label(stage, row)) for stage in found.stages for row in range(len(stage.shown))
    )
    most = max(1, int(across / (_LETTER * (letters + 2))))
    grids = [_row(one, most, across) for one in found.stages]
    heights = []
    for grid in grids:
        height, width = grid.pixels.shape[:2]
        heights += [_FIELD, across * height / width + 0.3]
    key = drawing.wrapped(_key(found), across)
    heights[-1] += 0.16 * (key.count("\n") + 1)
    parts = figure.subfigures(2 * len(grids), 1, height_ratios=heights, squeeze=False)[:, 0]
    for place, (stage, grid) in enumerate(zip(found.stages, grids, strict=True)):
        field, told = parts[2 * place].subplots(1, 2, width_ratios=[_FIELD, across - _FIELD])
        _margin(field, found, place, told, across - _FIELD)
        _patches(parts[2 * place + 1].add_subplot(), stage, grid)
    _say_below(parts[-1].axes[0], key)
    drawing.ask_for_height(figure, sum(heights) + 0.8)
    drawing.heading(figure, found.summary())
    return figure


def _key(found: Hierarchy) -> str:
    """Say what the two squares of a channel are, and the bars below its patches."""
    once = ", once where that is the same for all"
    alike = any(sends_one_back(one, row) for one in found.stages for row in range(len(one.shown)))
    return (
        "of each channel the left square: what each patch sent back to the pixels"
        f"{once if alike else ''}; the right one: the patches, strongest first, over bars as long "
        "as their activations; above it the channel, its strongest activation and the last"
    )


def _say_below(axes: Axes, words: str) -> None:
    axes.set_xlabel(words, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left")


def _row(stage: TopActivations, most: int = 0, across: float = 1.0) -> mosaics.Mosaic:
    """Return the channels of a stage in one row, or with at most so many over so many inches."""
    blocks = np.stack([block(stage, row) for row in range(len(stage.shown))])
    rows = -(-len(blocks) // most) if most else 1
    columns = -(-len(blocks) // rows)
    header = round(ABOVE / across * columns * blocks.shape[2]) if rows > 1 else 0
    return mosaics.mosaic(blocks, columns=columns, side=1, gap=_GAP, header=header)


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


def _margin(axes: Axes, found: Hierarchy, place: int, told: Axes, room: float = 0.0) -> None:
    """Draw the receptive field as a square in the input, with its size beside it in `told`.

    With `room`, in inches, the name stands there, too, and there are fewer lines.
    """
    from matplotlib.patches import Rectangle

    stage = found.stages[place]
    height, width = found.input_size
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_aspect("equal")
    axes.set_anchor("NW")
    drawing.hide_ticks(axes)
    drawing.hide_ticks(told)
    axes.add_patch(Rectangle((0, 0), width, height, color=drawing.FAINT, alpha=0.5, lw=0))
    rows, columns = found.fields[place].tolist()
    if rows >= 0:
        tall, wide = min(rows, height), min(columns, width)
        corner = ((width - wide) / 2, (height - tall) / 2)
        axes.add_patch(Rectangle(corner, wide, tall, color=drawing.ACCENT, alpha=0.75, lw=0))
    name = f"{place + 1}. {shortened(layer_said(stage.layer), _LETTERS)}"
    said = f"{_field_told(found, place)}\n{len(stage.shown)} of {len(stage.values)} channels"
    strong: dict[str, Any] = {
        "fontsize": drawing.TEXT_SIZE, "color": drawing.INK, "fontweight": "bold"
    }  # fmt: skip
    quiet: dict[str, Any] = {"fontsize": drawing.SMALL_SIZE, "color": drawing.QUIET}
    if not room:
        axes.set_title(name, loc="left", **strong)
        told.text(0.0, 1.0, said, va="top", **quiet)
        return
    told.text(0.0, 1.0, name, va="top", **strong)
    said = drawing.wrapped(said.replace(",\n", ", ").replace(":\n", ": ").replace("\n", "; "), room)
    # Below the name, however flat a canvas makes the row.
    down = -1.4 * drawing.TEXT_SIZE / drawing.SMALL_SIZE
    below: dict[str, Any] = {"xytext": (0.0, down), "textcoords": "offset fontsize"}
    told.annotate(said, (0.0, 1.0), xycoords="axes fraction", va="top", **below, **quiet)


def _field_told(found: Hierarchy, place: int) -> str:
    """Say how large the receptive field is, and how much of the input that is."""
    share = found.shares[place]
    if math.isnan(share):
        return f"sees {shortened(found.stages[place].field, _LETTERS)}"
    size = dimensions(found.fields[place].tolist())
    if share >= 1.0:
        return f"sees {size} px:\nall of the input"
    return f"sees {size} px,\n{percent(share)} of the input"
