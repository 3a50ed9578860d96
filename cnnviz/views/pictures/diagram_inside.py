"""Draws the inside of a block: a box for each layer, branches side by side, skips as arcs."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnviz.course.network_graph import Diagram, DiagramNode
from cnnviz.results import drawing
from cnnviz.results.text import plural, shortened
from cnnviz.views.pictures.blocks import KIND_COLOURS, OTHER_COLOUR
from cnnviz.views.pictures.diagram_layout import DiagramLayout, layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch
    from matplotlib.path import Path
    from matplotlib.transforms import Transform

BOX, HIGH = 1.14, 0.36
"""Width and height of a box, in inches."""
_LANE, _RANK = 1.24, 0.54
_TITLE, _ENDS, _ARC = 0.5, 0.2, 0.2
_TEXT = 7.6
_LETTERS = 24
_FULL = 16
"""Letters of a line that fit into a box; more are set smaller."""


@dataclass(frozen=True)
class Inside:
    """The inside of a block with its layout, and how much room it takes, in inches.

    Attributes
    ----------
    diagram : Diagram
        The layers of the block and the links between them.
    letter, colour : str
        What the block is called, and the colour that it has in the trunk.
    places : DiagramLayout
        Where each of its layers stands.
    inner : mapping of int to (str, str)
        The letter and the colour of each kind of block that may be inside it.
    scale : float
        By how much it is drawn larger.
    """

    diagram: Diagram
    letter: str
    colour: str
    places: DiagramLayout
    inner: Mapping[int, tuple[str, str]]
    scale: float = 1.0

    @classmethod
    def of(cls, diagram: Diagram, block: int, named: Mapping[int, tuple[str, str]]) -> Inside:
        """Lay a block out; `named` has the letters and colours of all."""
        return cls(diagram, *named[block], layout(diagram), named)

    @property
    def width(self) -> float:
        """How wide it is, arcs and the least of a title included."""
        boxes = BOX + 2 * self.places.side * _LANE + self._arcs
        return (max(boxes, 1.7) + 0.2) * self.scale

    @property
    def height(self) -> float:
        """How high it is."""
        ranks = max(1, self.places.ranks - 1)
        return (_TITLE + 2 * _ENDS + ranks * _RANK) * self.scale

    @property
    def _arcs(self) -> float:
        return 2 * max((self._bulge(link) for link in self.places.around), default=0.0)

    def _bulge(self, link: tuple[int, int]) -> float:
        span = self.places.at(link[1]).rank - self.places.at(link[0]).rank
        return _ARC * (1 + 0.45 * (span - 2))

    def draw(self, axes: Axes, left: float, top: float, zoom: float) -> None:
        """Draw it with its upper left corner there; y grows downwards.

        Parameters
        ----------
        zoom : float
            Inches of the figure for each unit of the axes.
        """
        pen = _Pen(axes, left, top, self.scale, zoom)
        self._draw_title(pen)
        middle = self.width / self.scale / 2
        last = len(self.diagram.nodes)
        first = _TITLE + _ENDS + HIGH / 2
        spots = {}
        for node in range(-1, last + 1):
            place = self.places.at(node)
            y = first + place.rank * _RANK
            if node == -1:
                y = _TITLE
            if node == last:
                y = first + (place.rank - 1) * _RANK + HIGH / 2 + _ENDS
            spots[node] = (middle + place.lane * _LANE, y)
        for link in self.diagram.links:
            self._draw_link(pen, link, spots)
        for node, one in enumerate(self.diagram.nodes):
            _draw_node(pen, one, spots[node], self.inner)

    def _draw_title(self, pen: _Pen) -> None:
        letter = {"facecolor": self.colour, "edgecolor": "none", "boxstyle": "round,pad=0.25"}
        pen.text(0.16, 0.14, self.letter, 9.0, "white", weight="bold", bbox=letter)
        room = int((self.width / self.scale - 0.4) * 14)
        title = textwrap.shorten(self.diagram.title, max(room, 12), placeholder=" …")
        first, *others = self.diagram.stands_for
        more = f"; {plural(len(others) + 1, 'block')}" if others else ""
        pen.text(0.33, 0.08, title, 8.5, drawing.INK, side="left")
        most = max(int(room * 1.25), 14)
        shown = f"{shortened(first, max(8, most - len(more)))}{more}"
        pen.text(0.33, 0.26, shown, 7.0, drawing.QUIET, side="left")

    def _draw_link(
        self, pen: _Pen, link: tuple[int, int], spots: dict[int, tuple[float, float]]
    ) -> None:
        from matplotlib.path import Path

        (x, y), (to_x, to_y) = spots[link[0]], spots[link[1]]
        y += self._half(link[0])
        if link in self.places.around:
            edge = max(x, to_x) + BOX / 2
            out = edge + self._bulge(link)
            # Between the rows of boxes first, and then around them.
            y += 0.0 if link[0] < 0 else (_RANK - HIGH) * 0.4
            end = (to_x + self._edge(link[1]), to_y)
            corners = [(x, y), (edge, y), (out, y), (out, to_y), end]
            pen.arrow(Path(corners, [Path.MOVETO, Path.LINETO, *[Path.CURVE4] * 3]))
        else:
            pen.arrow(_way(x, y, to_x, to_y - self._half(link[1]), self._free(link)))

    def _free(self, link: tuple[int, int]) -> bool:
        """Whether nothing stands on the lane on which a link begins."""
        first, last = self.places.at(link[0]), self.places.at(link[1])
        return not any(
            first.rank < place.rank < last.rank and abs(place.lane - first.lane) < 0.5
            for place in self.places.places[:-1]
        )

    def _half(self, node: int) -> float:
        nodes = self.diagram.nodes
        if not 0 <= node < len(nodes):
            return 0.0
        return 0.11 if nodes[node].sign else HIGH / 2

    def _edge(self, node: int) -> float:
        return 0.11 if self.diagram.nodes[node].sign else BOX / 2


@dataclass(frozen=True)
class _Pen:
    """Draws in inches from the corner of an inside, larger or smaller than these."""

    axes: Axes
    left: float
    top: float
    scale: float
    zoom: float

    @property
    def _transform(self) -> Transform:
        from matplotlib.transforms import Affine2D

        moved = Affine2D().scale(self.scale).translate(self.left, self.top)
        return moved + self.axes.transData

    def patch(self, patch: Patch) -> None:
        """Add a patch."""
        patch.set_transform(self._transform)
        patch.set_linewidth(0.9 * self.scale * self.zoom)
        self.axes.add_patch(patch)

    def arrow(self, path: Path) -> None:
        """Draw a path with a tip at its end."""
        from matplotlib.patches import FancyArrowPatch

        size = 5.5 * self.scale * self.zoom
        colour = drawing.QUIET
        self.patch(
            FancyArrowPatch(
                path=path, arrowstyle="-|>", mutation_scale=size, color=colour, fill=False, zorder=1
            )
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        *,
        side: str = "center",
        weight: str = "normal",
        bbox: dict[str, str] | None = None,
    ) -> None:
        """Write a line with its middle at a height."""
        self.axes.text(
            x,
            y,
            text,
            fontsize=size * self.scale * self.zoom,
            color=colour,
            ha=side,
            va="center",
            fontweight=weight,
            bbox=bbox,
            transform=self._transform,
            zorder=3,
        )


def _draw_node(
    pen: _Pen,
    node: DiagramNode,
    spot: tuple[float, float],
    inner: Mapping[int, tuple[str, str]],
) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    x, y = spot
    if node.sign:
        pen.patch(Circle(spot, 0.11, facecolor="white", edgecolor=drawing.INK, zorder=2))
        pen.text(x, y, node.sign, 9.0, drawing.INK)
        if node.then:
            pen.text(x - 0.16, y, node.then, _TEXT, drawing.QUIET, side="right")
        return
    gap = node.kind == "gap"
    letter, colour = inner.get(-1 if node.block is None else node.block, ("", ""))
    colour = colour or KIND_COLOURS.get(node.kind, OTHER_COLOUR)
    pen.patch(
        FancyBboxPatch(
            (x - BOX / 2, y - HIGH / 2),
            BOX,
            HIGH,
            boxstyle="round,pad=0,rounding_size=0.05",
            facecolor="white" if gap else _pale(colour),
            edgecolor=drawing.QUIET if gap else colour,
            linestyle=(0, (2, 2)) if gap else "-",
            zorder=2,
        )
    )
    lines = [text for text in texts(node) if text]
    for number, text in enumerate(lines):
        shift = (number - (len(lines) - 1) / 2) * 0.135
        size = _TEXT * min(1.0, _FULL / len(text))
        pen.text(x, y + shift, text, size, drawing.QUIET if number else drawing.INK)
    if letter and not gap:
        badge = {"facecolor": colour, "edgecolor": "none", "boxstyle": "round,pad=0.2"}
        pen.text(x - BOX / 2, y - HIGH / 2, letter, 6.0, "white", weight="bold", bbox=badge)


def texts(node: DiagramNode) -> tuple[str, str]:
    """Return the two lines of a box: what it is with its channels, and what is with it."""
    label, _, stride = node.label.partition(", ")
    channels = f", {node.output_shape[0]}" if node.kind == "conv" and node.output_shape else ""
    if node.kind == "linear" and node.output_shape:
        channels = f", {node.output_shape[-1]}"
    if len(label + channels) > _LETTERS:
        label = label.replace("depthwise", "depthw.")
    if node.kind == "block" and node.output_shape:
        return (textwrap.shorten(label, _LETTERS - 2, placeholder=" …"), str(node.output_shape[0]))
    beside = [f"after {node.before}" if node.before else "", stride, node.then]
    return (
        textwrap.shorten(label + channels, _LETTERS + 2, placeholder=" …"),
        textwrap.shorten(", ".join(filter(None, beside)), _LETTERS + 3, placeholder=" …"),
    )


def _way(x: float, y: float, to_x: float, to_y: float, free: bool) -> Path:
    """Return the path of a link: straight, or bent where it leaves or reaches a row of boxes."""
    from matplotlib.path import Path

    if abs(x - to_x) < 1e-6:
        return Path([(x, y), (to_x, to_y)], [Path.MOVETO, Path.LINETO])
    step = min(_RANK - HIGH, to_y - y)
    bend = to_y - step if free else y + step
    middle = bend + step / 2 if free else bend - step / 2
    corners = [(x, bend), (x, middle), (to_x, middle), (to_x, bend + step)]
    if not free:
        corners = [(x, y), (x, middle), (to_x, middle), (to_x, bend), (to_x, to_y)]
        return Path(corners, [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO])
    return Path([(x, y), *corners], [Path.MOVETO, Path.LINETO, *[Path.CURVE4] * 3])


def _pale(colour: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return tuple(1 - 0.16 * (1 - part) for part in to_rgb(colour))
