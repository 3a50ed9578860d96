"""One position of `convolve` worked out: window, kernel, products and their sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.drawing import Scale
from cnnviz.results.text import minus, number
from cnnviz.views.pictures.board import Board, Box, Matrix, written

if TYPE_CHECKING:
    from matplotlib.text import Text

    from cnnviz.views.convolve import Convolution

_WORKED, _SLICES = 2.15, 3.4
"""How high it is, with one slice of the kernel and with more."""
MOST_WORKED = 3.05
"""How high it is at most, where a canvas has room."""
LARGEST = 7
"""Cells of a side of a kernel at most whose numbers are written."""
_SIGNS = 16.0


def worked_high(found: Convolution) -> float:
    """Return how high the drawing of a position is."""
    return _WORKED if len(found.kernel) == 1 else _SLICES


def draw_worked(
    board: Board, found: Convolution, windows: Scale, terms: Scale, high: float
) -> tuple[list[tuple[Matrix, Matrix]], list[Text], Text]:
    """Draw window, kernel and products of one position, a row for each slice of the kernel."""
    depth, start = len(found.kernel), 0.4
    side = min(high - 0.15, (high - 0.1 * (depth - 1)) / depth)
    # Larger matrices begin further to the left, so that the sum keeps its place.
    first, between = (0.9, 0.8) if side <= 2.0 else (0.05, 0.65)
    lefts = tuple(first + place * (side + between) for place in range(3))
    where = found.channels[found.of] if depth == 1 and len(found.channels) > 1 else ""
    titles = (f"window {where}".strip(), "kernel", "products")
    for left, title in zip(lefts, titles, strict=True):
        board_title(board, Box(left, start, side, side), title)
    scale = Scale.signed(found.kernel)
    rows, sums = [], []
    for place in range(depth):
        top = start + place * (side + 0.1)
        boxes = [Box(left, top, side, side) for left in lefts]
        numbers = cell_numbers(found.window[place])
        longest = _longest(found, windows)
        seen = board.matrix(windows.paint(found.window[place]), boxes[0], numbers, least=longest)
        board.matrix(scale.paint(found.kernel[place]), boxes[1], _kernel_cells(found, place))
        worked = board.matrix(
            terms.paint(found.products[place]),
            boxes[2],
            cell_numbers(found.products[place]),
            least=_longest_product(found, terms),
        )
        rows.append((seen, worked))
        middle = top + seen.box.height / 2
        for sign, after in (("×", 0), ("=", 1)):
            across = (lefts[after] + side + lefts[after + 1]) / 2
            board.words(sign, across, middle, size=_SIGNS, middle=True)
        sums.append(board.words("", lefts[2] + side + 0.25, middle - 0.1, size=drawing.TEXT_SIZE))
        if depth > 1:
            board.words(
                found.channels[place], lefts[0] - 0.1, middle - 0.08, ha="right",
                color=drawing.QUIET, size=drawing.SMALL_SIZE,
            )  # fmt: skip
    total = board.words(
        "",
        max(10.0, lefts[2] + side + 0.25),
        start + 0.35,
        size=drawing.TITLE_SIZE,
        fontweight="bold",
        linespacing=1.5,
    )
    return rows, sums, total


def _longest(found: Convolution, windows: Scale) -> int:
    """Return how many letters the numbers of any window may have."""
    if found.values.dtype == np.uint8:
        return 3
    ends = (windows.low, windows.high)
    return max(4 if found.values.dtype == np.float32 else 1, *(len(cell_text(end)) for end in ends))


def _longest_product(found: Convolution, terms: Scale) -> int:
    """Return how many letters the products of any window may have."""
    whole = not (found.values % 1).any() and not (found.kernel % 1).any()
    return max(len(cell_text(end)) for end in (terms.low, terms.high)) if whole else 5


def _kernel_cells(found: Convolution, place: int) -> list[str] | None:
    """Return the numbers of the kernel as they are multiplied."""
    values = found.kernel[place]
    if max(values.shape) > LARGEST:
        return None
    if 1.0 < found.divisor <= 16.0:
        return [minus(f"{cell * found.divisor:g}/{found.divisor:g}") for cell in values.ravel()]
    if found.divisor != 1.0:
        return [minus(f"{cell:.2g}") for cell in values.ravel()]
    return [cell_text(float(value)) for value in values.ravel()]


def total_words(found: Convolution, at: tuple[int, int], products: NDArray[np.float64]) -> str:
    """Say what the products add up to, and where that is in the result."""
    total = float(products.sum()) + found.bias
    lines = []
    if products.size <= 9 and all(float(term).is_integer() for term in products.ravel()):
        terms = [minus(f"{term + 0.0:g}") for term in products.ravel()]  # -0.0 + 0.0 is 0.0
        lines.append(_signed_sum(terms))
    elif len(products) > 1:
        lines.append(_signed_sum([cell_text(float(part.sum())) for part in products]))
    else:
        lines.append(f"the sum of {products.size} products")
    if found.bias:
        lines.append(f"plus the bias {cell_text(found.bias)}")
    lines.append(f"= {cell_text(total)}")
    lines.append(f"at column {at[1]}, row {at[0]} (from 0)")
    return "\n".join(lines)


def _signed_sum(terms: list[str]) -> str:
    """Return terms with their signs, on lines of three."""
    words = [
        term if not place else f"− {term[1:]}" if term.startswith("−") else f"+ {term}"
        for place, term in enumerate(terms)
    ]
    return "\n".join(" ".join(words[start : start + 3]) for start in range(0, len(words), 3))


def cell_numbers(values: NDArray[np.float64]) -> list[str] | None:
    """Return the numbers of cells as they are written; None where there are too many."""
    return written(values, cell_text) if max(values.shape) <= LARGEST else None


def cell_text(value: float) -> str:
    """Return a number in so few letters that a cell holds it."""
    if value == round(value) and abs(value) < 1e5:
        return minus(f"{value:z.0f}")
    size = abs(value)
    if size >= 99.95:
        return minus(f"{value:.0f}") if size < 1e5 else number(value)
    return minus(f"{value:.1f}" if size >= 9.95 else f"{value:.2f}")


def board_title(board: Board, box: Box, text: str) -> None:
    """Write what is in a box above it."""
    board.words(text, box.left, box.top - 0.24, fontweight="bold")
