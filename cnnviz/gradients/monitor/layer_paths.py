"""Which layers lead to which, read off the graph that autograd keeps of a pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter

import torch

from cnnviz.gradients.graph import Node, feeding
from cnnviz.gradients.verdicts import DEEP
from cnnviz.introspection.recomputation import backward_pass

Call = tuple[str, int]
Calls = frozenset[Call]
_LONG = 3
"""Layers from which the deepest path has a depth to lose a gradient in."""


class LayerPaths:
    """Notes what each call of a layer was computed from, while the graph of a step is built.

    What it has seen is written on the nodes of the graph themselves, so that none of them is kept
    alive. A custom function, such as a checkpoint, may call layers when it is sent back through:
    they stand between what it was computed from and what is computed from it.

    Attributes
    ----------
    known : bool
        Whether the place of every layer that was noted is known.
    """

    def __init__(self) -> None:
        self.known = True
        self._feeding: dict[Call, Calls] = {}
        self._inside: dict[Call, list[Call]] = {}

    def note(self, call: Call, given: torch.Tensor | None, output: torch.Tensor) -> None:
        """Note a call, with what went in and what came out."""
        node = output.grad_fn
        if node is None:
            return
        found = self._mark(node) or self._nearest(feeding(node))
        if given is not None and given.grad_fn is not None and not self._mark(given.grad_fn):
            # A skip is then followed as far as the block before, and not to the first layer.
            self._write(given.grad_fn, self._nearest([given.grad_fn]))
        if backward_pass() != -1:
            found = self._within(call, found)
        # A second pass, as over the next part of a batch or of a sequence, goes the same way.
        self._feeding.setdefault(call, found)
        self._write(node, frozenset((call,)))

    def _mark(self, node: Node) -> Calls | None:
        held = node.metadata.get(__name__)
        return held[1] if held is not None and held[0] is self else None

    def _write(self, node: Node, calls: Calls) -> None:
        node.metadata[__name__] = (self, calls)

    def _nearest(self, nodes: Iterable[Node]) -> Calls:
        """Return the calls that are the first on any way back from some nodes."""
        found: set[Call] = set()
        seen: set[Node] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node in seen or not (below := feeding(node)):
                continue
            seen.add(node)
            if (held := self._mark(node)) is not None:
                found |= held
            elif isinstance(node, torch.autograd.function.BackwardCFunction):
                found.add(self._custom(node))
            else:
                waiting += below
        return frozenset(found)

    def _custom(self, node: Node) -> Call:
        """Write down a custom function: what leads to it, and that layers may be called inside."""
        below = self._nearest(feeding(node))
        place = len(self._inside)
        self._feeding["", -place - 1] = below
        self._inside["", place] = []
        self._feeding["", place] = frozenset((("", -place - 1),))
        self._write(node, frozenset((("", place),)))
        return "", place

    def _within(self, call: Call, found: Calls) -> Calls:
        """Return what led to a call in the midst of a backward pass: see what sends back there."""
        node = torch._C._current_autograd_node()
        if not isinstance(node, torch.autograd.function.BackwardCFunction):
            self.known = False
            return found
        (custom,) = self._mark(node) or (self._custom(node),)
        if custom not in self._inside:
            self.known = False  # What is noted inside is also noted as a whole.
            return found
        self._inside[custom].append(call)
        return found or self._feeding[custom]

    def deepest(self, counted: Set[Call]) -> tuple[tuple[Call, ...], ...]:
        """Return the path with most layers, and for each other tower what lies in it alone.

        Parameters
        ----------
        counted : set of (str, int)
            The calls that the gradient is compared of.

        Returns
        -------
        tuple of tuple of (str, int)
            Of several paths with as many layers the one that begins with what was called first. A
            tower begins with a layer that no other leads to, and ends where other ways join it.
        """
        ways = self._ways(counted)
        if not ways:
            return ()
        first = max(ways, key=lambda way: len(way.calls))
        found = [first.calls] if len(first.calls) >= _LONG else []
        for name in dict.fromkeys(way.calls[0][0] for way in ways):
            alone = (way.calls for way in ways if way.begins == {name})
            tower = max(alone, key=len, default=())
            if name != first.calls[0][0] and len(tower) >= DEEP:
                found.append(tower)
        return tuple(found)

    def _ways(self, counted: Set[Call]) -> list[_Way]:
        """Return the deepest way to each call that counts, those from an earlier layer first."""
        place = {call: index for index, call in enumerate(self._feeding)}
        below = {call: self._after(call) for call in self._feeding}
        ways: dict[Call, _Way] = {}
        for call in TopologicalSorter(below).static_order():
            lower = [ways[one] for one in below[call]]
            best = max((way.calls for way in lower), key=partial(_deeper, place), default=())
            begins = frozenset[str]().union(*(way.begins for way in lower))
            if call in counted:
                best, begins = (*best, call), begins or frozenset((call[0],))
            ways[call] = _Way(best, begins)
        real = [way for call, way in ways.items() if call in counted]
        return sorted(real, key=lambda way: place[way.calls[0]])

    def _after(self, call: Call) -> Calls:
        """Return what a call was computed from; of a custom function what is the last inside."""
        inside = self._inside.get(call)
        if not inside:
            return self._feeding[call]
        return frozenset(inside).difference(*(self._feeding[one] for one in inside))


@dataclass(frozen=True)
class _Way:
    """The deepest way to a call, and the names of the layers that any way there begins with."""

    calls: tuple[Call, ...]
    begins: frozenset[str]


def _deeper(place: Mapping[Call, int], calls: tuple[Call, ...]) -> tuple[int, int]:
    return len(calls), -place[calls[0]] if calls else 0
