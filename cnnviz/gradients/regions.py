"""Towers and deep branches beside the trunk: what has one way in and one way out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from cnnviz.gradients.graph import Node, feeding
from cnnviz.gradients.recorded_layer import RecordedLayer

_IMAGE = -1
_END = -2


def regions(
    met: Sequence[RecordedLayer], order: Sequence[Node], end: Node, trunk: set[Node]
) -> tuple[tuple[int, ...], ...]:
    """Return what the trunk is to the whole network, for each part that lies beside the trunk.

    Parameters
    ----------
    met : sequence of RecordedLayer
        Layers and joins, in the order of calls.
    order : sequence of Node
        The nodes from the image to the end, those nearer to the image first.
    end : Node
        Where the gradient begins.
    trunk : set of Node
        What no way from the first layer to the end goes around.

    Returns
    -------
    tuple of tuple of int
        For each part the places that no way through it goes around, from its first layer on.
    """
    below, above = _neighbours(met, order, end)
    before = _dominators([*below], below, _IMAGE)
    after = _dominators([*reversed(below), _IMAGE], above, _END)
    found: list[tuple[int, ...]] = []
    covered: set[int] = set()
    for start in below:
        if start in covered or start == _END or not met[start].is_layer:
            continue
        region, here = [], start
        while here >= 0 and met[here].node not in trunk and _leads(before, start, here):
            region.append(here)
            here = after.get(here, _END)
        covered.update(region)
        found += [tuple(region)] if len(region) > 1 else []
    return tuple(found)


def _neighbours(
    met: Sequence[RecordedLayer], order: Sequence[Node], end: Node
) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """Return the places next below each place, in the order of data, and those next above it."""
    at: dict[Node, list[int]] = defaultdict(list)
    for place, layer in enumerate(met):
        at[layer.node].append(place)
    below: dict[int, set[int]] = {}
    nearest: dict[Node, set[int]] = {}
    for node in order:
        here = {place for one in feeding(node) for place in nearest.get(one, ())} or {_IMAGE}
        for place in at.get(node, ()):
            below[place] = here
            here = {place}
        nearest[node] = here
    below[_END] = nearest.get(end) or {
        place for one in feeding(end) for place in nearest.get(one, ())
    }
    above: dict[int, set[int]] = defaultdict(set)
    for place, lower in below.items():
        for one in lower:
            above[one].add(place)
    return below, above


def _dominators(order: Iterable[int], lower: Mapping[int, set[int]], root: int) -> dict[int, int]:
    """Return for each place the nearest one that every way from the root to it leads through."""
    nearest, depth = {root: root}, {root: 0}

    def common(one: int, other: int) -> int:
        while one != other:
            if depth[one] < depth[other]:
                one, other = other, one
            one = nearest[one]
        return one

    for place in order:
        known = [one for one in lower.get(place, ()) if one in nearest]
        if place != root and known:
            nearest[place] = reduce(common, known)
            depth[place] = depth[nearest[place]] + 1
    return nearest


def _leads(before: Mapping[int, int], start: int, place: int) -> bool:
    """Whether every way from the image to a place leads through another."""
    while place not in (start, _IMAGE) and place in before:
        place = before[place]
    return place == start
