"""What is drawn as one in a drawing of a network: layers with their followers, and equal ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cnnviz.course.block_tree import Branch
from cnnviz.course.layer_labels import layer_label, sign
from cnnviz.introspection.tracing.data_flow import INPUT
from cnnviz.introspection.tracing.trace import LayerCall, Trace

MOST = 26
"""How many layers and blocks one row shows one by one; more are drawn in runs, with their count."""
Skip = Literal["", "identity", "projection"]
_MINOR = frozenset(
    {"norm", "activation", "dropout", "identity", "flatten", "rearrange", "scale", "pad", "other"}
)


@dataclass(eq=False)
class Unit:
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


def principal(calls: Sequence[LayerCall]) -> LayerCall:
    """Return the layer that a unit is named after: the costliest, or the first of weight."""
    costly = max(calls, key=lambda call: call.macs)
    if costly.macs:
        return costly
    return next((call for call in calls if call.kind not in _MINOR), calls[0])


def units_of(branches: Sequence[Branch], trace: Trace) -> list[Unit]:
    """Return a unit for each block and layer that is part of the graph, with what it reads."""
    linked = {place for link in trace.links for place in link}
    found = []
    for branch in branches:
        calls = [call for call in range(branch.start, branch.stop) if call in linked]
        if calls:
            found.append(Unit(calls, branch if branch.block else None))
    owner = {call: unit for unit in found for call in unit.calls}
    for one, other in trace.links:
        if other in owner:
            source = owner.get(one)
            if source is not owner[other]:
                owner[other].reads.add(INPUT if source is None else id(source))
    return found


def leaving(units: Sequence[Unit], trace: Trace) -> set[int]:
    """Return the calls whose output is read outside."""
    inside = {call for unit in units for call in unit.calls}
    read = {one for one, other in trace.links if one in inside and other not in inside}
    return read | (inside & set(trace.answers))


def outward_units(units: Sequence[Unit], trace: Trace) -> set[int]:
    """Return the units, by identity, whose output is read outside."""
    read = leaving(units, trace)
    return {id(unit) for unit in units if read & set(unit.calls)}


def joined(units: Sequence[Unit], trace: Trace, outward: set[int]) -> list[Unit]:
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


def _is_minor(unit: Unit, trace: Trace) -> bool:
    return all(_follows_up(trace.calls[call], len(unit.reads)) for call in unit.calls)


def _follows_up(call: LayerCall, reads: int) -> bool:
    """Whether a call goes element by element over one input, with constants if any."""
    if call.kind == "other":
        return call.input_shape == call.output_shape
    return call.kind in _MINOR or (reads == 1 and bool(sign(call)))


def _takes_up(reader: Unit, unit: Unit) -> bool:
    return reader.branch is None and reader.reads == {id(unit)}


def _redirect(readers: Iterable[Unit], unit: Unit, to: int) -> None:
    for one in readers:
        one.reads = {to if source == id(unit) else source for source in one.reads}


def runs(units: Sequence[Unit], trace: Trace, outward: set[int]) -> list[Unit]:
    """Draw equal units that follow one another as one; if too many are left, all of one size."""

    def equal(unit: Unit) -> object:
        last = trace.calls[unit.calls[-1]].output_shape
        labels = [layer_label(principal([trace.calls[call] for call in unit.calls]))]
        return (unit.block, last, labels if unit.branch is None else "")

    def alike(unit: Unit) -> object:
        return trace.calls[unit.calls[-1]].output_shape[2:]

    found = _merged(units, equal, outward)
    return found if len(found) <= MOST else _merged(found, alike, outward, mixed=True)


def _merged(
    units: Sequence[Unit],
    key: Callable[[Unit], object],
    outward: set[int],
    *,
    mixed: bool = False,
) -> list[Unit]:
    found: list[Unit] = []
    for unit in units:
        last = found[-1] if found else None
        chained = last is not None and unit.reads == {id(last)} and id(last) not in outward
        alone = last is not None and sum(id(last) in one.reads for one in units) == 1
        if last is not None and chained and alone and key(last) == key(unit):
            merged = Unit(
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
