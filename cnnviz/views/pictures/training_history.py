"""How the history of a training is drawn: curves above, kernels and units over the epochs below."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.text import layer_said, number, shortened
from cnnviz.views.pictures.kernel_tiles import kernel_tile
from cnnviz.views.pictures.tile_sheet import TileSheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views._training_history_units import UnitHistory
    from cnnviz.views.training_history import TrainingHistory

_GAP, _LABEL, _HEAD, _NUMBER = 10, 16, 18, 34
"""Pixels between two cells, below each, above all of them, and for the number of a row."""
_SMALLEST, _LARGEST = 64, 96
"""Pixels of a cell: the fewer checkpoints, the larger."""
_DOTS = 104.0
_CURVES = 3.1
"""Inches of the curves."""
_WIDE, _LEAST, _APART = 11.6, 2.9, 0.2
"""Inches of the picture at least, of a block with its title, and between two."""
_NAMED = 8
"""The most lines of which each has its name."""
_NAME = 9
"""Letters that fit above a cell."""
_LETTERS = 10.5
"""Letters of a title in an inch."""


def draw(found: TrainingHistory, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the curves, and below them the kernels and the units of each layer."""
    across, cell = _layout(found)
    blocks = _blocks(found, cell)
    wide = max([_WIDE / across, *(sheet.pixels.shape[1] / _DOTS + _APART for _, sheet in blocks)])
    rows = [blocks[start : start + across] for start in range(0, len(blocks), across)]
    heights = [max(sheet.pixels.shape[0] for _, sheet in row) / _DOTS + 0.55 for row in rows]
    title = found.headline()
    width = across * wide
    tall = _CURVES + sum(heights) + drawing.heading_height(title, width) + 0.3
    figure = drawing.canvas(width, tall, into)
    parts = figure.subfigures(1 + len(rows), 1, height_ratios=[_CURVES, *heights], squeeze=False)
    _curves(parts[0, 0], found)
    for part, row in zip(parts[1:, 0], rows, strict=True):
        for axes, (name, sheet) in zip(np.ravel(part.subplots(1, across)), row, strict=False):
            sheet.draw(axes, name, int(_LETTERS * wide))
        for axes in part.axes[len(row) :]:
            axes.set_axis_off()
    drawing.heading(figure, title)
    return figure


def _layout(found: TrainingHistory) -> tuple[int, int]:
    """Return how many blocks stand side by side, and the pixels of a cell."""
    epochs, count = len(found.epochs), len(found.units) + bool(found.kernel_layer)
    least = max(_LEAST, (_NUMBER + epochs * (_SMALLEST + _GAP)) / _DOTS + _APART)
    most = max(2, min(count, int(_WIDE / least)))
    across = math.ceil(count / max(1, math.ceil(count / most))) or 1
    room = (_WIDE / across - _APART) * _DOTS - _NUMBER
    return across, int(min(_LARGEST, max(_SMALLEST, room / epochs - _GAP)))


def _curves(part: drawing.Canvas, found: TrainingHistory) -> None:
    # Of one photo there is neither a similarity over images nor a share of right answers.
    if len(found.batch_sizes) or found.labelled:
        panels = list(part.subplots(1, 2))
        _similarity(panels[0], found)
    else:
        panels = [part.subplots()]
    right = panels[-1]
    _lines(right, found, found.weighted, found.changes)
    _settled(right, found.near, f"settled: {found.near:.0%} or less")
    right.set_ylim(bottom=0.0)
    _name(right, "distance of the weights from the last", len(found.weighted))
    for axes in panels:
        axes.set_xticks(
            np.arange(len(found.epochs)), [shortened(one, _NAME) for one in found.labels]
        )
        axes.set_xlabel(found.unit, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)


def _settled(axes: Axes, level: float, label: str) -> None:
    axes.axhline(level, color=drawing.QUIET, linewidth=0.8, linestyle=":", label=label)


def _similarity(left: Axes, found: TrainingHistory) -> None:
    if len(found.batch_sizes):
        _lines(left, found, found.layers, found.cka)
        _settled(left, found.alike, f"settled: {found.alike:g} or more")
    if found.labelled:
        left.plot(
            np.arange(len(found.epochs)), found.accuracies, color=drawing.QUIET, linestyle="--",
            linewidth=1.2, label="right answers",
        )  # fmt: skip
    _name(left, "CKA with the last checkpoint", len(found.layers))
    if not len(found.batch_sizes):
        left.text(
            0.5, 0.5, "no CKA: too few images", transform=left.transAxes, ha="center",
            fontsize=drawing.TEXT_SIZE, color=drawing.QUIET,
        )  # fmt: skip
    left.set_ylim(min(0.0, float(np.nanmin(found.cka, initial=0.0))), 1.03)


