"""Draws a network in the way of papers: blocks in perspective, and what is inside them below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cnnviz.results import drawing
from cnnviz.views.pictures.blocks import INPUT_COLOUR, KIND_COLOURS, OTHER_COLOUR
from cnnviz.views.pictures.diagram_inside import Inside
from cnnviz.views.pictures.diagram_trunk import Trunk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.network_diagram import NetworkDiagram

_RATIO = 16 / 9
_LEAST = 13.33
_HEAD, _MARGIN, _APART = 0.75, 0.25, 0.3
_LOW, _TALL, _ALONE = 2.45, 2.9, 6.2
_MOST_LARGER = 1.45
BLOCK_COLOURS = (
    "#1b7f79",
    "#b5537f",
    "#7d6bb0",
    "#b07d2b",
    "#4f8a3c",
    "#a8543a",
    "#3f6f9f",
    "#8a6d5a",
)


_UNCOLOURED = ("block", "gap", "add", "multiply", "cat")


@dataclass(frozen=True)
class _Page:
    """The insides in rows, and the size of the whole, in inches."""

    rows: tuple[tuple[Inside, ...], ...]
    width: float
    height: float
    trunk: float
    """The height of the trunk."""


def draw(result: NetworkDiagram, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Return the picture of a network."""
    from matplotlib.figure import Figure

    laid = _Laid.out(result)
    figure = drawing.canvas(laid.page.width, laid.page.height, into)
    if isinstance(figure, Figure):
        figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    _draw_head(axes, result, laid.page.width, laid.draw(axes, top=0.0))
    return figure


def draw_panel(result: NetworkDiagram, axes: Axes) -> None:
    """Draw a network into an Axes, without its name."""
    _Laid.out(result).draw(axes, top=_HEAD - 0.1)


_NUMBERS = "at each block: above, the size of its maps; below, its channels"


@dataclass(frozen=True)
class _Laid:
    """A network laid out on a page."""

    trunk: Trunk
    page: _Page

    @classmethod
    def out(cls, result: NetworkDiagram) -> _Laid:
        """Lay a network out."""
        colours = {
            block: BLOCK_COLOURS[place % len(BLOCK_COLOURS)]
            for place, block in enumerate(result.order)
        }
        named = {one: (result.letters[one], colour) for one, colour in colours.items()}
        insides = [Inside.of(result.blocks[one], one, named) for one in result.order]
        trunk = Trunk(result, colours)
        return cls(trunk, _page(insides, trunk.least_width))

    def draw(self, axes: Axes, top: float) -> float:
        """Draw all but the head, from a height on; return the inches that a unit has."""
        page = self.page
        axes.set_xlim(0, page.width)
        axes.set_ylim(page.height, top)
        axes.set_aspect("equal")
        drawing.hide_ticks(axes)
        box = axes.get_window_extent()
        figure = axes.get_figure(root=True)
        assert figure is not None
        zoom = min(box.width / page.width, box.height / (page.height - top)) / figure.dpi
        self.trunk.draw(axes, (_MARGIN, page.width - _MARGIN), (_HEAD, _HEAD + page.trunk), zoom)
        _draw_insides(axes, page, zoom)
        return zoom


def _page(insides: Sequence[Inside], least: float) -> _Page:
    """Return how to arrange the insides so that all are as large as 16:9 allows."""
    pages = []
    for count in range(1, 5):
        rows = _rows(insides, count)
        wide = max((_row_width(row) for row in rows), default=0.0)
        low = _height(rows)
        trunk = (_TALL if count == 1 else _LOW) if insides else _ALONE
        width = max(wide + 2 * _MARGIN, least, _LEAST)
        height = _HEAD + trunk + low + _MARGIN
        width, height = max(width, height * _RATIO), max(height, width / _RATIO)
        spare = height - _HEAD - trunk - low - _MARGIN
        larger = _larger(rows, wide, low, width, spare)
        trunk += min(0.35 * trunk, height - _HEAD - _MARGIN - trunk - _height(larger))
        pages.append(_Page(larger, width, height, trunk))
        if count >= len(insides):
            break
    return min(pages, key=lambda page: page.width)


