"""The ways that lead through a network: by the graph of autograd, and where no gradient goes.

Nodes are those of autograd, which knows of every differentiable operation whoever wrote it. What
went on without a gradient, past a detach or under `no_grad`, was noted in the forward pass as
bridges between nodes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch

Node = Any
"""A node of torch's autograd graph, or something else that has `next_functions`."""

Bridges = Mapping[Node, Iterable[Node]]
"""For a node, those that data came from on ways that no gradient goes back."""


def is_leaf(source: torch.Tensor) -> Collection[Node]:
    """Return what `between` takes to begin at a leaf: the node that gathers its gradient."""
    return {torch.autograd.graph.get_gradient_edge(source).node}


def trunk_of(order: list[Node], bridges: Bridges | None = None) -> set[Node]:
    """Return the nodes that no path through `order`, which `between` returned, goes around.

    Notes
    -----
    In a topological order of the nodes between the two, a node can be gone around exactly where an
    edge leads from before it to after it.
    """
    place = {node: index for index, node in enumerate(order)}
    opened = [0] * (len(order) + 1)
    for node in order:
        for below in feeding(node, bridges):
            if below in place and place[node] - place[below] > 1:
                opened[place[below] + 1] += 1
                opened[place[node]] -= 1
    found, depth = set(), 0
    for index, node in enumerate(order):
        depth += opened[index]
        if depth == 0:
            found.add(node)
    return found


def feeding(node: Node, bridges: Bridges | None = None) -> list[Node]:
    """Return the nodes that one was computed from, those on bridges among them where given."""
    below = [one for one, _ in node.next_functions if one is not None]
    return [*below, *bridges.get(node, ())] if bridges else below


def of_parameters_alone(tensor: torch.Tensor) -> bool:
    """Whether all that a tensor gives a gradient back to is parameters, as of weights computed.

    Those of an image, as dynamic filters are, also lead back to it.
    """
    if tensor.grad_fn is None:
        return isinstance(tensor, torch.nn.Parameter)
    ends = [one for one in reachable(tensor.grad_fn) if not one.next_functions]
    return all(isinstance(getattr(one, "variable", None), torch.nn.Parameter) for one in ends)


def between(end: Node, sources: Collection[Node], bridges: Bridges | None = None) -> list[Node]:
    """Return the nodes on paths from any of `sources` to `end`, those nearer to them first."""
    reaches: dict[Node, bool] = {}
    order: list[Node] = []
    stack: list[tuple[Node, bool]] = [(end, False)] if end is not None else []
    while stack:
        node, done = stack.pop()
        if done:
            below = feeding(node, bridges)
            reaches[node] = node in sources or any(reaches[one] for one in below)
            if reaches[node]:
                order.append(node)
        elif node not in reaches:
            reaches[node] = False
            stack.append((node, True))
            stack += [(one, False) for one in feeding(node, bridges) if one not in reaches]
    return order


def reachable(end: Node, bridges: Bridges | None = None) -> set[Node]:
    """Return every node that `end` was computed from, and itself."""
    found: set[Node] = set()
    waiting = [end] if end is not None else []
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += feeding(node, bridges)
    return found
