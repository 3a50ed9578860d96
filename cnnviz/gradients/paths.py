"""Which of what was recorded counts, and the deepest way from the image to the output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch.autograd.graph import GradientEdge, get_gradient_edge

from cnnviz.gradients.forward_recorder import ForwardRecorder
from cnnviz.gradients.graph import (
    Bridges,
    Node,
    between,
    feeding,
    is_leaf,
    reachable,
    trunk_of,
)
from cnnviz.gradients.origins import Cut
from cnnviz.gradients.recorded_layer import RecordedLayer, label_of
from cnnviz.gradients.regions import regions
from cnnviz.introspection import operations
from cnnviz.results.text import listed

NAMED = 6
"""How many layers a sentence names before it counts them."""

_Front = frozenset[Node]


@dataclass(frozen=True, eq=False)
class Paths:
    """The layers and joins of a forward pass, and how they lie on the ways through it.

    Attributes
    ----------
    met : list of RecordedLayer
        In the order of calls. A join is among them where layers lie on one of the ways that it
        joins and not on another: ``x * sigmoid(x)`` is arithmetic.
    kept : list of int
        For each place in `ForwardRecorder.met`, that of the last before it, or at it, that is here.
    path : tuple of int
        Places of the layers on the way from the image to the output with most layers; the one that
        was called first where several have as many.
    trunk : set of Node
        What no way from the first of them to the output goes around.
    beside : set of int
        Places that the first of them does not lead to, and of joins that do not gather two of its
        ways: those of other towers.
    cut : tuple of int
        Places of layers that the output was computed from, and that no gradient comes back to.
    detached : tuple of str
        Layers besides these whose values the output also depends on where no gradient comes back,
        and "the image" where no layer lies before that.
    unfollowed : tuple of str
        What could not be looked into.
    regions : tuple of tuple of int
        For each part beside the trunk, the places that no way through it goes around.
    """

    met: list[RecordedLayer]
    kept: list[int]
    path: tuple[int, ...]
    trunk: set[Node]
    beside: set[int]
    cut: tuple[int, ...]
    detached: tuple[str, ...]
    unfollowed: tuple[str, ...]
    regions: tuple[tuple[int, ...], ...]


def paths(watch: ForwardRecorder, end: torch.Tensor, source: torch.Tensor) -> Paths:
    """Return the ways from `source` to `end` of what a recorder has met.

    Parameters
    ----------
    watch : ForwardRecorder
        What has recorded the pass.
    end : torch.Tensor
        What is sent back from.
    source : torch.Tensor
        The leaf that the images are.
    """
    bridges, image = watch.origins.bridges, is_leaf(source)
    back = reachable(end.grad_fn)
    met, unfollowed = _opened(watch, back)
    met = _read(met, end, back)
    order = between(Cut([end.grad_fn, *(one.node for one in met if one)]), image, bridges)[:-1]
    known = _counted([one and _classified(one, set(order)) for one in met])
    counting = _joining(known, order, image)
    kept, places = [], []
    for one in known:
        if one is not None and (one.is_layer or id(one) in counting):
            kept.append(one)
        places.append(len(kept) - 1)
    used = reachable(end.grad_fn, bridges)
    path = _deepest(kept, [node for node in order if node in used], end.grad_fn, image, bridges)
    if path and end is watch.last_input:
        # The last layer passes nothing back, so what goes into it was sent back.
        path += tuple(place for place in _layers(kept)[-1:] if kept[place].node not in used)
    after = _after(kept, path, end.grad_fn, bridges)
    if not path:
        unfollowed = (*unfollowed, "the way from the image to the output")
    cut = tuple(
        place
        for place, one in enumerate(kept)
        if one.is_layer and one.node in used and one.node not in back
    )
    trunk = trunk_of(after, bridges if path and kept[path[0]].node not in back else None)
    return Paths(
        met=kept,
        kept=places,
        path=path,
        trunk=trunk,
        beside=_beside(kept, counting, set(after)),
        cut=cut,
        detached=_detached(kept, {kept[place].node for place in cut}, back, bridges),
        unfollowed=unfollowed,
        regions=regions(kept, [node for node in order if node in back], end.grad_fn, trunk),
    )


def _detached(
    met: list[RecordedLayer], cut: set[Node], back: set[Node], bridges: Bridges
) -> tuple[str, ...]:
    """Name the last layers whose values go on past a gradient that also comes back to them."""
    layers = {one.node: label_of(one) for one in met if one.is_layer}
    names: dict[str, None] = {}
    seen: set[Node] = set()
    waiting = [origin for node in back for origin in bridges.get(node, ())]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        below = feeding(node)
        if node in layers:
            if node not in cut:
                names[layers[node]] = None
        elif below:
            waiting += below
        elif hasattr(node, "variable") and not isinstance(node.variable, torch.nn.Parameter):
            names["the image"] = None
    order = [label_of(one) for one in met]
    return tuple(sorted(names, key=lambda name: order.index(name) if name in order else -1))


def _opened(
    watch: ForwardRecorder, nodes: set[Node]
) -> tuple[list[RecordedLayer | None], tuple[str, ...]]:
    """Give layers in custom functions the gradient of what these return, or name them.

    What the function returns stands for its layer where it is one; of several, nothing is known of
    what becomes of the gradient between them.
    """
    inside: dict[tuple[type, int], list[int]] = defaultdict(list)
    for place, one in enumerate(watch.met):
        if one.inside is not None:
            inside[one.inside].append(place)
    met: list[RecordedLayer | None] = list(watch.met)
    unfollowed = []
    for (called, call), places in inside.items():
        mine = [node for node in nodes if isinstance(node, called._backward_cls)]  # type: ignore[attr-defined]
        mine.sort(key=lambda node: int(node._sequence_nr()))
        if len(places) == 1 and len(mine) == len(watch.inside[called]):
            node = mine[call]
            one = watch.met[places[0]]
            met[places[0]] = replace(one, node=node, edge=GradientEdge(node, 0))
            continue
        names = list(dict.fromkeys(label_of(watch.met[place]) for place in places))
        unfollowed.append(f"{listed(names, NAMED)} inside {called.__name__}")
        for place in places:
            met[place] = None
    return met, tuple(unfollowed)


def _read(
    met: list[RecordedLayer | None], end: torch.Tensor, nodes: set[Node]
) -> list[RecordedLayer | None]:
    """Look at those outputs of a layer that are read: often the last state, not all of them."""
    read = {(below, number) for node in nodes for below, number in node.next_functions}
    read.add((end.grad_fn, get_gradient_edge(end).output_nr))

    def looked_at(one: RecordedLayer | None) -> RecordedLayer | None:
        if one is None or one.edge is None or not one.others:
            return one
        edges = [edge for edge in (one.edge, *one.others) if (edge.node, edge.output_nr) in read]
        if not edges:
            return one
        return replace(one, node=edges[0].node, edge=edges[0], others=tuple(edges[1:]))

    return [looked_at(one) for one in met]


def _classified(one: RecordedLayer, reaching: set[Node]) -> RecordedLayer:
    """Call a product with weights a linear layer; any other is a join."""
    if one.kind != operations.PRODUCT:
        return one
    of_image = [term in reaching for term in one.terms]
    if any(of_image) and (one.multiplies or not all(of_image)):
        return replace(one, kind="linear")
    return replace(one, weights=())


def _counted(met: list[RecordedLayer | None]) -> list[RecordedLayer | None]:
    """Count the layers of a module together where several kinds of them have the same name.

    A convolution and a linear layer that one module calls as functions are the first of their kind.
    """
    of_module: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(met):
        if one is not None and one.is_layer:
            of_module[one.name].append(place)
    found = list(met)
    for places in of_module.values():
        layers = [one for place in places if (one := met[place]) is not None]
        clear = len({label_of(one) for one in layers}) == len(layers)
        if clear and len({one.times for one in layers}) == 1:
            continue
        for index, (place, one) in enumerate(zip(places, layers, strict=True)):
            found[place] = replace(one, index=index, times=len(layers))
    return found


def _joining(
    met: list[RecordedLayer | None],
    order: list[Node],
    image: Collection[Node],
) -> dict[int, dict[Node, _Front]]:
    """Return the joins that ways of the gradient with different layers meet in, by their id.

    With each, for what it joins, the layers that were the last on the ways there.
    """
    at: dict[Node, list[RecordedLayer]] = defaultdict(list)
    for one in met:
        if one is not None:
            at[one.node].append(one)
    fronts: dict[Node, _Front] = {}
    found: dict[int, dict[Node, _Front]] = {}
    for node in order:
        below = [fronts[one] for one in feeding(node) if one in fronts]
        fronts[node] = frozenset((node,)) if node in image else frozenset().union(*below)
        for one in at.get(node, ()):
            terms = {term: fronts[term] for term in one.terms if term in fronts}
            joins = len({front for front in terms.values() if front <= fronts[node]}) > 1
            if not one.is_layer and joins:
                found[id(one)] = terms
            if one.is_layer or joins:
                fronts[node] = frozenset((node,))
    return found


def _deepest(
    met: list[RecordedLayer],
    order: list[Node],
    end: Node,
    image: Collection[Node],
    bridges: Bridges,
) -> tuple[int, ...]:
    at: dict[Node, list[int]] = defaultdict(list)
    for place, one in enumerate(met):
        if one.is_layer:
            at[one.node].append(place)
    # How many layers lead to a node, and which was the first; less is later.
    best: dict[Node, tuple[int, int]] = {}
    back: dict[Node, Node] = {}
    for node in order:
        below = [one for one in feeding(node, bridges) if one in best]
        if node in image or not below:
            best[node] = (0, -len(met))
        else:
            back[node] = max(below, key=lambda one: best[one])
            best[node] = best[back[node]]
        depth, first = best[node]
        if node in at:
            best[node] = (depth + len(at[node]), first if depth else -at[node][0])
    path: list[int] = []
    here = end if end in best else None
    while here is not None:
        path += reversed(at.get(here, ()))
        here = back.get(here)
    return tuple(reversed(path))


def _layers(met: list[RecordedLayer]) -> list[int]:
    return [place for place, one in enumerate(met) if one.is_layer]


def _after(
    met: list[RecordedLayer], path: tuple[int, ...], end: Node, bridges: Bridges
) -> list[Node]:
    """Return the nodes from the first layer of the path on; those on bridges only if need be."""
    if not path:
        return []
    first = {met[path[0]].node}
    return between(end, first) or between(end, first, bridges)


def _beside(
    met: list[RecordedLayer], joins: dict[int, dict[Node, _Front]], after: set[Node]
) -> set[int]:
    def own(one: RecordedLayer) -> bool:
        if one.is_layer or one.node not in after:
            return one.node in after
        return len({front for term, front in joins[id(one)].items() if term in after}) > 1

    return {place for place, one in enumerate(met) if not own(one)}
