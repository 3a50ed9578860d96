"""Some of the values that the layers of a network give, to compare those of its copy with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from cnnviz.introspection.fast_copy.held_tensors import held_tensors
from cnnviz.introspection.hooks import module_hooks
from cnnviz.introspection.layer_tensors import Key

_PLACES = 4
"""How many positions along each axis of a map are compared, in all of its channels."""


class SeenOutputs:
    """What the layers of a network gave in one pass: some of the values of each, and the answer."""

    def __init__(self, network: nn.Module) -> None:
        own = {name: module for name, module in network.named_modules() if name}
        self._modules = {name: each for name, each in own.items() if not len(each._modules)}
        self._calls: Counter[str] = Counter()
        self._values: dict[Key, list[torch.Tensor]] = {}

    def watch(self, forward: Callable[[], Any]) -> None:
        """Run a forward pass, and keep what is seen of it."""
        with module_hooks(self._modules, after=self._keep):
            output = forward()
        found = [each.detach() for each in held_tensors(output) if each.is_floating_point()]
        self._values["", 0] = [each.clone() for each in found]

    def _keep(self, name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        key = name, self._calls[name]
        self._calls[name] += 1
        self._values[key] = [_some(each).clone() for each in _floats(output)]

    def difference(self, other: SeenOutputs, without: Collection[str]) -> float:
        """Return the largest difference of a value, of the largest of the same output."""
        mine = {key: found for key, found in self._values.items() if key[0] not in without}
        its = {key: found for key, found in other._values.items() if key[0] not in without}
        if mine.keys() != its.keys():
            return float("inf")
        pairs = [(mine[key], its[key]) for key in mine]
        if any(len(one) != len(two) for one, two in pairs):
            return float("inf")
        return max(
            (_apart(a, b) for one, two in pairs for a, b in zip(one, two, strict=True)), default=0.0
        )


def _floats(output: Any) -> list[torch.Tensor]:
    tensors = [each for each in tree_leaves(output) if isinstance(each, torch.Tensor)]
    return [each.detach() for each in tensors if each.is_floating_point()]


def _some(tensor: torch.Tensor) -> torch.Tensor:
    steps = (slice(None, None, -(-size // _PLACES)) for size in tensor.shape[2:] if size)
    return tensor[(slice(None), slice(None), *steps)] if tensor.ndim > 2 else tensor


def _apart(one: torch.Tensor, two: torch.Tensor) -> float:
    if one.shape != two.shape or one.dtype != two.dtype:
        return float("inf")
    if not one.numel():
        return 0.0
    far = float((one - two).abs().max())
    found = far / max(float(one.abs().max()), torch.finfo(one.dtype).tiny)
    return found if found == found else float("inf")
