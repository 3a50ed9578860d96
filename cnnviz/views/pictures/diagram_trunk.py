"""Draws the row of a network's layers and blocks, in perspective, with arcs for what skips some."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cnnviz.course.network_graph import DiagramNode
from cnnviz.results import drawing
from cnnviz.results.space import Space
from cnnviz.views.pictures.blocks import INPUT_COLOUR, KIND_COLOURS, OTHER_COLOUR, cuboid
from cnnviz.views.pictures.diagram_layout import layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.network_diagram import NetworkDiagram

_PITCH = 0.56
"""The least distance from one block to the next, in inches."""
_BELOW, _ABOVE = 0.95, 0.42
_RISE = 0.42
_TEXT, _MOST_LARGER = 7.0, 1.3
_JOIN, _LABELS = 0.09, 0.75
_DEEPEST = 1.05
"""How far the back of the largest map lies to the right, in inches."""


@dataclass(frozen=True)
class _Block:
    """A block of the row: its size, in inches, and where it stands."""

    node: DiagramNode | None
    width: float
    height: float
    slant: float
    x: float = 0.0
    y: float = 0.0

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def top(self) -> float:
        return self.y - self.height / 2 - self.slant * _RISE

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


class Trunk:
    """The row of a network.

    Parameters
    ----------
    result : NetworkDiagram
        The network.
    colours : mapping of int to str
        The colour of each kind of block.
    """

    def __init__(self, result: NetworkDiagram, colours: Mapping[int, str]) -> None:
        self._result = result
        self._colours = colours
        self._layout = layout(result.trunk)
        self._zoom, self._letters = 1.0, _TEXT

    @property
    def least_width(self) -> float:
        """How many inches it takes at least."""
        return 1.0 + _PITCH * (self._layout.ranks + 1)

    def draw(
        self,
        axes: Axes,
        across: tuple[float, float],
        down: tuple[float, float],
        zoom: float = 1.0,
    ) -> None:
        """Draw it between these edges; y grows downwards, and a unit is `zoom` inches."""
        self._zoom = zoom
        blocks = self._placed(across, down)
        pitch = (across[1] - across[0]) / (self._layout.ranks + 1)
        self._letters = _TEXT * min(_MOST_LARGER, max(1.0, pitch / 0.72))
        for link in self._result.trunk.links:
            self._draw_link(axes, link, blocks)
        order = sorted(blocks, key=lambda node: (-blocks[node].y, blocks[node].x))
        previous: tuple[int, ...] | None = None
        for node in order:
            self._draw_block(axes, blocks[node])
            skip = blocks[node].node
            if skip is not None and skip.skip:
                self._draw_skip(axes, blocks[node], skip.skip)
        for node in sorted(blocks):
            previous = self._label(axes, node, blocks, previous, down[1])

    def _placed(self, across: tuple[float, float], down: tuple[float, float]) -> dict[int, _Block]:
        lanes = 1 + 2 * self._layout.side
        skips = self._result.trunk_skips
        room = down[1] - down[0] - _BELOW - _ABOVE - (0.35 if skips else 0.0)
        # Beside each other, lanes have their labels between them.
        tall = (room - (lanes - 1) * _LABELS) / lanes / (1 + 0.5 * _RISE)
        apart_lanes = tall * (1 + 0.5 * _RISE) + _LABELS
        middle = down[0] + _ABOVE + (0.35 if skips else 0.0) + room / 2 + tall * 0.25 * _RISE
        nodes = self._result.trunk.nodes
        blocks = {-1: self._sized(None, self._result.input_shape, tall)}
        blocks |= {
            place: self._sized(node, node.output_shape, tall) for place, node in enumerate(nodes)
        }
        columns: dict[int, list[int]] = {}
        for node in blocks:
            columns.setdefault(self._layout.at(node).rank, []).append(node)
        room_across = across[1] - across[0] - 0.3
        for share in (1.0, 0.85, 0.7, 0.55, 0.4, 0.3):
            # Flatter blocks where there are many, so that each can be seen.
            flat = {
                node: replace(one, slant=max(0.04, share * one.slant))
                for node, one in blocks.items()
            }
            steps = _steps(flat, columns)
            if sum(steps) <= room_across:
                break
        squeeze = min(1.0, room_across / sum(steps))
        apart = min(max(0.0, room_across - sum(steps)) / len(steps), 0.55)
        left = across[0] + 0.18 + max(0.0, room_across - sum(steps) - apart * len(steps)) / 2
        for rank, step in zip(sorted(columns), steps, strict=True):
            wide = max(flat[node].width for node in columns[rank])
            for node in columns[rank]:
                one = flat[node]
                y = middle + self._layout.at(node).lane * apart_lanes
                flat[node] = replace(one, x=left + (wide - one.width) / 2, y=y)
            left += step * squeeze + apart
        return flat

    def _sized(self, node: DiagramNode | None, shape: tuple[int, ...], tall: float) -> _Block:
        space = self._result.space
        channels, size = extent(shape, space)
        largest = max(self._result.input_shape[1:])
        if node is not None and node.sign:
            return _Block(node, 2 * _JOIN, 2 * _JOIN, 0.0)
        width = 0.05 + 0.042 * math.log2(channels + 1)
        if node is None:
            width = 0.06
        if node is not None and node.kind == "pool":
            width = 0.09
        if set(size) == {1}:
            # A vector stands upright, as fully connected layers do in papers.
            height = tall * min(1.0, 0.12 + 0.055 * math.log2(channels + 1))
            return _Block(node, 0.1, height, 0.06)
        if len(shape) != 1 + space.axes:
            # Tokens have one axis: as high as their square would be.
            share = math.sqrt(min(1.0, math.sqrt(size[-1]) / largest))
            return _Block(node, width, max(tall * share, 0.08), 0.06)
        high = size[0] if space.axes == 1 else size[-2]
        height = max(tall * math.sqrt(min(1.0, high / largest)), 0.08)
        deep = min(0.5 * tall, _DEEPEST) * math.sqrt(min(1.0, size[-1] / largest))
        return _Block(node, width, height, 0.06 if space.axes == 1 else max(deep, 0.04))

    def _colour(self, node: DiagramNode | None) -> str:
        if node is None:
            return INPUT_COLOUR
        if node.block is not None:
            return self._colours[node.block]
        return KIND_COLOURS.get(node.kind, OTHER_COLOUR)

    def _draw_block(self, axes: Axes, block: _Block) -> None:
        from matplotlib.patches import Circle

        node = block.node
        if node is not None and node.sign:
            spot = (block.middle, block.y)
            axes.add_patch(Circle(spot, _JOIN, facecolor="white", edgecolor=drawing.INK, zorder=3))
            axes.text(*spot, node.sign, fontsize=8 * self._zoom, ha="center", va="center", zorder=4)
            return
        cuboid(
            axes,
            block.x,
            block.width,
            -block.height,
            block.slant,
            self._colour(node),
            block.y,
            rise=-_RISE,
        )

    def _draw_skip(self, axes: Axes, block: _Block, skip: str) -> None:
        """Draw an arc around a block, from what goes in to what comes out."""
        start = (block.x - 0.07, block.y)
        end = (block.right + block.slant + 0.07, block.y)
        dashed = skip == "projection"
        _arc(axes, start, end, block.y - block.top + 0.16, dashed=dashed, behind=True)

    def _draw_link(self, axes: Axes, link: tuple[int, int], blocks: Mapping[int, _Block]) -> None:
        from matplotlib.patches import FancyArrowPatch

        if link[1] not in blocks:
            return
        first, last = blocks[link[0]], blocks[link[1]]
        if link in self._layout.around:
            span = self._layout.at(link[1]).rank - self._layout.at(link[0]).rank
            high = min(first.top, last.top)
            between = [
                block.top
                for node, block in blocks.items()
                if self._layout.at(link[0]).rank <= self._layout.at(node).rank
                and self._layout.at(node).rank <= self._layout.at(link[1]).rank
            ]
            high = min([high, *between]) - 0.08 - 0.05 * span
            start, end = (first.middle + first.slant / 2, first.top), (last.middle, last.top)
            _arc(
                axes, start, end, max(0.15, min(start[1], end[1]) - high), dashed=False, arrow=True
            )
            return
        axes.add_patch(
            FancyArrowPatch(
                (first.right + first.slant * 0.4, first.y),
                (last.x, last.y),
                arrowstyle="-|>",
                mutation_scale=6.0,
                linewidth=0.8,
                color=drawing.QUIET,
                shrinkA=0.0,
                shrinkB=0.0,
                zorder=0.5,
            )
        )

    def _label(
        self,
        axes: Axes,
        place: int,
        blocks: Mapping[int, _Block],
        previous: tuple[int, ...] | None,
        bottom: float,
    ) -> tuple[int, ...] | None:
        block, node = blocks[place], blocks[place].node
        shape = self._result.input_shape if node is None else node.output_shape
        channels, size = extent(shape, self._result.space)
        if node is not None and node.sign:
            return previous
        if set(size) != {1} and size != previous:
            text = str(size[0]) if len(set(size)) == 1 else "x".join(map(str, size))
            if len(shape) != 1 + self._result.space.axes:
                text = f"{size[-1]} tokens"
            x = block.middle + block.slant / 2
            above = block.top - 0.05 - (0.2 if node is not None and node.skip else 0.0)
            self._text(axes, x, above, text, drawing.QUIET, "bottom")
        self._text(axes, block.middle, block.y + block.height / 2 + 0.04, str(channels), va="top")
        single = self._layout.side == 0
        y = bottom - _BELOW + 0.3 if single else block.y + block.height / 2 + 0.2
        lines = self._words(node)
        if node is not None and node.block is not None:
            axes.text(
                block.middle,
                y + 0.06,
                self._result.letters[node.block],
                fontsize=8.5 * self._zoom,
                fontweight="bold",
                color="white",
                ha="center",
                va="center",
                bbox={
                    "facecolor": self._colour(node),
                    "edgecolor": "none",
                    "boxstyle": "round,pad=0.22",
                },
            )
            y += 0.22
        self._text(axes, block.middle, y, "\n".join(lines), drawing.QUIET, "top")
        return size if set(size) != {1} else previous

    def _text(
        self,
        axes: Axes,
        x: float,
        y: float,
        text: str,
        colour: str = drawing.INK,
        va: str = "center",
    ) -> None:
        axes.text(
            x,
            y,
            text,
            fontsize=self._letters * self._zoom,
            color=colour,
            ha="center",
            va=va,
            linespacing=1.1,
            zorder=5,
        )

    def _words(self, node: DiagramNode | None) -> list[str]:
        if node is None:
            return [self._result.space.noun]
        lines: list[str] = []
        if node.block is None:
            for part in node.label.split(", "):
                lines += textwrap.wrap(part, 10, break_long_words=False)
        if node.contains:
            number, _, what = node.contains.partition(" x ")
            lines += [f"{number} x", *textwrap.wrap(what, 10)]
        if node.others:
            lines.append(f"and {node.others} more")
        if node.repeat > 1:
            lines.append(f"x {node.repeat}")
        return lines


def _steps(blocks: Mapping[int, _Block], columns: Mapping[int, list[int]]) -> list[float]:
    """Return how far it is from each column to the next: blocks and labels beside each other."""
    ranks = sorted(columns)
    wide = [max(blocks[node].width for node in columns[rank]) for rank in ranks]
    deep = [max(blocks[node].slant for node in columns[rank]) for rank in ranks]
    found = []
    for place, (width, slant) in enumerate(zip(wide, deep, strict=True)):
        further = wide[place + 1] if place + 1 < len(wide) else 0.0
        found.append(max(width + slant + 0.08, _PITCH + (width - further) / 2))
    return found


def extent(shape: tuple[int, ...], space: Space) -> tuple[int, tuple[int, ...]]:
    """Return the channels of a shape and the size of its maps; tokens are maps one position high.

    The shape has no axis of images.
    """
    if len(shape) == 1 + space.axes:
        return shape[0], shape[1:]
    tokens = math.prod(shape[:-1]) if len(shape) > 1 else 1
    return (shape[-1] if shape else 1), (*(1,) * (space.axes - 1), tokens)


def _arc(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    height: float,
    *,
    dashed: bool,
    arrow: bool = False,
    behind: bool = False,
) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    top = min(start[1], end[1]) - height * 4 / 3
    corners = [start, (start[0], top), (end[0], top), end]
    axes.add_patch(
        FancyArrowPatch(
            path=Path(corners, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]),
            arrowstyle="-|>" if arrow else "-",
            mutation_scale=6.0,
            linewidth=1.1,
            linestyle=(0, (3, 2)) if dashed else "-",
            color=drawing.INK,
            fill=False,
            zorder=0.6 if behind else 4,
        )
    )
