"""The picture of `pooling`: the map and what is left of it, numbers, and curves over the shift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.drawing import Pixels, Scale
from cnnviz.results.text import layer_said, minus, number, three_digits
from cnnviz.views.pictures.board import Board, Box, boards_scale, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.pooling import Pooling

_WIDE, _MAPS, _NUMBERS, _CURVES = 13.2, 2.45, 2.6, 2.0
_TILE, _GAP = 1.98, 0.26
_TITLES = {"max": "max", "average": "average", "sum": "sum", "l2": "L2"}
_COLOURS = (drawing.INK, drawing.WARM, drawing.ACCENT, "#2f8f4e", "#7d55c7", "#b8860b")
_DASHES: tuple[Any, ...] = ("-", "-", "-", "-", (0, (4, 2)), (0, (1.5, 1.5)))
_SWITCH = (255, 120, 30)


def draw(found: Pooling, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the map, what is left of it, numbers, and curves over the shift."""
    tall = _MAPS + _NUMBERS + _CURVES + 0.4
    figure = drawing.canvas(_WIDE, tall, into)
    scale = boards_scale(figure, _WIDE, tall)
    grid: Any = figure.add_gridspec(
        3, 2, height_ratios=[_MAPS, _NUMBERS, _CURVES], width_ratios=[1.25, 1.0]
    )
    _maps(Board(figure.add_subplot(grid[0, :]), _WIDE, _MAPS, scale), found)
    _numbers(Board(figure.add_subplot(grid[1, :]), _WIDE, _NUMBERS, scale), found)
    _curves(figure.add_subplot(grid[2, 0]), found)
    _sizes(figure.add_subplot(grid[2, 1]), found)
    drawing.heading(
        figure,
        f"Pooling of channel {found.channel} of {layer_said(found.layer)} for {found.image}: "
        "windows of "
        f"{found.size} x {found.size}, {found.stride} apart",
    )
    return figure


def _scale(found: Pooling) -> Scale:
    return _span(found.map)


def _span(values: NDArray[Any]) -> Scale:
    return Scale.signed(values) if float(values.min()) < 0.0 else Scale(0.0, float(values.max()))


def _maps(board: Board, found: Pooling) -> None:
    height, width = found.map.shape
    scale = _scale(found)
    count = 2 + len(found.methods)
    boxes = [Box(place * (_TILE + _GAP), 0.28, _TILE, _TILE) for place in range(count)]
    _title(board, boxes[0], f"the map, {height} x {width}")
    place = board.picture(scale.paint(found.map), boxes[0], smooth=False)
    _ends(board, place, scale)
    (row, column), (down, across) = found.detail_at, found.detail.shape
    board.frame(place.part((row, row + down), (column, column + across), (height, width)))
    _title(board, boxes[1], "switches")
    place = board.picture(_switched(found, scale), boxes[1], smooth=False)
    _below(board, place, "the places of the maxima")
    for box, method, values in zip(boxes[2:], found.methods, found.pooled, strict=True):
        size = f"{values.shape[0]} x {values.shape[1]}"
        _title(board, box, f"{_TITLES[method]}, {size}")
        scale = _span(values)
        _ends(board, board.picture(scale.paint(values), box, smooth=False), scale)


def _ends(board: Board, place: Box, scale: Scale) -> None:
    """Write below a picture where its colours end."""
    _below(board, place, f"from {number(scale.low)} to {number(scale.high)}")


def _below(board: Board, place: Box, text: str) -> None:
    board.words(text, place.left, place.bottom + 0.05, size=drawing.SMALL_SIZE, color=drawing.QUIET)


def _switched(found: Pooling, scale: Scale) -> Pixels:
    """Return the map, faded, with the places of the maxima."""
    pixels = (0.4 * scale.paint(found.map) + 0.6 * 255.0).astype(np.uint8)
    rows, columns = found.switches.reshape(-1, 2).T
    pixels[rows, columns] = _SWITCH
    # Grown, so that single pixels are not lost when the picture is made smaller.
    return np.asarray(cv2.resize(pixels, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST))


