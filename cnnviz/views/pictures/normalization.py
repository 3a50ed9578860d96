"""The picture of `normalization`: cubes, maps before and after, and statistics of the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.drawing import Scale
from cnnviz.results.text import number, plural
from cnnviz.views.pictures.board import Board, Box, boards_scale

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from cnnviz.views.normalization import Normalization

_WIDE, _CUBES, _PLOTS = 13.2, 2.35, 2.5
_GAP = 0.12
_HEAD, _FOOT = 0.32, 0.26
_N, _C, _P = 4, 6, 4
"""Images, channels and places of a drawn cube."""
_CELL = 0.2
_DEPTH = (0.095, 0.075)
_BLUE, _PLAIN = "#4f87dd", "#eef1f5"
_LAST = _C - 1


def _in_set(way: str) -> Callable[[int, int, int], bool]:
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
    return rules[way]


def draw(found: Normalization, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the cubes, the maps, and the statistics of every channel."""
    tile = min(1.75, _WIDE / len(found.ways) - _GAP)
    ratio = min(1.3, found.maps.shape[2] / found.maps.shape[3])
    high = _HEAD + len(found.shown) * (tile * ratio + 0.1) + _FOOT
    tall = _CUBES + high + _PLOTS + 0.4
    figure = drawing.canvas(_WIDE, tall, into)
    scale = boards_scale(figure, _WIDE, tall)
    grid: Any = figure.add_gridspec(3, 2, height_ratios=[_CUBES, high, _PLOTS])
    _cubes(Board(figure.add_subplot(grid[0, :]), _WIDE, _CUBES, scale), found)
    _maps(Board(figure.add_subplot(grid[1, :]), _WIDE, high, scale), found, tile, ratio)
    _dots(figure.add_subplot(grid[2, 0]), found, found.means, "mean of each channel")
    _dots(
        figure.add_subplot(grid[2, 1]),
        found,
        found.deviations,
        "standard deviation of each channel",
    )
    own = f" and by its own {found.own}" if found.own else ""
    drawing.heading(figure, f"{found.layer} for {found.images[0]}, normalised in five ways{own}")
    return figure


def _cubes(board: Board, found: Normalization) -> None:
    ways = [way for way in found.ways if way not in ("before", "its own")]
    step = _WIDE / len(ways)
    for place, way in enumerate(ways):
        left, top = place * step + 0.55, 0.95
        board.words(_titled(way), left, 0.06, fontweight="bold", size=drawing.TITLE_SIZE)
        _cube(board.axes, left, top, way)
        low = top + _P * _CELL
        small, quiet = drawing.SMALL_SIZE, drawing.QUIET
        board.words("C", left + _C * _CELL / 2, low + 0.1, size=small, color=quiet, middle=True)
        board.words("H, W", left - 0.26, top + _P * _CELL / 2, size=small, color=quiet, middle=True)
        deep = (left + _C * _CELL + _N * _DEPTH[0] / 2 + 0.13, low - _N * _DEPTH[1] / 2 + 0.1)
        board.words("N", *deep, size=small, color=quiet, middle=True)
        board.words(_said(way, found), left - 0.4, low + 0.24, size=small, color=quiet)


def _titled(way: str) -> str:
    return f"{way} norm" if way != "local response" else "local response"


def _said(way: str, found: Normalization) -> str:
    each, images = found.channels // found.groups, plural(len(found.images), "image")
    return {
        "batch": f"each of {found.channels} channels,\nover {images} and places",
        "layer": f"each image, over {found.channels}\nchannels and places",
        "instance": "each channel of each image,\nover places",
        "group": f"{found.groups} groups of {each} channels\nof each image, over places",
        "local response": "each value, over five\nchannels at its place",
    }[way]


def _cube(axes: Axes, left: float, top: float, way: str) -> None:
    """Draw the front, the upper and the right face of a cube, cell by cell."""
    from matplotlib.collections import PolyCollection

    inside = _in_set(way)
    corners: list[list[tuple[float, float]]] = []
    colours = []
    (dx, dy), cell = _DEPTH, _CELL

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
    for column, way in enumerate(found.ways):
        left = column * (tile + _GAP)
        colour = drawing.WARM if way == "its own" else drawing.INK
        title = f"its own {found.own}" if way == "its own" else way
        board.words(title, left, 0.08, fontweight="bold", color=colour)
        reach = float(found.reach[column])
        scale = Scale(-reach, reach, drawing.SIGNED)
        bottom = _HEAD
        for row in range(len(found.shown)):
            box = Box(left, _HEAD + row * (tile * ratio + 0.1), tile, tile * ratio)
            placed = board.picture(scale.paint(found.maps[column, row]), box, smooth=False)
            bottom = placed.bottom
            if column == 0:
                board.words(
                    f"channel {found.shown[row]}", placed.left + 0.04, placed.top + 0.04,
                    size=drawing.SMALL_SIZE, bbox={"facecolor": "white", "edgecolor": "none",
                    "pad": 1.2},
                )  # fmt: skip
        board.words(
            f"from -{number(reach)} to {number(reach)}", left, bottom + 0.06,
            size=drawing.SMALL_SIZE, color=drawing.QUIET,
        )  # fmt: skip


def _dots(axes: Axes, found: Normalization, values: NDArray[np.float64], title: str) -> None:
    drawing.plain_axes(axes)
    axes.set_title(
        f"{title}, {found.channels} of them", fontsize=drawing.TEXT_SIZE, color=drawing.INK,
        loc="left",
    )  # fmt: skip
    spread = np.linspace(-0.3, 0.3, found.channels) if found.channels > 1 else np.zeros(1)
    for place, way in enumerate(found.ways):
        colour = {"before": drawing.INK, "its own": drawing.WARM}.get(way, drawing.ACCENT)
        axes.scatter(place + spread, values[place], s=7, color=colour, alpha=0.75, linewidths=0)
    for level in (0.0, 1.0):
        axes.axhline(level, color=drawing.FAINT, linewidth=0.7, zorder=0)
    labels = [way.replace("local response", "local\nresponse") for way in found.ways]
    axes.set_xticks(range(len(labels)), labels, fontsize=drawing.SMALL_SIZE)
    axes.set_xlim(-0.6, len(labels) - 0.4)
