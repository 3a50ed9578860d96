"""Where the stages of a network end, by the order in which its layers are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from cnnviz.introspection.call_names import call_name
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.tracing.map_layout import MapLayout, NoMap
from cnnviz.models.reading import Reading
from cnnviz.passes.spatial_maps import TracedOutput

STAGES = "stages"
_NOT_FEATURES = ("pool", "dropout", "flatten", "identity", "pad")
_REARRANGING = ("rearrange",)
"""A block may end with these, and be named after what is around them."""


class Read(NamedTuple):
    """A tensor that comes to a layer."""

    produced: tuple[int, int]
    """As `OrderedCall.produced`, where a layer gave it."""
    shape: tuple[int, ...]


@dataclass(frozen=True)
class OrderedCall:
    """One call of one layer, in the order in which the calls end."""

    name: str
    index: int
    kind: str
    shape: tuple[int, ...] | None
    produced: tuple[int, int]
    """Shared by the calls that return the very same tensor, unwritten to in between."""
    map: MapLayout | NoMap
    """How the output holds a map of the image, or why it holds none."""
    reads: tuple[Read, ...] = ()
    """The tensors that came to it."""


@dataclass(frozen=True)
class CallOrder:
    """The calls of one forward pass.

    Attributes
    ----------
    calls : tuple of OrderedCall
        Every call, in the order in which the calls end.
    classes : int or None
        How many classes the network answers with: the length of its output, or the channels of a
        class map as large as the image; None where it answers otherwise.
    image : tuple of int
        Height and width of the input, or its size along each axis.
    unread : frozenset of (str, int)
        Calls whose map the answer does not depend on, where there are tokens besides.
    detects : bool
        Whether the network answers with boxes.
    returned : frozenset of (int, int)
        What it returned just as it came from a layer, as `OrderedCall.produced`.
    unreached : frozenset of (str, int)
        Calls that no gradient of the answer comes back to, such as those of another head.
    leading_on : frozenset of (str, int)
        Of a detector, the calls that the map of a later layer is computed from, whatever functions
        lie between.
    traced : mapping of (str, int) to TracedOutput
        What `cnnviz.passes.spatial_maps.traced_outputs` found, which the calls were told by.
    reading : Reading or None
        How the output was read, where it could be.
    """

    calls: tuple[OrderedCall, ...]
    classes: int | None
    image: tuple[int, ...]
    unread: frozenset[Key] = frozenset()
    detects: bool = False
    returned: frozenset[tuple[int, int]] = frozenset()
    unreached: frozenset[Key] = frozenset()
    leading_on: frozenset[Key] = frozenset()
    traced: Mapping[Key, TracedOutput] = field(default_factory=dict, compare=False)
    reading: Reading | None = None

    def last(self, names: Iterable[str]) -> tuple[str, int] | None:
        """Return the last call (name, index) among the layers with these names."""
        wanted = set(names)
        ends = [(call.name, call.index) for call in self.calls if call.name in wanted]
        return ends[-1] if ends else None

    def stages(self) -> tuple[str, ...]:
        """Return the layer at the end of each spatial resolution, from shallow to deep.

        Only maps of the image count (see `cnnviz.passes.spatial_maps`), in whatever layout. Of the
        layers with one resolution those inside the fewest others count, so that a stage ends with a
        block and not in the middle of the next one; of these, the last. Pooling, padding, dropout
        and maps of the classes themselves are passed over, as are those of another shape than the
        image's ahead of one that has it. Where a block and the layers inside it
        return the very same tensor, the innermost that is called only once gives the name; calls
        for something else than the image, such as a reference to compare it with, do not count,
        and layers that are called several times end a stage where all are. A map
        whose places the answer no longer depends on, as the tokens beside a class token that alone
        is read, ends no stage: the last one before it does. Nor does one that no gradient of the
        answer comes back to, or one of a single channel, which weighs or scores the places of
        others, where there is another. Of a detector every level of the `pyramid` is among them,
        and not what it returns.
        """
        ends = (
            self._ends(classes=False)
            or self._ends(classes=True)
            or self._ends(classes=False, often=set())
        )
        if not self.detects:
            return ends
        # A pyramid may have several levels of one resolution.
        chosen = {*ends, *self.pyramid()}
        return tuple(name for name in self._names().values() if name in chosen)

    def repeated(self) -> tuple[str, ...]:
        """Return the layers that go on over the maps of a stage, again and again at one resolution.

        As the cell of a recurrent network does over time, or a block that refines its own output:
        where the last map of a resolution is theirs, the stage that `stages` names is not the last
        map before the head. Layers that are shared by several resolutions, as the head over a
        pyramid is, or that are called again as their activation alone, are none.
        """
        often = self._often()
        if not often or self.detects:
            return ()
        ends = set(self._ends(classes=False))
        places = {
            _resolution(calls[0]): place
            for place, calls in enumerate(self._chains())
            if any(call.name in ends for call in calls)
        }
        sizes: dict[str, set[tuple[int, ...]]] = {}
        for call in self.calls:
            sizes.setdefault(call.name, set()).add(_resolution(call))
        found: dict[tuple[int, ...], str] = {}
        for place, calls in enumerate(self._chains()):
            size, names = _resolution(calls[0]), [call.name for call in calls]
            goes_on = place > places.get(size, place)
            works = any(call.kind not in (*_REARRANGING, "activation") for call in calls)
            alike = all(name in often and len(sizes[name]) == 1 for name in names)
            lost = any((call.name, call.index) in self.unreached for call in calls)
            if goes_on and works and alike and not lost and self._holds_features(calls[0]):
                found[size] = names[0]
        return tuple(dict.fromkeys(found.values()))

    def stage_layers(self) -> tuple[str, ...]:
        """Return the layers that "stages" stands for: `stages`, and those `repeated` over them."""
        return (*self.stages(), *self.repeated())

    def stage_keys(self) -> tuple[Key, ...]:
        """Return the last call, at each resolution, of every one of `stage_layers`, in order."""
        wanted = set(self.stage_layers())
        last = {
            (call.name, _resolution(call)): (call.name, call.index)
            for call in self.calls
            if call.name in wanted and call.map is not NoMap.NO_IMAGE
        }
        chosen = set(last.values())
        calls = ((call.name, call.index) for call in self.calls)
        return tuple(key for key in calls if key in chosen)

    def stage_calls(self) -> tuple[str, ...]:
        """Return `stage_keys` as they are written."""
        return tuple(self.written(*key) for key in self.stage_keys())

    def written(self, name: str, index: int) -> str:
        """Return what a call is asked for by, ``name#1`` for one of several calls."""
        return call_name(name, index, self._times[name])

    @cached_property
    def _times(self) -> Counter[str]:
        return Counter(call.name for call in self.calls)

    def pyramid(self) -> tuple[str, ...]:
        """Return the layers whose maps the heads of a detector read, in the order of the calls.

        These are the maps that the last layer that is given several takes, at once or in turn, and
        that makes no maps for others of them, as a neck does. One that no layer gave, as where it
        was scaled on the way, stands for the last one of its shape before. Without such a layer it
        is the last stage alone.
        """
        names = self._names()
        last_of_shape: dict[tuple[int, ...], str] = {}
        reads: dict[str, set[str]] = {}
        for call in self.calls:
            for read in call.reads:
                level = names.get(read.produced) or last_of_shape.get(read.shape)
                if level is not None:
                    reads.setdefault(call.name, set()).add(level)
            if call.produced in names and call.shape is not None:
                last_of_shape[call.shape] = names[call.produced]
        for place, call in reversed([*enumerate(self.calls)]):
            levels = reads.get(call.name, set())
            if len(levels) > 1 and not self._leads_on(place, names):
                return tuple(name for name in names.values() if name in levels)
        return self._ends(classes=False)[-1:]

    def _leads_on(self, place: int, names: Mapping[tuple[int, int], str]) -> bool:
        """Whether layers outside a call go on with maps of it, as with those of a neck."""
        inside = self.calls[place].name
        return any(
            (owner := names.get(read.produced)) is not None
            and (owner == inside or owner.startswith(f"{inside}."))
            for later in self.calls[place + 1 :]
            if not inside.startswith(f"{later.name}.")
            for read in later.reads
        )

    def _names(self) -> dict[tuple[int, int], str]:
        """Return the layer that gave each map, of those that are called once."""
        often = self._often()
        found: dict[tuple[int, int], str] = {}
        for call in self.calls:
            has_places = not isinstance(call.map, NoMap) and call.map.dims
            if has_places and call.name not in often and call.kind not in _REARRANGING:
                found.setdefault(call.produced, call.name)
        return found

    def _ends(self, *, classes: bool, often: set[str] | None = None) -> tuple[str, ...]:
        often = self._often() if often is None else often
        # Of a detector: a neck that returns several maps is no block that a stage could end with.
        around = (call for call in self.calls if call.shape is not None or not self.detects)
        called = {call.name for call in around}
        chains: dict[tuple[int, ...], list[_Chain]] = {}
        for place, calls in enumerate(self._chains()):
            first = calls[0]
            names = [
                call.name
                for call in calls
                if call.name not in often and call.kind not in _REARRANGING
            ]
            if not names or not self._holds_features(first, classes=classes):
                continue
            depth = min(_depth(call.name, called) for call in calls)
            read = not any((call.name, call.index) in self.unread for call in calls)
            within = tuple(f"{call.name}." for call in calls)
            reached = not all((call.name, call.index) in self.unreached for call in calls)
            several = isinstance(first.map, MapLayout) and first.map.channels > 1
            chain = _Chain(names[0], place, depth, read, within, reached, several)
            chains.setdefault(_resolution(first), []).append(chain)
        ends = [
            (end.place, end.name, self._has_shape_of_image(size))
            for size, alike in chains.items()
            if (end := _end(alike)) is not None
        ]
        last = max((place for place, _, alike in ends if alike), default=-1)
        # What gates the rows or the columns of a map is no stage ahead of it.
        return tuple(name for place, name, alike in sorted(ends) if alike or place > last)

    def _often(self) -> set[str]:
        """Return the layers that more than one call gives what depends on the image."""
        seen = Counter(call.name for call in self.calls if call.map is not NoMap.NO_IMAGE)
        return {name for name, times in seen.items() if times > 1}

    def _has_shape_of_image(self, size: tuple[int, ...]) -> bool:
        whole = self.image[-2:]
        shares = [length / side for length, side in zip(size, whole, strict=True)]
        # Windows that do not fit evenly bend the shape of small maps a little.
        return 0.6 < shares[0] / shares[-1] < 1.7

    def _holds_features(self, call: OrderedCall, *, classes: bool = False) -> bool:
        layout = call.map
        if isinstance(layout, NoMap) or call.kind in _NOT_FEATURES:
            return False
        if self.detects and self._is_answer(call):
            return False
        several = layout.size != layout.space.one_place
        return several and (classes or layout.channels != self.classes)

    def _is_answer(self, call: OrderedCall) -> bool:
        """Whether a map is what a detector reads boxes from: no layer goes on with it."""
        taken = call.produced[0] in self._taken or (call.name, call.index) in self.leading_on
        return call.produced in self.returned or (call.kind == "conv" and not taken)

    @cached_property
    def _taken(self) -> frozenset[int]:
        # Not by version: a layer that works in place reads one and leaves the next.
        return frozenset(place for call in self.calls for (place, _), _ in call.reads)

    def _chains(self) -> list[list[OrderedCall]]:
        chains: dict[tuple[int, int], list[OrderedCall]] = {}
        for call in self.calls:
            chains.setdefault(call.produced, []).append(call)
        return list(chains.values())