def _numbers(board: Board, found: Pooling) -> None:
    """Draw a part of the map in numbers, and what each operation makes of it."""
    scale = _scale(found)
    side = _NUMBERS - 0.4
    _title(board, Box(0.0, 0.3, side, side), "in the frame, rounded")
    box = Box(0.0, 0.3, side, side)
    drawn = board.matrix(scale.paint(found.detail), box, written(found.detail, _short)).box
    shape = (found.detail.shape[0], found.detail.shape[1])
    (top, left), size, stride = found.detail_at, found.size, found.stride
    rows, columns = found.detail_pooled.shape[1:]
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        part = drawn.part(
            (row * stride, row * stride + size), (column * stride, column * stride + size), shape
        )
        board.frame(part, drawing.INK, 1.1)
        at = found.switches[top // stride + row, left // stride + column] - (top, left)
        cell = drawn.part((at[0], at[0] + 1), (at[1], at[1] + 1), shape)
        board.frame(cell, drawing.WARM, 2.2, zorder=5)
    board.words("→", side + 0.28, 0.3 + side / 2, size=16, middle=True)
    room = 2.0
    for place, method in enumerate(found.methods):
        values = found.detail_pooled[place]
        at_left = Box(side + 0.6 + place * (room + 0.35), 0.3, room, side)
        _title(board, at_left, _TITLES[method])
        board.matrix(_span(found.pooled[place]).paint(values), at_left, written(values, _short))


def _short(value: float) -> str:
    size = abs(value)
    if size >= 99.5 or value == 0.0:
        return minus(f"{value:.0f}")
    return minus(f"{value:.1f}" if size >= 9.95 else f"{value:.2f}")


def _curves(axes: Axes, found: Pooling) -> None:
    drawing.plain_axes(axes)
    for place, operation in enumerate(found.operations):
        axes.plot(
            found.shifts, found.similarity[place], "o", linestyle=_DASHES[place],
            color=_COLOURS[place], markersize=3.2, linewidth=1.5,
            label=_TITLES.get(operation, operation),
        )  # fmt: skip
    axes.set_xticks(found.shifts)
    axes.axhline(0.0, color=drawing.FAINT, linewidth=0.8, zorder=0)
    known = found.similarity[np.isfinite(found.similarity)]
    axes.set_ylim(min([0.0, *known]) - 0.02, 1.04)
    axes.set_xlabel(
        "shift of the map, in its values", fontsize=drawing.SMALL_SIZE, color=drawing.INK
    )
    axes.set_ylabel("correlation", fontsize=drawing.SMALL_SIZE, color=drawing.INK)
    axes.set_title(
        "what a shift leaves (1: the same, 0: nothing in common), over all "
        f"{found.channels} channels",
        fontsize=drawing.TEXT_SIZE, color=drawing.INK, loc="left",
    )  # fmt: skip
    axes.legend(fontsize=drawing.SMALL_SIZE, frameon=False, loc="lower left")
    if not known.size:
        axes.text(0.5, 0.5, "the maps are constant", transform=axes.transAxes, ha="center")


def _sizes(axes: Axes, found: Pooling) -> None:
    """Write what each operation leaves, and how far its values see."""
    drawing.hide_ticks(axes)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(len(found.operations) + 0.5, -1.0)
    columns = (0.03, 0.42, 0.64, 0.84)
    after = f"left by a shift by {found.shifts[1]}"
    heads = ("operation", "output", "receptive field", after)
    for left, text in zip(columns, heads, strict=True):
        axes.text(left, -0.6, text, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    for place, operation in enumerate(found.operations):
        cells = (
            _TITLES.get(operation, operation),
            " x ".join(map(str, found.output_sizes[place])),
            f"{found.receptive_fields[place]} x {found.receptive_fields[place]}",
            _correlation(float(found.similarity[place, 1])),
        )
        for left, text in zip(columns, cells, strict=True):
            colour = _COLOURS[place] if left == columns[0] else drawing.INK
            axes.text(left, place + 0.3, text, fontsize=drawing.TEXT_SIZE, color=colour)


def _correlation(value: float) -> str:
    return three_digits(value) if np.isfinite(value) else "not measured"


def _title(board: Board, box: Box, text: str) -> None:
    board.words(text, box.left, box.top - 0.24, fontweight="bold")
