"""The picture of `pixels`: channels and matrices in three rows, with plots beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.aligned_numbers import with_spread
from cnnviz.results.known_mean import mean_of_known
from cnnviz.views.pictures.board import Board, Box, boards_scale, cells_with_numbers, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.pixels import Pixels

_TILE, _GAP, _HEAD = 2.62, 0.16, 0.3
_PLOTS = 3.7
_TITLE = 0.64
"""The room for the title, and at the edges: with less, numbers of a lower board run together."""
_LEAST = 0.72
"""The least height of the first row over its width, beside which a plot can be read."""
_MOST = 4
"""Channels of a network's input at most that are drawn; it says so where there are more."""
_READ = 8.0
"""Points of the numbers in cells at least: with more cells, those in the middle are drawn."""
_LINE = 0.09
"""The height of a line of a histogram's legend, as a share of that of the panel."""
_FULL = {"red": (255, 92, 80), "green": (98, 222, 98), "blue": (98, 146, 255)}
_LINES = {"red": "#d6403a", "green": "#2f8f4e", "blue": "#2a6fdb", "grey": drawing.INK}


def draw(found: Pixels, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw channels, matrices, histograms and correlations."""
    drawn = min(_MOST, len(found.prepared_channels))
    columns = 1 + max(len(found.channels), drawn)
    rows = [*_rows(found)]
    wide, tall = columns * (_TILE + _GAP), sum(rows)
    across, high = wide + _PLOTS, tall + _TITLE
    figure = drawing.canvas(across, high, into)
    scale = boards_scale(figure, across, high)
    # On a figure that is wider than the picture the plots take what the tiles cannot.
    plots = max(_PLOTS, drawing.width_of(figure) / scale - wide)
    grid: Any = figure.add_gridspec(3, 2, width_ratios=[wide, plots], height_ratios=rows)
    board = Board(figure.add_subplot(grid[:, 0]), wide, tall, scale)
    _before(board, found)
    _after(board, found, drawn)
    _histogram(figure.add_subplot(grid[0, 1]), found)
    _correlations(figure.add_subplot(grid[1, 1]), found)
    _prepared_histogram(figure.add_subplot(grid[2, 1]), found)
    height, width = found.size
    count = len(found.channels)
    drawing.heading(
        figure,
        f"{found.image} as the computer sees it: {height} x {width} x {count} numbers "
        "(height x width x channels), "
        f"and {' x '.join(map(str, found.prepared_size))} x {len(found.prepared_channels)} "
        "once it is prepared",
    )
    return figure


def _rows(found: Pixels) -> tuple[float, float, float]:
    """Return how high the three rows are; a wide photo needs less."""
    height, width = found.size
    first = _TILE * max(_LEAST, min(1.0, height / width))
    return first + _HEAD + _GAP, _TILE + _HEAD + _GAP, _TILE + _HEAD + _GAP


def _tile(found: Pixels, row: int, column: int) -> Box:
    rows = _rows(found)
    height = rows[row] - _HEAD - _GAP
    return Box(column * (_TILE + _GAP), sum(rows[:row]) + _HEAD, _TILE, height)


def _title(board: Board, box: Box, text: str, colour: str = drawing.INK) -> None:
    board.words(text, box.left, box.top - 0.22, color=colour, fontweight="bold")


def _before(board: Board, found: Pixels) -> None:
    """Draw the photo with its channels, and below them the patch with its numbers."""
    height, width = found.size
    side = found.patch.shape[1]
    _title(board, _tile(found, 0, 0), f"the photo: {height} px high, {width} wide")
    _framed(board, board.picture(drawing.fit(found.photo, 640), _tile(found, 0, 0)), found, side)
    row, column = found.patch_at
    patch = found.photo[row : row + side, column : column + side]
    _title(board, _tile(found, 1, 0), f"{side} x {side} px at column {column}, row {row}")
    board.matrix(patch, _tile(found, 1, 0))
    for place, name in enumerate(found.channels):
        colour = _LINES[name]
        channel = found.photo[..., place]
        _title(board, _tile(found, 0, place + 1), name, colour)
        small = drawing.fit(_in_colour(channel, name), 640)
        _framed(board, board.picture(small, _tile(found, 0, place + 1)), found, side)
        cells = middle(found.patch, _whole)
        _title(board, _tile(found, 1, place + 1), f"{name}, in numbers{_which(cells)}", colour)
        values = found.patch[place][cells]
        board.matrix(_in_colour(values, name), _tile(found, 1, place + 1), written(values, _whole))


def _framed(board: Board, place: Box, found: Pixels, side: int) -> None:
    row, column = found.patch_at
    _mark(board, place.part((row, row + side), (column, column + side), found.size))


def _mark(board: Board, box: Box) -> None:
    """Frame a box so that it is seen on any colour, that of the frame as well."""
    board.frame(_seen(box), "white", 3.4)
    board.frame(_seen(box))


def _seen(box: Box) -> Box:
    """Return a box around a middle that is large enough to be seen."""
    short = max(0.0, (0.11 - box.width) / 2)
    return Box(box.left - short, box.top - short, box.width + 2 * short, box.height + 2 * short)


def _after(board: Board, found: Pixels, drawn: int) -> None:
    """Draw what the network is given, and the numbers around the same point."""
    side = found.prepared_patch.shape[1]
    row, column = found.prepared_at
    height, width = found.prepared_size
    _title(board, _tile(found, 2, 0), f"prepared: {height} px high, {width} wide")
    place = board.picture(drawing.fit(found.seen, 640), _tile(found, 2, 0))
    _mark(board, place.part((row, row + side), (column, column + side), found.prepared_size))
    low, high = found.scale
    signed = drawing.Scale.signed(np.array([low, high]))
    scale = signed if low < 0.0 < high else drawing.Scale(low, high, "gray")
    cells = middle(found.prepared_patch[:drawn], _two_digits)
    for at, name in enumerate(found.prepared_channels[:drawn]):
        more = len(found.prepared_channels) - drawn
        last = f" (and {more} more)" if more and at == drawn - 1 else _which(cells)
        _title(
            board, _tile(found, 2, at + 1), f"{name}, prepared{last}", _LINES.get(name, drawing.INK)
        )
        values = found.prepared_patch[at][cells]
        board.matrix(scale.paint(values), _tile(found, 2, at + 1), written(values, _two_digits))


def middle(patch: NDArray[Any], form: Callable[[float], str]) -> tuple[slice, slice]:
    """Return the rows and columns of a patch [C, side, side] whose numbers are large enough.

    All of them, where so many numbers are left out altogether.
    """
    side = patch.shape[1]
    words = [word for channel in patch for word in written(channel, form) or ()]
    most = cells_with_numbers(_TILE, words, _READ) if words else side
    start = max(0, side - most) // 2
    part = slice(start, start + min(side, most)) if most < side else slice(None)
    return part, part


def _which(cells: tuple[slice, slice]) -> str:
    """Say which cells are drawn, where not all are."""
    if cells[0] == slice(None):
        return ""
    count = cells[0].stop - cells[0].start
    return f": middle {count} x {count}"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _two_digits(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 99.5 else f"{value:.0f}"


def _in_colour(channel: NDArray[np.uint8], name: str) -> drawing.Pixels:
    full = np.array(_FULL.get(name, (255, 255, 255)), np.float32)
    return np.asarray((channel[..., None] / np.float32(255) * full).round(), np.uint8)


def _histogram(axes: Axes, found: Pixels) -> None:
    _plot(axes, "values of the whole photo", "value of a pixel")
    shares = 100.0 * found.histogram / found.histogram.sum(1, keepdims=True)
    labels = _labels(found.channels, found.means, found.deviations)
    for line, name, label in zip(shares, found.channels, labels, strict=True):
        axes.stairs(line, np.arange(257) - 0.5, color=_LINES[name], linewidth=1.0, label=label)
    axes.set_xlim(-3, 258)
    axes.set_xticks([0, 64, 128, 192, 255])
    _finish(axes, shares, "share of pixels (%)")


def _prepared_histogram(axes: Axes, found: Pixels) -> None:
    part = "the part that " if found.cropped else "what "
    _plot(axes, f"values of {part}the network is given", "prepared value")
    shares = 100.0 * found.prepared_histogram / found.prepared_histogram.sum(1, keepdims=True)
    labels = _labels(found.prepared_channels, found.prepared_means, found.prepared_deviations)
    for line, name, label in list(zip(shares, found.prepared_channels, labels, strict=True))[
        :_MOST
    ]:
        colour = _LINES.get(name, drawing.QUIET)
        axes.stairs(line, found.prepared_edges, color=colour, linewidth=1.0, label=label)
    if found.scale[0] < 0.0 < found.scale[1]:
        axes.axvline(0.0, color=drawing.FAINT, linewidth=0.8, zorder=0)
    _finish(axes, shares, f"share of values in each of {shares.shape[1]} bins (%)")


def _labels(
    names: Sequence[str], means: NDArray[np.float64], deviations: NDArray[np.float64]
) -> list[str]:
    return [
        f"{name}: {with_spread(float(mean), float(spread))}"
        for name, mean, spread in zip(names, means, deviations, strict=True)
    ]


def _finish(axes: Axes, shares: NDArray[np.float64], label: str) -> None:
    axes.set_ylabel(label, fontsize=drawing.SMALL_SIZE, color=drawing.INK)
    # A few values that fill the photo, such as a white ground, would flatten all others.
    usual = max(1.0, 1.6 * float(np.percentile(shares, 99.0)))
    peak = float(shares.max())
    high = peak if peak <= 2.0 * usual else usual
    # The legend stands above the lines, on the side where none of them leaves the panel.
    axes.set_ylim(0.0, high / (1.0 - _LINE * (min(len(shares), _MOST) + 1.5)))
    places = np.flatnonzero((shares > high).any(0))
    right = not places.size or float(places.mean()) < shares.shape[1] / 2
    if peak > axes.get_ylim()[1]:
        axes.text(
            0.03 if right else 0.97, 0.99, f"the highest reaches {peak:.0f}%",
            transform=axes.transAxes, va="top", ha="left" if right else "right",
            fontsize=drawing.SMALL_SIZE, color=drawing.QUIET,
        )  # fmt: skip
    axes.legend(
        fontsize=drawing.SMALL_SIZE, frameon=False, handlelength=1.2,
        loc="upper right" if right else "upper left",
        title="mean ± standard deviation", title_fontsize=drawing.SMALL_SIZE,
    )  # fmt: skip


def _correlations(axes: Axes, found: Pixels) -> None:
    _plot(axes, "correlation of two pixels by their distance", "pixels apart")
    lines = mean_of_known(found.correlations, 0)
    for line, label, colour in zip(
        lines, ("to the right", "below"), (drawing.ACCENT, drawing.WARM), strict=True
    ):
        axes.plot(
            found.distances, line, "o-", color=colour, markersize=3, linewidth=1.3, label=label
        )
    axes.plot(
        found.distances, mean_of_known(found.shuffled_correlations, (0, 1)), "s--",
        color=drawing.QUIET, markersize=2.5, linewidth=1.0, label="pixels shuffled",
    )  # fmt: skip
    axes.axhline(0.0, color=drawing.FAINT, linewidth=0.8, zorder=0)
    finite = lines[np.isfinite(lines)]
    axes.set_ylim(min(-0.15, 1.1 * float(finite.min())) if finite.size else -0.15, 1.05)
    axes.set_ylabel("correlation", fontsize=drawing.SMALL_SIZE, color=drawing.INK)
    axes.legend(fontsize=drawing.SMALL_SIZE, frameon=False, loc="upper right")
    if not finite.size:
        axes.text(0.5, 0.5, f"its {found.why_unknown}", transform=axes.transAxes, ha="center")


def _plot(axes: Axes, title: str, label: str) -> None:
    drawing.plain_axes(axes)
    axes.set_title(title, fontsize=drawing.TEXT_SIZE, color=drawing.INK, loc="left")
    axes.set_xlabel(label, fontsize=drawing.SMALL_SIZE, color=drawing.INK)
