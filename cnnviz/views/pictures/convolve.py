"""The picture of `convolve`: image, kernel and result, and one position worked out below them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.animation import Frame
from cnnviz.results.drawing import Pixels, Scale
from cnnviz.results.text import shortened
from cnnviz.views.pictures.board import Board, Box, Matrix, boards_scale, written
from cnnviz.views.pictures.convolve_worked import (
    LARGEST,
    MOST_WORKED,
    board_title,
    cell_numbers,
    cell_text,
    draw_worked,
    total_words,
    worked_high,
)

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text

    from cnnviz.views.convolve import Convolution

_WIDE, _IMAGE = 13.2, 4.7
_TOP, _HIGH, _LEAST = 0.3, 3.45, 2.15
"""Where the first row begins under its titles, and how high it is at most and at least."""
_AROUND = 0.4 + _TOP + 0.1 + 0.5
"""The heading, and what is above and below the rows."""
_SHOWN = 512
"""Pixels of the longer side of a picture that is shown."""
_MOST_POSITIONS = 16
"""Positions at most that the still picture shows one beside the other."""
_FRAMES = 30
"""Frames of an animation whose result has more positions than it can show."""
_POSITIONS = 2.0
"""How high all positions are."""
_QUICK, _SLOW, _HOLD = 0.12, 0.9, 2.5


def draw(found: Convolution, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw image, kernel and result, and one position worked out."""
    return _Scene.build(found, into).figure


