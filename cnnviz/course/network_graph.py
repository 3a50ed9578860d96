"""A network as people draw it: a row of layers and blocks, and what is inside the blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from cnnviz.course.block_tree import Branch, block_tree
from cnnviz.course.layer_labels import layer_label, sign
from cnnviz.introspection.tracing.data_flow import INPUT
from cnnviz.introspection.tracing.trace import LayerCall, Shape, Trace, of_one_image

MOST = 26
"""How many layers and blocks one row shows one by one; more are drawn in runs, with their count."""
_LONG_RUN = 5
"""Equal blocks inside a block that are still drawn one by one."""
_MINOR = frozenset(
    {"norm", "activation", "dropout", "identity", "flatten", "rearrange", "scale", "pad", "other"}
)
Skip = Literal["", "identity", "projection"]


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


@dataclass(eq=False)
class _Unit:
    """Calls that are drawn as one, while the drawing is made."""

    calls: list[int]
    branch: Branch | None = None
    block: int | None = None
    repeat: int = 1
    skip: Skip = ""
    contains: str = ""
    others: int = 0
    """How many layers of other kinds were drawn with it for want of room."""
    reads: set[int] = field(default_factory=set)
    """The units it reads, by identity; INPUT for what comes from outside."""


def network_graph(trace: Trace, name: str) -> tuple[Diagram, tuple[Diagram, ...]]:
    """Return the drawing of a network, and of the inside of each kind of block in it.

    Layers that only follow up on another, such as normalisation and activation, join it. Blocks
    whose insides are alike, but for their channels, share one drawing.
    """
    made = _Maker(trace)
    trunk = made.diagram(list(block_tree(trace).opened()), name, MOST)
    return trunk, made.blocks()


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
        units = _units(branches, self._trace)
        outward = _outward(units, self._trace)
        units = _joined(units, self._trace, outward)
        for unit in units:
            if unit.branch is not None:
                self._open(unit)
        if len(units) > most:
            units = _runs(units, self._trace, outward)
        outward = {id(one) for one in units if set(one.calls) & _leaving(units, self._trace)}
        places = {id(unit): place for place, unit in enumerate(units)}
        links = {
            (INPUT if source == INPUT else places[source], place)
            for place, unit in enumerate(units)
            for source in unit.reads
        }
        links |= {(places[one], len(units)) for one in outward}
        return Diagram(title, tuple(map(self._node, units)), tuple(sorted(links)))

    def _open(self, unit: _Unit) -> None:
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

    def _node(self, unit: _Unit) -> DiagramNode:
        calls = [self._trace.calls[place] for place in unit.calls]
        if unit.branch is not None:
            name, label = unit.branch.name, unit.branch.type.lstrip("_")
            kind, before, then, principal = "block", "", "", calls[-1]
        else:
            principal = _principal(calls)
            own = calls.index(principal)
            name, label, kind = principal.label, layer_label(principal), principal.kind
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
            output_shape=of_one_image(principal.output_shape),
            block=unit.block,
            repeat=unit.repeat,
            others=unit.others,
            sign="" if unit.branch is not None or unit.others else sign(principal),
            skip=unit.skip,
            parameters=sum(call.parameters for call in calls),
            macs=sum(call.macs for call in calls),
        )


_SAID = frozenset({"norm", "activation", "flatten", "pad"})


def _said(calls: Sequence[LayerCall]) -> str:
    return ", ".join(dict.fromkeys(layer_label(call) for call in calls if call.kind in _SAID))


def _principal(calls: Sequence[LayerCall]) -> LayerCall:
    costly = max(calls, key=lambda call: call.macs)
    if costly.macs:
        return costly
    return next((call for call in calls if call.kind not in _MINOR), calls[0])


def _units(branches: Sequence[Branch], trace: Trace) -> list[_Unit]:
    """Return a unit for each block and layer that is part of the graph, with what it reads."""
    linked = {place for link in trace.links for place in link}
    found = []
    for branch in branches:
        calls = [call for call in range(branch.start, branch.stop) if call in linked]
        if calls:
            found.append(_Unit(calls, branch if branch.block else None))
    owner = {call: unit for unit in found for call in unit.calls}
    for one, other in trace.links:
        if other in owner:
            source = owner.get(one)
            if source is not owner[other]:
                owner[other].reads.add(INPUT if source is None else id(source))
    return found


def _leaving(units: Sequence[_Unit], trace: Trace) -> set[int]:
    """Return the calls whose output is read outside."""
    inside = {call for unit in units for call in unit.calls}
    read = {one for one, other in trace.links if one in inside and other not in inside}
    return read | (inside & set(trace.answers))


def _outward(units: Sequence[_Unit], trace: Trace) -> set[int]:
    leaving = _leaving(units, trace)
    return {id(unit) for unit in units if leaving & set(unit.calls)}


def _joined(units: Sequence[_Unit], trace: Trace, outward: set[int]) -> list[_Unit]:
    """Join what only follows up on a layer to it, or to the layer that follows."""
    found = list(units)
    for unit in list(units):
        if unit.branch is not None or not _is_minor(unit, trace) or len(unit.reads) != 1:
            continue
        by_id = {id(one): one for one in found}
        source = by_id.get(next(iter(unit.reads)))
        readers = [one for one in found if id(unit) in one.reads]
        before = source is not None and source.branch is None and id(source) not in outward
        if before and source is not None and sum(id(source) in one.reads for one in found) == 1:
            source.calls += unit.calls
            _redirect(readers, unit, id(source))
            if id(unit) in outward:
                outward.add(id(source))
            found.remove(unit)
        elif len(readers) == 1 and _takes_up(readers[0], unit) and id(unit) not in outward:
            readers[0].calls[:0] = unit.calls
            readers[0].reads = set(unit.reads)
            found.remove(unit)
    return found


def _is_minor(unit: _Unit, trace: Trace) -> bool:
    return all(_follows_up(trace.calls[call], len(unit.reads)) for call in unit.calls)


def _follows_up(call: LayerCall, reads: int) -> bool:
    """Whether a call goes element by element over one input, with constants if any."""
    if call.kind == "other":
        return call.input_shape == call.output_shape
    return call.kind in _MINOR or (reads == 1 and bool(sign(call)))


def _takes_up(reader: _Unit, unit: _Unit) -> bool:
    return reader.branch is None and reader.reads == {id(unit)}


def _redirect(readers: Iterable[_Unit], unit: _Unit, to: int) -> None:
    for one in readers:
        one.reads = {to if source == id(unit) else source for source in one.reads}


def _runs(units: Sequence[_Unit], trace: Trace, outward: set[int]) -> list[_Unit]:
    """Draw equal units that follow one another as one; if too many are left, all of one size."""

    def equal(unit: _Unit) -> object:
        last = trace.calls[unit.calls[-1]].output_shape
        labels = [layer_label(_principal([trace.calls[call] for call in unit.calls]))]
        return (unit.block, last, labels if unit.branch is None else "")

    def alike(unit: _Unit) -> object:
        return trace.calls[unit.calls[-1]].output_shape[2:]

    found = _merged(units, equal, outward)
    return found if len(found) <= MOST else _merged(found, alike, outward, mixed=True)


def _merged(
    units: Sequence[_Unit],
    key: Callable[[_Unit], object],
    outward: set[int],
    *,
    mixed: bool = False,
) -> list[_Unit]:
    found: list[_Unit] = []
    for unit in units:
        last = found[-1] if found else None
        chained = last is not None and unit.reads == {id(last)} and id(last) not in outward
        alone = last is not None and sum(id(last) in one.reads for one in units) == 1
        if last is not None and chained and alone and key(last) == key(unit):
            merged = _Unit(
                last.calls + unit.calls,
                last.branch or unit.branch,
                last.block if last.block is not None else unit.block,
                1 if mixed else last.repeat + unit.repeat,
                last.skip or unit.skip,
                last.contains if last.contains == unit.contains else "",
                last.others + unit.others + mixed * (last.repeat + unit.repeat - 1),
                last.reads,
            )
            units = [merged if one is unit else one for one in units]
            _redirect(units, unit, id(merged))
            if id(unit) in outward:
                outward.add(id(merged))
            found[-1] = merged
        else:
            found.append(unit)
    return found


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
