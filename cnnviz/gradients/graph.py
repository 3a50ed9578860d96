"""Which parts of a graph every path from the input to the output goes through."""

from __future__ import annotations

from typing import Any

import torch

Node = Any
"""A node of torch's autograd graph."""


def trunk(output: torch.Tensor, source: torch.Tensor) -> set[Node]:
    """Return the nodes that no path from `source` to `output` goes around.

    Parameters
    ----------
    output : torch.Tensor
        What was computed.
    source : torch.Tensor
        The leaf that it was computed from.

    Notes
    -----
    In a topological order of the nodes between the two, a node can be gone around exactly where an
    edge leads from before it to after it.
    """
    order = _between(output.grad_fn, source)
    place = {node: index for index, node in enumerate(order)}
    opened = [0] * (len(order) + 1)
    for node in order:
        for below, _ in node.next_functions:
            if below in place and place[node] - place[below] > 1:
                opened[place[below] + 1] += 1
                opened[place[node]] -= 1
    found, depth = set(), 0
    for index, node in enumerate(order):
        depth += opened[index]
        if depth == 0:
            found.add(node)
    return found


def _between(end: Node, source: torch.Tensor) -> list[Node]:
    """Return the nodes on paths between the two, those nearer to the source first."""
    reaches: dict[Node, bool] = {}
    order: list[Node] = []
    stack: list[tuple[Node, bool]] = [(end, False)] if end is not None else []
    while stack:
        node, done = stack.pop()
        if done:
            below = [one for one, _ in node.next_functions if one is not None]
            is_source = getattr(node, "variable", None) is source
            reaches[node] = is_source or any(reaches[one] for one in below)
            if reaches[node]:
                order.append(node)
        elif node not in reaches:
            reaches[node] = False
            stack.append((node, True))
            stack += [
                (one, False)
                for one, _ in node.next_functions
                if one is not None and one not in reaches
            ]
    return order
