"""The picture of `normalization`: cubes, maps before and after, and statistics of the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.drawing import Scale
from cnnviz.results.text import layer_said, number, plural
from cnnviz.views.pictures.board import Board, Box, boards_scale

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from cnnviz.views.normalization import Normalization

_MAPS, _PLOTS, _CUBES = 9.0, 4.2, 1.75
"""Inches of maps and plots across, and of cubes down."""
_GAP = 0.12
_HEAD, _FOOT = 0.32, 0.26
_WIDE_RANGE = 20.0
"""Values beyond this would leave those around one in a single line of a linear axis."""
_N, _C, _P = 4, 6, 4
"""Images, channels and places of a drawn cube."""
_CELL, _LETTERS = 0.14, 0.38
"""Inches of a cell at most, and of the letters beside a cube."""
_DEPTH = (0.47, 0.37)
"""What the cell of an image goes to the right and up, in cells."""
_BLUE, _PLAIN = "#4f87dd", "#eef1f5"
_LAST = _C - 1
_LINEAR = 1.0
"""Up to this size the axis of statistics is linear, where it is logarithmic beyond."""


def _in_set(method: str) -> Callable[[int, int, int], bool]:
    """Return whether a cell (image, channel, place) is normalised with the one that is looked at.

    That is the first image, the last channel and the uppermost place.
    """
    rules: dict[str, Callable[[int, int, int], bool]] = {
        "batch": lambda n, c, p: c == _LAST,
        "layer": lambda n, c, p: n == 0,
        "instance": lambda n, c, p: n == 0 and c == _LAST,
        "group": lambda n, c, p: n == 0 and c >= _C // 2,
        "local response": lambda n, c, p: n == 0 and p == 0 and c >= _LAST - 2,
    }
    return rules[method]


def draw(found: Normalization, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the cubes, the maps, and the statistics of every channel."""
    step = _MAPS / max(6, len(found.methods))
    tile, ratio = step - _GAP, min(1.3, found.maps.shape[2] / found.maps.shape[3])
    high = _CUBES + _HEAD + len(found.shown) * (tile * ratio + 0.1) + _FOOT
    tall, wide = high + 0.4, _MAPS + _PLOTS
    figure = drawing.canvas(wide, tall, into)
    scale = boards_scale(figure, wide, tall)
    grid: Any = figure.add_gridspec(2, 2, width_ratios=[_MAPS, _PLOTS])
    board = Board(figure.add_subplot(grid[:, 0]), _MAPS, high, scale)
    _cubes(board, found, step)
    _maps(board, found, tile, ratio)
    _dots(figure.add_subplot(grid[0, 1]), found, found.means, "mean", 0.0)
    _dots(figure.add_subplot(grid[1, 1]), found, found.deviations, "standard deviation", 1.0)
    own = f" and by its own {found.own_layer}" if found.own else ""
    where = f"{layer_said(found.layer)} for {found.images[0]}"
    drawing.heading(figure, f"{where}, normalised by five methods{own}")
    return figure


def _cubes(board: Board, found: Normalization, step: float) -> None:
    """Draw above the maps of each method what it normalises together."""
    small, quiet = drawing.SMALL_SIZE, drawing.QUIET
    cell = min(_CELL, (step - _LETTERS) / (_C + _N * _DEPTH[0]))
    dx, dy = _DEPTH[0] * cell, _DEPTH[1] * cell
    board.words("what is\nnormalised\ntogether\nis blue", 0.0, 0.3, size=small, color=quiet)
    for place, method in enumerate(found.methods):
        if method in ("before", "its own"):
            continue
        left, top = place * step + 0.02, 0.32
        _cube(board.axes, left, top, cell, method)
        low, right = top + _P * cell, left + _C * cell
        board.words("C", left + _C * cell / 2, low + 0.1, size=small, color=quiet, middle=True)
        across = right + _N * dx + 0.06
        middle = top - _N * dy + _P * cell / 2
        board.words("H, W", across, middle - 0.06, size=small - 1, color=quiet)
        deep = (right + _N * dx / 2 + 0.12, low - _N * dy / 2 + 0.09)
        board.words("N", *deep, size=small, color=quiet, middle=True)
        board.words(_said(method, found), left, low + 0.22, size=small, color=quiet)