def _resolution(call: OrderedCall) -> tuple[int, ...]:
    layout = call.map
    if isinstance(layout, NoMap):
        return ()
    size = layout.size
    if not layout.covers_input and len(layout.dims) == len(size):
        # Of a canvas larger than the input more or fewer positions stand for a place of it.
        size = tuple(layout.shape[dim] for dim in layout.dims)
    # Of a volume the rows and columns: a convolution that is parted into one of each slice and one
    # along them, (2+1)D, strides these at different layers of one block.
    return size[-2:]


@dataclass(frozen=True)
class _Chain:
    """Calls that return the very same map, by the name of one of them."""

    name: str
    place: int
    depth: int
    read: bool
    within: tuple[str, ...]
    """What the names of layers inside these begin with."""
    reached: bool
    several: bool
    """Whether it has more than one channel."""


def _end(chains: list[_Chain]) -> _Chain | None:
    """Return the last map of one resolution whose places the answer depends on."""
    chains = [chain for chain in chains if chain.reached] or chains
    chains = [chain for chain in chains if chain.several] or chains
    if not chains:
        return None
    least = min(chain.depth for chain in chains)
    for chain in reversed([chain for chain in chains if chain.depth == least]):
        if chain.read:
            return chain
        inside = _end(
            [
                other
                for other in chains
                if other.name.startswith(chain.within) and other.depth > least
            ]
        )
        if inside is not None:
            return inside
    return None


def _depth(name: str, called: set[str]) -> int:
    """Return inside how many called modules a layer lies; a list of modules is not called."""
    parts = name.split(".")
    return sum(".".join(parts[:k]) in called for k in range(1, len(parts)))
