"""Which activation functions a gradient goes through, read from the graph that autograd keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from cnnviz.introspection.node_names import activation_name

_SAID = "cnnviz_activation"
_ASIDE = "cnnviz_aside"


def notes_of(node: Any) -> dict[str, Any]:
    """Return what can be noted at a node of the graph, for as long as the graph is there."""
    found: dict[str, Any] = node.metadata
    return found


def say(output: torch.Tensor, name: str) -> None:
    """Note in the graph that a call, which the graph calls something else, is an activation."""
    if output.grad_fn is not None:
        notes_of(output.grad_fn)[_SAID] = name


def set_aside(output: torch.Tensor) -> None:
    """Note in the graph that a function with its own derivative is none of the network's."""
    if output.grad_fn is not None:
        notes_of(output.grad_fn)[_ASIDE] = True


def set_aside_between(output: torch.Tensor, given: torch.Tensor) -> None:
    """Note in the graph that nothing a call did on the way to its output is an activation."""
    for node in _nodes(output, given.grad_fn):
        notes_of(node)[_ASIDE] = True


def activations_before(
    outputs: torch.Tensor, follows: Callable[[Node], bool]
) -> tuple[int, Counter[str], Counter[str]]:
    """Count the activations that the gradient of a tensor goes through.

    Parameters
    ----------
    outputs : torch.Tensor
        Where the gradient starts.
    follows : callable
        Whether a node of the graph follows the rule that is asked about.

    Returns
    -------
    met : int
        How many follow the rule.
    others : Counter of str
        How many do not, by their name.
    own : Counter of str
        Functions whose derivative the network brings itself, by their name.
    """
    met, others, own = 0, Counter[str](), Counter[str]()
    for node in _nodes(outputs):
        if follows(node):
            met += 1
        elif _ASIDE in notes_of(node):
            continue
        elif isinstance(node, BackwardCFunction):
            own[type(node).__name__.removesuffix("Backward")] += 1
        elif name := _name(node):
            others[name] += 1
    return met, others, own


def _name(node: Any) -> str | None:
    said: str | None = notes_of(node).get(_SAID)
    if said is not None:
        return said
    return activation_name(node)


def _nodes(outputs: torch.Tensor, end: Node | None = None) -> Iterator[Node]:
    found = outputs.grad_fn
    left = [found] if found is not None and found is not end else []
    seen = {*left, *([] if end is None else [end])}
    while left:
        node = left.pop()
        yield node
        for below, _ in node.next_functions:
            if below is not None and below not in seen:
                seen.add(below)
                left.append(below)