def _said(method: str, found: Normalization) -> str:
    each, images = found.channels // found.groups, plural(len(found.images), "image")
    alone = len(found.images) == 1
    return {
        "batch": f"each of {found.channels} channels\nover {images}"
        + (":\nhere as instance" if alone else "\nand all places"),
        "layer": f"each image\nover {found.channels} channels\nand all places",
        "instance": "each channel\nof each image"
        + (":\nhere as batch" if alone else "\nover all places"),
        "group": f"{found.groups} groups of {each}\nchannels of each\nimage, over places",
        "local response": "each value\nover five channels\nat its place",
    }[method]


def _cube(axes: Axes, left: float, top: float, cell: float, method: str) -> None:
    """Draw the front, the upper and the right face of a cube, cell by cell."""
    from matplotlib.collections import PolyCollection

    inside = _in_set(method)
    corners: list[list[tuple[float, float]]] = []
    colours = []
    dx, dy = _DEPTH[0] * cell, _DEPTH[1] * cell

    def add(points: list[tuple[float, float]], chosen: bool) -> None:
        corners.append([(left + x, top + y) for x, y in points])
        colours.append(_BLUE if chosen else _PLAIN)

    for c in range(_C):
        for p in range(_P):
            x, y = c * cell, p * cell
            add([(x, y), (x + cell, y), (x + cell, y + cell), (x, y + cell)], inside(0, c, p))
    for n in range(_N):
        near, far = (n * dx, -n * dy), ((n + 1) * dx, -(n + 1) * dy)
        for c in range(_C):
            x = c * cell
            face = [(x + near[0], near[1]), (x + cell + near[0], near[1])]
            add([*face, (x + cell + far[0], far[1]), (x + far[0], far[1])], inside(n, c, 0))
        x = _C * cell
        for p in range(_P):
            y = p * cell
            face = [(x + near[0], y + near[1]), (x + far[0], y + far[1])]
            lower = [(x + far[0], y + cell + far[1]), (x + near[0], y + cell + near[1])]
            add([*face, *lower], inside(n, _LAST, p))
    drawn = PolyCollection(corners, facecolors=colours, edgecolors="white", linewidths=0.7)
    axes.add_collection(drawn, autolim=False)


def _maps(board: Board, found: Normalization, tile: float, ratio: float) -> None:
    for column, method in enumerate(found.methods):
        left = column * (tile + _GAP)
        colour = drawing.WARM if method == "its own" else drawing.INK
        title = f"its own {found.own}" if method == "its own" else method
        board.words(title, left, _CUBES + 0.08, fontweight="bold", color=colour)
        reach = float(found.reach[column])
        scale = Scale(-reach, reach, drawing.SIGNED)
        bottom = _CUBES + _HEAD
        for row in range(len(found.shown)):
            box = Box(left, _CUBES + _HEAD + row * (tile * ratio + 0.1), tile, tile * ratio)
            placed = board.picture(scale.paint(found.maps[column, row]), box, smooth=False)
            bottom = placed.bottom
            if column == 0:
                board.words(
                    f"channel {found.shown[row]}", placed.left + 0.04, placed.top + 0.04,
                    size=drawing.SMALL_SIZE, bbox={"facecolor": "white", "edgecolor": "none",
                    "pad": 1.2},
                )  # fmt: skip
        board.words(
            f"±{number(reach)}", left, bottom + 0.06,
            size=drawing.SMALL_SIZE, color=drawing.QUIET,
        )  # fmt: skip


def _dots(
    axes: Axes, found: Normalization, values: NDArray[np.float64], title: str, level: float
) -> None:
    """Draw a statistic of every channel as a dot; where they go far, on a logarithmic axis."""
    drawing.plain_axes(axes)
    far = bool(np.abs(values).max() > _WIDE_RANGE)
    scale = f" (log scale beyond {_LINEAR:g})" if far else ""
    axes.set_title(
        f"{title} of {plural(found.channels, 'channel')}{scale}", fontsize=drawing.TEXT_SIZE,
        color=drawing.INK, loc="left",
    )  # fmt: skip
    if far:
        axes.set_yscale("symlog", linthresh=_LINEAR)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    spread = np.linspace(-0.3, 0.3, found.channels) if found.channels > 1 else np.zeros(1)
    for place, method in enumerate(found.methods):
        colour = {"before": drawing.INK, "its own": drawing.WARM}.get(method, drawing.ACCENT)
        axes.scatter(place + spread, values[place], s=7, color=colour, alpha=0.75, linewidths=0)
    axes.axhline(level, color=drawing.FAINT, linewidth=0.9, zorder=0)
    labels = [method.replace(" ", "\n") for method in found.methods]
    axes.set_xticks(range(len(labels)), labels, fontsize=drawing.SMALL_SIZE)
    axes.set_xlim(-0.6, len(labels) - 0.4)
