"""Draws the arithmetic of a network's layers: a row for each, with its formulas."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from cnnviz.course.layer_arithmetic import LayerArithmetic
from cnnviz.introspection.tracing.trace import costs_text
from cnnviz.results import drawing
from cnnviz.results.text import dimensions, short, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.architecture import Architecture

_WIDTH, _PAGE = 13.33, 7.5
_HEAD, _LINE, _GAP, _FOOT = 0.85, 0.155, 0.1, 0.1
_BAND = "#f4f6f9"
_COLUMNS = (
    ("layer", 0.1, 24),
    ("kind", 1.95, 11),
    ("output", 2.72, 15),
    ("output size", 3.82, 50),
    ("parameters", 7.0, 31),
    ("MACs", 9.2, 35),
    ("receptive field", 11.45, 27),
)
"""Each column's title, its left edge in inches, and how many letters of it fit in a line."""

_SIZE = 3
_NO_PARAMETERS, _NO_COST = "none", "none counted"

Lines = tuple[list[str], ...]


def rows(layers: Sequence[LayerArithmetic]) -> list[Lines]:
    """Return the lines of each column, for each layer; those that change nothing share one row."""
    found = []
    for plain, run in groupby(layers, lambda layer: layer.plain):
        if plain:
            found.append(_unchanged(list(run)))
        else:
            found += [_explained(layer) for layer in run]
    return found


def _explained(layer: LayerArithmetic) -> Lines:
    texts = (
        layer.kind,
        dimensions(layer.output_shape),
        layer.size,
        layer.parameters or _NO_PARAMETERS,
        layer.macs or _NO_COST,
        layer.field,
    )
    wrapped = (
        textwrap.wrap(text, most) for text, (_, _, most) in zip(texts, _COLUMNS[1:], strict=True)
    )
    lines = (_named(layer.layer), *wrapped)
    if layer.left_over:
        lines[_SIZE].extend(textwrap.wrap(layer.left_over, _COLUMNS[_SIZE][2]))
    return lines


def _unchanged(layers: Sequence[LayerArithmetic]) -> Lines:
    named, kinds = list[str](), list[str]()
    for layer in layers:
        lines = _named(layer.layer)
        named += lines
        kinds += [layer.kind, ""][: len(lines)]
    output = [dimensions(layers[-1].output_shape)]
    return (named, kinds, output, ["unchanged: element by element"], [], [], [])


def _named(layer: str) -> list[str]:
    """Return a name on one line, or on two: of layers that end alike the middle tells which."""
    most = _COLUMNS[0][2]
    above, dot, below = layer.rpartition(".")
    lines = [layer] if len(layer) <= most or not dot else [above + dot, below]
    return [shortened(line, most) for line in lines]


def _height(row: Lines) -> float:
    return _LINE * max(map(len, row)) + _GAP


def pages(layers: Sequence[LayerArithmetic], tallest: float) -> list[tuple[int, int]]:
    """Return which rows are on each page, for pages of 16:9 or less high."""
    room = min(tallest, _PAGE) - _HEAD - _FOOT
    found, start, used = [], 0, 0.0
    heights = [_height(row) for row in rows(layers)]
    for place, height in enumerate(heights):
        if used + height > room and place > start:
            found.append((start, place))
            start, used = place, 0.0
        used += height
    return [*found, (start, len(heights))]


def draw(result: Architecture, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Return the picture of some of the rows, or of all."""
    from matplotlib.figure import Figure

    everything = rows(result.arithmetic)
    first, last = result.part or (0, len(everything))
    shown = everything[first:last]
    height = _HEAD + sum(map(_height, shown)) + _FOOT
    figure = drawing.canvas(_WIDTH, height, into)
    if isinstance(figure, Figure):
        figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(height, 0)
    drawing.hide_ticks(axes)
    _draw_head(axes, result, (first, last), len(everything))
    top = _HEAD
    for place, row in enumerate(shown):
        below = top + _height(row)
        if place % 2 == 0:
            axes.axhspan(top, below, color=_BAND, linewidth=0, zorder=0)
        _draw_row(axes, row, top + _GAP / 2)
        top = below
    return figure


def _draw_head(axes: Axes, result: Architecture, part: tuple[int, int], count: int) -> None:
    trace = result.trace
    facts = (
        f"{trace.counted}  ·  {short(trace.parameters)} parameters  ·  "
        f"{costs_text(trace, short)} MACs  ·  one {trace.space.noun} of "
        f"{trace.space.size(trace.input_shape[2:])}"
    )
    if part != (0, count):
        facts += f"  ·  rows {part[0] + 1} to {part[1]} of {count}"
    axes.text(
        0.1,
        0.1,
        f"The arithmetic of {result.name}",
        fontsize=drawing.TITLE_SIZE + 2,
        color=drawing.INK,
        fontweight="bold",
        va="top",
    )
    axes.text(0.1, 0.37, facts, fontsize=drawing.TEXT_SIZE, color=drawing.QUIET, va="top")
    for name, left, _ in _COLUMNS:
        axes.text(
            left,
            _HEAD - 0.05,
            f"{name}, {trace.space.unit}" if name == "receptive field" else name,
            fontsize=drawing.TEXT_SIZE,
            color=drawing.INK,
            fontweight="bold",
            va="bottom",
        )


def _draw_row(axes: Axes, row: Lines, top: float) -> None:
    for column, (lines, (_, left, _)) in enumerate(zip(row, _COLUMNS, strict=True)):
        for place, line in enumerate(lines):
            quiet = column == 1 or line in (_NO_PARAMETERS, _NO_COST)
            axes.text(
                left,
                top + (place + 0.5) * _LINE,
                line,
                fontsize=8.0,
                color=drawing.QUIET if quiet else drawing.INK,
                fontweight="bold" if column == 0 else "normal",
                va="center",
            )
