"""A network as people draw it: a row of layers and blocks, and what is inside the blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cnnviz.course.block_tree import Branch, block_tree, mark_repeated
from cnnviz.course.graph_units import (
    MOST,
    Skip,
    Unit,
    joined,
    leaving,
    outward_units,
    principal,
    runs,
    units_of,
)
from cnnviz.course.layer_labels import layer_label, sign
from cnnviz.introspection.tracing.data_flow import INPUT
from cnnviz.introspection.tracing.trace import LayerCall, Shape, Trace, of_one_image

_LONG_RUN = 5
"""Equal blocks inside a block that are still drawn one by one."""


@dataclass(frozen=True)
class DiagramNode:
    """A layer or a block of a drawing.

    Attributes
    ----------
    name : str
        Its name in the network, that of its principal layer.
    label : str
        What it is: "3x3 conv, stride 2", or the class of a block.
    before, then : str
        What comes before and after it within the node: "BN, ReLU".
    contains : str
        Of a block, how many blocks of one kind are inside it: "6 x DenseLayer".
    kind : str
        The kind of its principal layer; "block" for a block.
    layers : tuple of str
        Every layer in it, of all that it stands for.
    output_shape : tuple of int
        Without the axis of images.
    block : int or None
        Which of the drawing's blocks shows its inside.
    repeat : int
        How many equal ones, one after the other, it stands for.
    others : int
        How many layers of other kinds are drawn with it, because there are too many for the page.
    sign : str
        "+" or "×" where it does nothing else than add or multiply what it reads; else "".
    skip : {"", "identity", "projection"}
        Of a block, whether a way leads around its layers: as it is, or through a layer of its own.
    parameters, macs : int
        Of all its layers, as far as MACs were counted.
    """

    name: str
    label: str
    before: str
    then: str
    contains: str
    kind: str
    layers: tuple[str, ...]
    output_shape: Shape
    block: int | None
    repeat: int
    others: int
    sign: str
    skip: Skip
    parameters: int
    macs: int


@dataclass(frozen=True)
class Diagram:
    """A drawing: of the whole network, or of the inside of a block.

    Attributes
    ----------
    title : str
        The network's name, or the class of the block.
    nodes : tuple of DiagramNode
        In the order of execution.
    links : tuple of (int, int)
        Which node reads which, by their places; -1 is what comes in, and their number what goes
        out.
    stands_for : tuple of str
        The names of all blocks that look like this one; what is drawn is the first of them.
    """

    title: str
    nodes: tuple[DiagramNode, ...]
    links: tuple[tuple[int, int], ...]
    stands_for: tuple[str, ...] = ()


def network_graph(trace: Trace, name: str) -> tuple[Diagram, tuple[Diagram, ...]]:
    """Return the drawing of a network, and of the inside of each kind of block in it.

    Layers that only follow up on another, such as normalisation and activation, join it. Blocks
    whose insides are alike, but for their channels, share one drawing. Where there is no room for
    every layer, modules of one class that follow one another are blocks as well.
    """
    tree = block_tree(trace)
    if _row_length(tree, trace) > MOST:
        mark_repeated(tree, trace)
    made = _Maker(trace)
    trunk = made.diagram(list(tree.opened()), name, MOST)
    return trunk, made.blocks()


def _row_length(tree: Branch, trace: Trace) -> int:
    units = units_of(list(tree.opened()), trace)
    return len(joined(units, trace, outward_units(units, trace)))


class _Maker:
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._found: list[Diagram] = []
        self._names: list[list[str]] = []
        self._known: dict[object, int] = {}

    def blocks(self) -> tuple[Diagram, ...]:
        """Return the insides found so far."""
        pairs = zip(self._found, self._names, strict=True)
        return tuple(replace(one, stands_for=tuple(names)) for one, names in pairs)

    def diagram(self, branches: Sequence[Branch], title: str, most: int) -> Diagram:
        """Return the drawing of what a module calls."""
        units = units_of(branches, self._trace)
        outward = outward_units(units, self._trace)
        units = joined(units, self._trace, outward)
        for unit in units:
            if unit.branch is not None:
                self._open(unit)
        if len(units) > most:
            units = runs(units, self._trace, outward)
        outward = {id(one) for one in units if set(one.calls) & leaving(units, self._trace)}
        places = {id(unit): place for place, unit in enumerate(units)}
        links = {
            (INPUT if source == INPUT else places[source], place)
            for place, unit in enumerate(units)
            for source in unit.reads
        }
        links |= {(places[one], len(units)) for one in outward}
        return Diagram(title, tuple(map(self._node, units)), tuple(sorted(links)))

    def _open(self, unit: Unit) -> None:
        branch = unit.branch
        assert branch is not None
        title = branch.type.lstrip("_") or branch.name
        inside = self.diagram(list(branch.opened()), title, _LONG_RUN * MOST)
        unit.skip, unit.contains = _skip(inside), _contains(inside)
        key = (title, _signature(inside))
        if key not in self._known:
            self._known[key] = len(self._found)
            self._found.append(_shortened(inside))
            self._names.append([])
        unit.block = self._known[key]
        self._names[unit.block].append(branch.name)

    def _node(self, unit: Unit) -> DiagramNode:
        calls = [self._trace.calls[place] for place in unit.calls]
        if unit.branch is not None:
            name, label = unit.branch.name, unit.branch.type.lstrip("_")
            kind, before, then, costliest = "block", "", "", calls[-1]
        else:
            costliest = principal(calls)
            own = calls.index(costliest)
            name, label, kind = costliest.label, layer_label(costliest), costliest.kind
            before, then = _said(calls[:own]), _said(calls[own + 1 :])
            if unit.repeat > 1 or unit.others:
                before = then = ""
        return DiagramNode(
            name=name,
            label=label,
            before=before,
            then=then,
            contains=unit.contains,
            kind=kind,
            layers=tuple(call.label for call in calls),
            output_shape=of_one_image(costliest.output_shape),
            block=unit.block,
            repeat=unit.repeat,
            others=unit.others,
            sign="" if unit.branch is not None or unit.others else sign(costliest),
            skip=unit.skip,
            parameters=sum(call.parameters for call in calls),
            macs=sum(call.macs for call in calls),
        )


_SAID = frozenset({"norm", "activation", "flatten", "pad"})


def _said(calls: Sequence[LayerCall]) -> str:
    return ", ".join(dict.fromkeys(layer_label(call) for call in calls if call.kind in _SAID))


def _skip(inside: Diagram) -> Skip:
    """Return how the inside of a block is led around, if it is."""
    joins = [place for place, node in enumerate(inside.nodes) if node.sign == "+"]
    for place in joins:
        if (INPUT, place) in inside.links:
            return "identity"
    for place in joins:
        ways = [one for one, other in inside.links if other == place]
        heads = [one for one in ways if (INPUT, one) in inside.links]
        if len(ways) > 1 and heads:
            return "projection"
    return ""


def _contains(inside: Diagram) -> str:
    labels = [node.label for node in inside.nodes if node.kind == "block"]
    most = max(labels, key=labels.count, default="")
    return f"{labels.count(most)} x {most}" if labels.count(most) > 1 else ""


def _signature(inside: Diagram) -> object:
    """Return what two insides have in common that are drawn as one."""
    short = _shortened(inside)
    nodes = tuple(
        (node.label, node.before, node.then, node.block)
        for node in short.nodes
        if node.kind != "gap"
    )
    return (nodes, short.links)


def _shortened(inside: Diagram) -> Diagram:
    """Return an inside with a long run of equal blocks cut: the first three, a gap, the last."""
    nodes = inside.nodes
    start = 0
    for place in range(1, len(nodes) + 1):
        if place < len(nodes) and nodes[place].block == nodes[start].block is not None:
            continue
        if place - start > _LONG_RUN and nodes[start].block is not None:
            return _cut(inside, start + 3, place - 1)
        start = place
    return inside


def _cut(inside: Diagram, start: int, stop: int) -> Diagram:
    """Put one node in the place of those from `start` to before `stop`."""
    gone = inside.nodes[start:stop]
    gap = replace(
        gone[-1],
        name=f"{gone[0].name} … {gone[-1].name}",
        label=f"{len(gone)} more of these",
        before="",
        then="",
        contains="",
        sign="",
        kind="gap",
        layers=tuple(layer for node in gone for layer in node.layers),
        repeat=len(gone),
        parameters=sum(node.parameters for node in gone),
        macs=sum(node.macs for node in gone),
    )
    nodes = (*inside.nodes[:start], gap, *inside.nodes[stop:])

    def moved(place: int) -> int:
        return place if place < start else start if place < stop else place - len(gone) + 1

    pairs = {(moved(one), moved(other)) for one, other in inside.links}
    links = tuple(sorted((one, other) for one, other in pairs if one != other))
    return replace(inside, nodes=nodes, links=links)