def frames(found: Convolution, into: drawing.Canvas | None = None) -> Iterator[Frame]:
    """Draw one position after the other, and the result as far as it has come."""
    scene = _Scene.build(found, into, moving=True)
    height, width = found.result.shape[1:]
    count = height * width
    if found.small:
        places, seconds = list(range(count)), _SLOW if count <= _FRAMES else 3 * _QUICK
    else:
        # The kernel is in the middle of another column in each row that is shown.
        rows = np.linspace(0, height - 1, min(height, _FRAMES)).round().astype(int)
        columns = np.linspace(0.1, 0.9, 7)[np.arange(len(rows)) * 3 % 7] * (width - 1)
        places = (rows * width + columns.round().astype(int)).tolist()
        seconds = 2 * _QUICK
    for place in places:
        scene.move((place // width, place % width), place + 1)
        yield Frame(scene.figure, seconds)
    scene.move(found.at, count)
    yield Frame(scene.figure, _HOLD)


@dataclass(eq=False)
class _Scene:
    """What is drawn, with what the next frame changes of it."""

    found: Convolution
    figure: drawing.Canvas
    left: Box
    right: Box
    result: Matrix
    painted: Pixels
    frame: Rectangle
    mark: Rectangle
    rows: list[tuple[Matrix, Matrix]]
    sums: list[Text]
    total: Text
    windows: Scale
    terms: Scale

    @classmethod
    def build(
        cls, found: Convolution, into: drawing.Canvas | None, *, moving: bool = False
    ) -> _Scene:
        """Draw the position that is worked out."""
        several = found.small and not moving and found.result[0].size <= _MOST_POSITIONS
        high, worked = _rows(found, into, _POSITIONS if several else 0.0)
        heights = [_TOP + high + 0.1, worked + 0.5]
        heights += [_POSITIONS] if several else []
        figure = drawing.canvas(_WIDE, sum(heights) + 0.4, into)
        scale = boards_scale(figure, _WIDE, sum(heights) + 0.4)
        grid: Any = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        boards = [
            Board(figure.add_subplot(grid[row]), _WIDE, height, scale)
            for row, height in enumerate(heights)
        ]
        board = boards[0]
        windows, terms = _scales(found)
        left = _image(board, found, windows, high)
        _kernel(board, found, high)
        result, painted = _result(board, found, high)
        rows, sums, total = draw_worked(boards[1], found, windows, terms, worked)
        scene = cls(
            found, figure, left, result.box, result, painted,
            board.frame(left), board.frame(result.box), rows, sums, total, windows, terms,
        )  # fmt: skip
        scene.move(found.at, found.result[0].size)
        if several:
            _positions(boards[2], found)
        drawing.heading(figure, _heading(found))
        return scene

    def move(self, at: tuple[int, int], filled: int) -> None:
        """Work another position out, and show the result as far as it is filled."""
        found = self.found
        (top, left), (down, across) = found.sliding.corner(at), found.sliding.reach
        (above, below), (before, after) = _drawn_margins(found)
        height, width = found.values.shape[1:]
        if not found.small:
            top, left = top - found.margins[0][0], left - found.margins[1][0]
        shape = (height + above + below, width + before + after)
        _place(self.frame, self.left.part((top, top + down), (left, left + across), shape))
        _place(
            self.mark,
            self.right.part((at[0], at[0] + 1), (at[1], at[1] + 1), found.result.shape[1:]),
        )
        window, products = found.worked(at)
        for place, (seen, worked) in enumerate(self.rows):
            seen.change(self.windows.paint(window[place]), cell_numbers(window[place]))
            worked.change(self.terms.paint(products[place]), cell_numbers(products[place]))
            if len(self.rows) > 1:
                self.sums[place].set_text(f"sum {cell_text(float(products[place].sum()))}")
        self.total.set_text(total_words(found, at, products))
        self.result.change(*_filled(found, self.painted, filled, at))


def _high(found: Convolution) -> float:
    """Return how high the first row is; wide images need less."""
    ratios = [shape[0] / shape[1] for shape in (found.values.shape[1:], found.result.shape[1:])]
    depth = len(found.kernel)
    least = _LEAST if depth == 1 else 0.9 * depth
    return float(min(_HIGH, max(least, *(_IMAGE * ratio for ratio in ratios))))


def _rows(found: Convolution, into: drawing.Canvas | None, positions: float) -> tuple[float, float]:
    """Return how high the first row and the position below it are, on a canvas that is given.

    Numbers become larger where there is room, and pictures smaller where there is none.
    """
    high, worked = _high(found), worked_high(found)
    if into is None:
        return high, worked
    room = _WIDE * float(into.bbox.height / into.bbox.width) - _AROUND - positions
    spare = room - high - worked
    if spare < 0.0:
        return max(_LEAST, high + spare), worked
    return high, min(max(worked, MOST_WORKED), worked + spare)


def _heading(found: Convolution) -> str:
    what = "cross-correlation, which libraries call convolution"
    if found.flipped:
        what = "convolution, with the kernel turned by 180 degrees"
    return f"{found.image}, {found.title}: {what}"


def _scales(found: Convolution) -> tuple[Scale, Scale]:
    """Return the colours of windows, and those of products."""
    if found.values.dtype == np.uint8:
        windows = Scale(0.0, 255.0, "gray")
    elif float(found.values.min()) < 0.0:
        windows = Scale.signed(found.values)
    else:
        windows = Scale(0.0, float(found.values.max()) or 1.0, "gray")
    reach = max(abs(windows.low), abs(windows.high)) * float(np.abs(found.kernel).max())
    return windows, Scale(-reach or -1.0, reach or 1.0, drawing.SIGNED)


def _drawn_margins(found: Convolution) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how far the drawn image goes beyond its edge: a small matrix shows its padding."""
    return found.margins if found.small else ((0, 0), (0, 0))


def _image(board: Board, found: Convolution, scale: Scale, high: float) -> Box:
    height, width = found.values.shape[1:]
    size = f"{height} x {width}" + (" px" if found.photo is not None else "")
    place = _picture(board, found, scale, Box(0.0, _TOP, _IMAGE, high))
    # What was in colour would otherwise be taken for a picture of a grey photo.
    grey = ", grey" if found.photo is not None and found.channels == ("grey",) else ""
    board_title(board, place, f"{shortened(found.image, 34)}{grey}, {size}")
    return place


def _picture(board: Board, found: Convolution, scale: Scale, box: Box) -> Box:
    height, width = found.values.shape[1:]
    if found.photo is not None:
        return board.picture(drawing.fit(found.photo, _SHOWN), box)
    if not found.small:
        return board.picture(scale.paint(found.values[0]), box, smooth=False)
    padded = found.sliding.padded(found.values)[0]
    place = board.matrix(scale.paint(padded), box, written(padded, cell_text)).box
    (above, _), (before, _) = found.margins
    if any(map(any, found.margins)):
        inner = place.part((above, above + height), (before, before + width), padded.shape)
        board.frame(inner, drawing.QUIET, 1.2, linestyle=(0, (3, 2)))
    return place


def _kernel(board: Board, found: Convolution, high: float) -> None:
    """Draw the kernel between image and result; of several slices one below the other."""
    board.words("∗", 5.0, _TOP + high / 2, size=22, middle=True)
    depth, rows, columns = found.kernel.shape
    most = (high - 0.15 * (depth - 1)) / depth
    side = min(2.0, most, 0.5 * max(rows, columns) if depth == 1 else 2.0)
    left = 5.35 + (2.0 - side) / 2
    top = _TOP + (high - depth * side - 0.15 * (depth - 1)) / 2
    board_title(board, Box(left, max(_TOP, top), 2.0, side), _kernel_title(found))
    scale = Scale.signed(found.kernel)
    for place, values in enumerate(found.kernel):
        box = Box(left, top + place * (side + 0.15), side, side)
        words = _kernel_numbers(found, values)
        drawn = board.matrix(scale.paint(values), box, words)
        if depth > 1:
            board.words(
                found.channels[place], drawn.box.right + 0.06, box.top, color=drawing.QUIET,
                size=drawing.SMALL_SIZE,
            )  # fmt: skip


def _kernel_title(found: Convolution) -> str:
    _, rows, columns = found.kernel.shape
    size = f"{rows} x {columns}"
    if found.divisor == 1.0:
        return f"kernel, {size}"
    sign = "-" if found.divisor < 0.0 else ""
    return f"kernel, {size}: {sign}1/{abs(found.divisor):g} of"


def _kernel_numbers(found: Convolution, values: NDArray[np.float64]) -> list[str] | None:
    whole = values * found.divisor
    return written(whole, cell_text) if max(values.shape) <= LARGEST else None


def _result(board: Board, found: Convolution, high: float) -> tuple[Matrix, Pixels]:
    board.words("=", 7.7, _TOP + high / 2, size=22, middle=True)
    height, width = found.result.shape[1:]
    box = Box(8.0, _TOP, 4.3, high)
    painted = _painted(found)
    words = written(found.result[0], cell_text) if found.small else None
    small = painted if found.small else drawing.fit(painted, _SHOWN)
    drawn = board.matrix(small, box, words, lines=found.small)
    beyond = f", {100 * found.beyond:.2g}% beyond the scale" if found.beyond else ""
    board_title(board, drawn.box, f"result, {height} x {width}{beyond}")
    if not found.small:
        board.bar(drawn.box, Scale(*found.scale, _colours(found)), "sum of products")
    return drawn, small


def _colours(found: Convolution) -> str:
    return {"picture": "gray", "signed": drawing.SIGNED, "positive": "gray"}[found.drawn]


def _painted(found: Convolution) -> Pixels:
    if found.drawn == "picture" and len(found.result) == 3:
        values = np.clip(np.rint(found.result), 0, 255)
        return np.ascontiguousarray(values.transpose(1, 2, 0).astype(np.uint8))
    shown = found.result[found.of if len(found.result) > 1 else 0]
    return Scale(*found.scale, _colours(found)).paint(shown)


def _filled(
    found: Convolution, painted: Pixels, filled: int, at: tuple[int, int]
) -> tuple[Pixels, list[str] | None]:
    """Return the result with what has not been reached yet left white."""
    height, width = found.result.shape[1:]
    words = written(found.result[0], cell_text) if found.small else None
    if filled >= height * width:
        return painted, words
    pixels = painted.copy()
    if words is not None:
        pixels.reshape(-1, 3)[filled:] = 255
        return pixels, [word if place < filled else "" for place, word in enumerate(words)]
    row = round((at[0] + 1) * pixels.shape[0] / height)
    pixels[row:] = 255
    return pixels, None


def _positions(board: Board, found: Convolution) -> None:
    """Draw every position of a small matrix: what the kernel lies on, and its sum."""
    height, width = found.result.shape[1:]
    count = height * width
    room = min(1.35, _WIDE / count - 0.12)
    padded = found.sliding.padded(found.values)[0]
    scale = _scales(found)[0]
    faint = (0.35 * scale.paint(padded) + 0.65 * 255).astype(np.uint8)
    board.words(f"all {count} positions", 0.0, 0.04, fontweight="bold")
    down, across = found.sliding.reach
    for place in range(count):
        at = (place // width, place % width)
        box = Box(place * (room + 0.12), 0.3, room, room)
        (row, column) = found.sliding.corner(at)
        pixels = faint.copy()
        inside = (slice(row, row + down), slice(column, column + across))
        pixels[inside] = scale.paint(padded)[inside]
        drawn = board.matrix(pixels, box).box
        board.frame(
            drawn.part((row, row + down), (column, column + across), padded.shape), width=1.4
        )
        value = float(found.result[0][at])
        middle = (drawn.left + drawn.right) / 2
        board.words(
            cell_text(value), middle, drawn.bottom + 0.13, size=10, middle=True, fontweight="bold"
        )


def _place(patch: Rectangle, box: Box) -> None:
    """Move a frame; one that would hardly be seen is made larger around its middle."""
    short = [max(0.0, (0.1 - size) / 2) for size in (box.width, box.height)]
    patch.set_bounds(
        box.left - short[0], box.top - short[1], box.width + 2 * short[0], box.height + 2 * short[1]
    )