def _lines(
    axes: Axes, found: TrainingHistory, layers: Sequence[str], values: NDArray[np.float64]
) -> None:
    """Draw a line for each layer, the deeper the lighter."""
    shades = drawing.palette(drawing.SEQUENTIAL)[np.linspace(0, 215, len(layers)).astype(int)]
    ends = (0, len(layers) - 1)
    for place, (name, row, shade) in enumerate(zip(layers, values, shades, strict=True)):
        named = len(layers) <= _NAMED or place in ends
        axes.plot(
            np.arange(len(found.epochs)), row, color=shade / 255.0, linewidth=1.4, marker="o",
            markersize=3.0, label=shortened(name, 26) if named else None,
        )  # fmt: skip


def _name(axes: Axes, label: str, lines: int) -> None:
    drawing.plain_axes(axes)
    axes.set_ylabel(
        "\n".join(textwrap.wrap(label, 26)), fontsize=drawing.SMALL_SIZE, color=drawing.QUIET
    )
    if not axes.get_legend_handles_labels()[0]:
        return
    between = "" if lines <= _NAMED else f"{lines} layers, the deeper the lighter"
    legend = axes.legend(
        fontsize=drawing.SMALL_SIZE, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.02),
        title=between or "layer", title_fontsize=drawing.SMALL_SIZE, alignment="left",
        labelcolor=drawing.INK,
    )  # fmt: skip
    legend.get_title().set_color(drawing.QUIET)


def _blocks(found: TrainingHistory, cell: int) -> list[tuple[str, TileSheet]]:
    """Return the kernels and the units of each layer, with what stands above each."""
    blocks = []
    if found.kernel_layer:
        count = found.kernels.shape[1]
        name = f"{layer_said(found.kernel_layer)}:\n{len(found.shown_kernels)} of {count} kernels"
        blocks.append((name, _kernels(found, cell)))
    for one in found.units:
        what = "feature maps" if not found.rule else "strongest value, sent back"
        blocks.append((f"{layer_said(one.layer)}:\n{what}", _units(found, one, cell)))
    return blocks


def _kernels(found: TrainingHistory, side: int) -> TileSheet:
    def tile(row: int, column: int) -> drawing.Pixels:
        return kernel_tile(found.kernels[column, found.shown_kernels[row]])

    sheet, corners = _grid(found, found.shown_kernels, side)
    for (row, column), (left, top) in corners.items():
        sheet.put(tile(row, column), left, top, side)
    return sheet


def _units(found: TrainingHistory, one: UnitHistory, side: int) -> TileSheet:
    signed = not found.rule and bool((one.cells < 0).any())
    sheet, corners = _grid(found, one.channels, side)
    for (row, column), (left, top) in corners.items():
        cell = one.cells[row, column]
        sheet.put(cell if found.rule else _painted(cell, signed=signed), left, top, side)
        sheet.say(left, top + side + 2, _value_told(float(one.activations[row, column])))
    return sheet


def _painted(values: NDArray[np.float32], *, signed: bool) -> drawing.Pixels:
    scale = drawing.Scale.of(values)
    if signed and not scale.constant:
        scale = drawing.Scale.signed(values)
    return scale.paint(values)


def _grid(
    found: TrainingHistory, rows: Sequence[int], side: int
) -> tuple[TileSheet, dict[tuple[int, int], tuple[int, int]]]:
    """Return an empty block with its numbers, and where each cell belongs."""
    down, across = side + _LABEL + _GAP // 2, side + _GAP
    sheet = TileSheet(_HEAD + len(rows) * down, _NUMBER + len(found.epochs) * across)
    for column, label in enumerate(found.labels):
        middle = _NUMBER + column * across + side / 2
        sheet.say(middle, 0, shortened(label, _NAME), strong=True, across="center")
    corners = {}
    for row, channel in enumerate(rows):
        top = _HEAD + row * down
        sheet.say(_NUMBER - 6, top + side / 2 - 8, str(channel), across="right")
        for column in range(len(found.epochs)):
            corners[row, column] = (_NUMBER + column * across, top)
    return sheet, corners


def _value_told(value: float) -> str:
    """Return what stands below a cell; nothing of a unit that is not active."""
    return number(value) if np.isfinite(value) and value > 0.0 else ""