def _height(rows: Sequence[Sequence[Inside]]) -> float:
    return sum(max(one.height for one in row) + _APART for row in rows)


def _larger(
    rows: Sequence[Sequence[Inside]], wide: float, low: float, width: float, spare: float
) -> tuple[tuple[Inside, ...], ...]:
    """Return the insides as much larger as the page has room for."""
    if not rows:
        return ()
    room = (low + max(0.0, spare)) / low
    scale = max(1.0, min(_MOST_LARGER, room, 0.95 * (width - 2 * _MARGIN) / wide))
    return tuple(tuple(replace(one, scale=scale) for one in row) for row in rows)


def _rows(insides: Sequence[Inside], count: int) -> list[list[Inside]]:
    """Share insides among so many rows, in their order, about equally wide."""
    total = sum(one.width for one in insides)
    rows: list[list[Inside]] = [[]] if insides else []
    used = 0.0
    for one in insides:
        if rows[-1] and len(rows) < count and used + one.width / 2 > total * len(rows) / count:
            rows.append([])
        rows[-1].append(one)
        used += one.width
    return rows


def _row_width(row: Sequence[Inside]) -> float:
    return sum(one.width for one in row) + _APART * (len(row) - 1)


def _draw_insides(axes: Axes, page: _Page, zoom: float) -> None:
    tall = [max(one.height for one in row) for row in page.rows]
    spare = page.height - _HEAD - page.trunk - sum(tall) - _APART * len(tall) - _MARGIN
    top = _HEAD + page.trunk + _APART / 2 + max(0.0, spare / 2)
    for row, height in zip(page.rows, tall, strict=True):
        apart = (page.width - sum(one.width for one in row)) / (len(row) + 1)
        left = apart
        for one in row:
            one.draw(axes, left, top, zoom)
            left += one.width + apart
        top += height + _APART


def _draw_head(axes: Axes, result: NetworkDiagram, width: float, zoom: float) -> None:
    """Draw the name of the network, what it is, and what the numbers and colours mean."""
    axes.text(
        _MARGIN,
        0.14,
        result.name,
        fontsize=(drawing.TITLE_SIZE + 3) * zoom,
        color=drawing.INK,
        fontweight="bold",
        va="top",
    )
    axes.text(
        _MARGIN,
        0.45,
        result.facts,
        fontsize=drawing.TEXT_SIZE * zoom,
        color=drawing.QUIET,
        va="top",
    )
    axes.text(
        width - _MARGIN,
        0.45,
        _NUMBERS,
        fontsize=drawing.TEXT_SIZE * zoom,
        color=drawing.QUIET,
        va="top",
        ha="right",
    )
    _draw_legend(axes, result, width, zoom)


def _draw_legend(axes: Axes, result: NetworkDiagram, width: float, zoom: float) -> None:
    """Draw the colours of the kinds of layers that the network has."""
    from matplotlib.patches import Patch

    kinds = [node.kind for level in (result.trunk, *result.blocks) for node in level.nodes]
    known = [kind for kind in KIND_COLOURS if kind in kinds]
    patches = [Patch(facecolor=KIND_COLOURS[kind], label=kind) for kind in known]
    if any(kind not in (*KIND_COLOURS, *_UNCOLOURED) for kind in kinds):
        patches.append(Patch(facecolor=OTHER_COLOUR, label="other"))
    axes.legend(
        handles=[Patch(facecolor=INPUT_COLOUR, label=result.space.noun), *patches],
        loc="upper right",
        bbox_to_anchor=((width - _MARGIN + 0.05) / width, 0.995),
        ncols=len(patches) + 1,
        frameon=False,
        fontsize=drawing.TEXT_SIZE * zoom,
        labelcolor=drawing.QUIET,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=1.2,
        handletextpad=0.5,
    )
