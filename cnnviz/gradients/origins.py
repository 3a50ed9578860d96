"""Where the data of a forward pass came from, also past what no gradient goes back through.

Autograd knows where a tensor with a gradient came from. What was detached, computed under
`no_grad`, rounded or compared is followed here, from call to call, so that a layer that no gradient
reaches can be told from one that is not used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import CodeType, FrameType
from typing import Any

import torch
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils.weak import WeakTensorKeyDictionary

from cnnviz.gradients.graph import Node

Origins = frozenset[Node]


def edge_of(tensor: torch.Tensor) -> GradientEdge | None:
    """Return where the gradient of a tensor is computed; None where autograd has no place for it.

    A view of an argument within a custom function has none, though it is said to require a
    gradient, and nothing that is computed in inference mode has.
    """
    if not tensor.requires_grad or tensor.is_inference():
        return None
    try:
        return get_gradient_edge(tensor)
    except (AssertionError, AttributeError):
        return None


class Cut:
    """A layer whose output has no gradient: a node that autograd did not make.

    Attributes
    ----------
    next_functions : tuple
        As a node of autograd has them: what the layer was computed from.
    """

    def __init__(self, origins: Iterable[Node]) -> None:
        self.next_functions = tuple((origin, 0) for origin in origins)


class DataOrigins:
    """What each tensor of a forward pass was computed from.

    Attributes
    ----------
    bridges : dict
        For nodes of autograd, those that data came from on ways that no gradient goes back.
    """

    def __init__(self) -> None:
        self.bridges: dict[Node, set[Node]] = {}
        self._held: Any = WeakTensorKeyDictionary()

    def of(self, tensors: Iterable[torch.Tensor]) -> Origins:
        """Return the nodes that tensors came from; a leaf came from nowhere but itself."""
        found: set[Node] = set()
        for tensor in tensors:
            edge = edge_of(tensor)
            if edge is not None:
                found.add(edge.node)
            else:
                found |= self._held.get(tensor, frozenset())
        return frozenset(found)

    def lost(self, tensors: Iterable[torch.Tensor]) -> Origins:
        """Return what those of the tensors came from that no gradient is wanted of."""
        return self.of(tensor for tensor in tensors if not tensor.requires_grad)

    def note(self, results: Iterable[torch.Tensor], all_: Origins, lost: Origins) -> None:
        """Note what a call returned or wrote, given the origins of what it read.

        Parameters
        ----------
        results : iterable of torch.Tensor
            What it returned, or wrote into.
        all_, lost : frozenset
            What `of` and `lost` said of its arguments before it.
        """
        for result in results:
            if not result.requires_grad:
                if all_:
                    self._held[result] = self._held.get(result, frozenset()) | all_
            elif lost and result.grad_fn is not None:
                self.bridges.setdefault(result.grad_fn, set()).update(lost - {result.grad_fn})


def tensors_in(*values: Any) -> Iterator[torch.Tensor]:
    """Return the tensors among arguments, in lists, tuples and dicts of them too."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            yield from tensors_in(*value)
        elif isinstance(value, Mapping):
            yield from tensors_in(*value.values())


def carries_values(func: Any) -> bool:
    """Tell whether a call can return more of its arguments than their shapes and types."""
    name = str(getattr(func, "__name__", ""))
    return not name.startswith("new_") and not name.endswith("_like")


class CustomFunctions:
    """The custom autograd functions there are, to be told by their code when they run.

    Inside one no gradient is recorded, or one that ends there; its own `backward` sends it on.
    """

    def __init__(self) -> None:
        self._forwards: dict[CodeType, type[torch.autograd.Function]] = {}
        waiting: list[type[torch.autograd.Function]] = [torch.autograd.Function]
        while waiting:
            for one in waiting.pop().__subclasses__():
                code = getattr(one.forward, "__code__", None)
                if code is not None and code is not torch.autograd.Function.forward.__code__:
                    self._forwards[code] = one
                waiting.append(one)

    def running(self) -> tuple[type[torch.autograd.Function], FrameType] | None:
        """Return the outermost whose `forward` is running, which the graph knows, and its frame."""
        found, frame = None, sys._getframe().f_back
        while frame is not None:
            if frame.f_code in self._forwards:
                found = (self._forwards[frame.f_code], frame)
            frame = frame.f_back
        return found
