"""In which order the layers of a network are called, and where its stages end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.layers import kind, named_layers
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.introspection.stop_forward import run_to
from cnnviz.models import Model

STAGES = "stages"
_NOT_FEATURES = ("pool", "dropout", "flatten", "identity")


@dataclass(frozen=True)
class OrderedCall:
    """One call of one layer, in the order in which the calls end."""

    name: str
    index: int
    kind: str
    shape: tuple[int, ...] | None
    produced: tuple[int, int]
    """Shared by the calls that return the very same tensor, unwritten to in between."""


@dataclass(frozen=True)
class CallOrder:
    """The calls of one forward pass.

    Attributes
    ----------
    calls : tuple of Called
        Every call, in the order in which the calls end.
    classes : int or None
        The length of the network's output, where it has one.
    image : tuple of int
        Height and width of the input.
    """

    calls: tuple[OrderedCall, ...]
    classes: int | None
    image: tuple[int, int]

    def last(self, names: Iterable[str]) -> tuple[str, int] | None:
        """Return the last call (name, index) among the layers with these names."""
        wanted = set(names)
        ends = [(call.name, call.index) for call in self.calls if call.name in wanted]
        return ends[-1] if ends else None

    def stages(self) -> tuple[str, ...]:
        """Return the layer at the end of each spatial resolution, from shallow to deep.

        Of the layers with one resolution those inside the fewest others count, so that a stage ends
        with a block and not in the middle of the next one; of these, the last. Pooling, dropout and
        maps of the classes themselves are passed over, as are outputs without a spatial extent or
        with another shape than the image's, such as channels-last ones, unless there are no others.
        Where a block and the layers inside it return the very same tensor, the innermost that is
        called only once gives the name.
        """
        return self._ends(similar=True) or self._ends(similar=False)

    def _ends(self, *, similar: bool) -> tuple[str, ...]:
        often = {call.name for call in self.calls if call.index > 0}
        called = {call.name for call in self.calls}
        ends: dict[tuple[int, ...], tuple[int, int, str]] = {}
        for place, chain in enumerate(self._chains()):
            names = [call.name for call in chain if call.name not in often]
            if not names or not self._holds_features(chain[0], similar):
                continue
            depth = min(_depth(call.name, called) for call in chain)
            resolution = (chain[0].shape or ())[2:]
            if resolution not in ends or depth <= ends[resolution][0]:
                ends[resolution] = (depth, place, names[0])
        return tuple(name for _, _, name in sorted(ends.values(), key=lambda end: end[1]))

    def _holds_features(self, call: OrderedCall, similar: bool) -> bool:
        shape = call.shape
        if shape is None or len(shape) != 4 or shape[2] * shape[3] == 1:
            return False
        across = (shape[2] / self.image[0]) / (shape[3] / self.image[1])
        # Windows that do not fit evenly bend the shape of small maps a little.
        fits = 0.6 < across < 1.7 or not similar
        return fits and call.kind not in _NOT_FEATURES and shape[1] != self.classes

    def _chains(self) -> list[list[OrderedCall]]:
        chains: dict[tuple[int, int], list[OrderedCall]] = {}
        for call in self.calls:
            chains.setdefault(call.produced, []).append(call)
        return list(chains.values())


def _depth(name: str, called: set[str]) -> int:
    """Return inside how many called modules a layer lies; a list of modules is not called."""
    parts = name.split(".")
    return sum(".".join(parts[:k]) in called for k in range(1, len(parts)))


_KEPT: NetworkCache[CallOrder] = NetworkCache(values=False)


def call_order(model: Model, inputs: torch.Tensor) -> CallOrder:
    """Run one image through the network and note which layers are called, and in which order.

    The order is kept for each network and input shape, so that it is found once, and found anew
    when the network is changed other than by training.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W]; only the first is used.
    """
    return _KEPT.get(model.module, inputs.shape[1:], lambda: _note_calls(model, inputs[:1]))


def _note_calls(model: Model, image: torch.Tensor) -> CallOrder:
    module = model.module
    calls: list[OrderedCall] = []
    layers = _once_each(module)
    # Held until the end, so that no two tensors share an id.
    held: list[Any] = []

    def note(key: Key, inputs: Any, output: Any) -> None:
        name, index = key
        is_tensor = isinstance(output, torch.Tensor)
        shape = tuple(output.shape) if is_tensor else None
        held.append(output)
        # An in-place layer returns the tensor it was given, at another version.
        produced = (id(output), output._version if is_tensor else 0)
        calls.append(OrderedCall(name, index, kind(layers[name]), shape, produced))

    with isolated(module, grad=False):
        output = run_to(model.forward, image.clone(), layers, after=note)
    size = output.shape[-1] if isinstance(output, torch.Tensor) and output.ndim == 2 else None
    return CallOrder(tuple(calls), size, (image.shape[2], image.shape[3]))


def _once_each(module: nn.Module) -> dict[str, nn.Module]:
    seen: dict[int, str] = {}
    for name, layer in named_layers(module).items():
        seen.setdefault(id(layer), name)
    return {name: layer for name, layer in named_layers(module).items() if seen[id(layer)] == name}
