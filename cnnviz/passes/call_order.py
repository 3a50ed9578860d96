"""In which order the layers of a network are called."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from cnnviz.errors import ModelError, TargetError
from cnnviz.introspection.forward import backward_pass
from cnnviz.introspection.function_calls import unwatched
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.layers import kind, named_layers
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.introspection.saved_state import version
from cnnviz.introspection.stop_forward import run_to
from cnnviz.introspection.tracing.map_layout import MapLayout, NoMap
from cnnviz.introspection.tracing.operation import tensors
from cnnviz.models import Model
from cnnviz.models.output_kinds import OutputKind
from cnnviz.models.outputs import given_of, read_output, returns_boxes
from cnnviz.passes.spatial_maps import UNTRACED, TracedOutput, also_of_image, traced_outputs
from cnnviz.passes.stages import CallOrder, OrderedCall, Read

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
    # What is explained decides what no gradient comes back to, and names may tell which that is.
    # What cannot be told from another is asked about anew each time.
    decode = model.decode if isinstance(model.decode, Hashable) else object()
    question = (tuple(inputs.shape[1:]), model.output, model.member, model.categories, decode)
    found = _KEPT.get(model.module, question, lambda: calls_of_image(model, inputs[:1]))
    if model.reading is None and found.reading is not None:
        # The network was looked at for another model: this one says the same of its output.
        model.keep_reading(found.reading)
    return found


def calls_of_image(model: Model, image: torch.Tensor) -> CallOrder:
    """Do as `call_order` for this very image: another may go another way, by what it holds."""
    try:
        return _noted(model, image, grad=True)
    except ModelError:  # Some run without a graph only, as those that go through NumPy.
        return _noted(model, image, grad=False)


def _noted(model: Model, image: torch.Tensor, *, grad: bool) -> CallOrder:
    layers = _once_each(model.module)
    traced = traced_outputs(model, image)
    noted = _NotedCalls(layers)
    with isolated(model.module, grad=grad):
        inputs = image.clone().requires_grad_(grad)
        output = run_to(model.forward, inputs.clone(), layers, after=noted.note)
        unreached = _unreached(model, output, noted.nodes)
    traced = also_of_image(traced, model, image, [(call.name, call.index) for call in noted.calls])
    calls = [_traced(call, traced) for call in noted.calls]
    detects = returns_boxes(model, output)
    size = tuple(image.shape[2:])
    order = CallOrder(
        tuple(calls),
        _classes(model, output, size, calls),
        size,
        unreached=unreached,
        leading_on=_leading_on(calls, noted.nodes) if detects else frozenset(),
        detects=detects,
        returned=frozenset((id(each), version(each)) for each in tensors(output)),
        traced=traced,
        reading=model.reading,
    )
    return replace(order, unread=_unread(model, image, order))


class _NotedCalls:
    """The calls of layers in the order in which they return, and the graph nodes they end in."""

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        self._layers = layers
        self.calls: list[OrderedCall] = []
        self.nodes: dict[Key, tuple[Any, torch.Tensor]] = {}
        # Held until the end, so that no two tensors share an id.
        self._held: list[Any] = []

    def note(self, key: Key, inputs: Any, output: Any) -> None:
        """Note a call of a layer, after it."""
        with unwatched():
            self._note(key, inputs, output)

    def _note(self, key: Key, inputs: Any, output: Any) -> None:
        name, index = key
        is_tensor = isinstance(output, torch.Tensor)
        shape = tuple(output.shape) if is_tensor else None
        self._held.append(output)
        # An in-place layer returns the tensor it was given, at another version.
        produced = (id(output), version(output) if is_tensor else 0)
        reads = tuple(
            Read((id(each), version(each)), tuple(each.shape)) for each in tensors(inputs)
        )
        what = kind(self._layers[name])
        self.calls.append(OrderedCall(name, index, what, shape, produced, NoMap.NO_TENSOR, reads))
        if is_tensor and output.grad_fn is not None:
            self.nodes[key] = output.grad_fn, output


def _traced(call: OrderedCall, traced: Mapping[Key, TracedOutput]) -> OrderedCall:
    """Return a call with what following the network has told of it."""
    found = traced.get((call.name, call.index), UNTRACED)
    told = call.kind == "other" and found.kind in ("pad", "rearrange")
    return replace(
        call,
        kind=found.kind if told else call.kind,
        map=NoMap.NO_TENSOR if call.shape is None else found.map,
    )


def _classes(
    model: Model, output: Any, image: tuple[int, ...], calls: Sequence[OrderedCall]
) -> int | None:
    """Return how many classes the network answers with, None where it answers otherwise.

    As many numbers as a whole body of layers has channels are an embedding; classes have layers of
    their own, at the end or one for each answer.
    """
    answers = [entry for entry in tensors(output) if entry.is_floating_point()]
    if not answers:
        return None
    # Of several heads the one that is explained, which need not come first.
    own_answer = _explained(model, output, answers)[0]
    if own_answer.ndim == 2 and _embeds(model, output):
        return None
    if not (own_answer.ndim == 2 or (own_answer.ndim > 2 and own_answer.shape[2:] == image)):
        return None
    classes = int(own_answer.shape[1])
    maps = [call for call in calls if isinstance(call.map, MapLayout) and call.map.dims]
    own = [isinstance(call.map, MapLayout) and call.map.channels == classes for call in maps]
    computing = sum(
        mine and call.kind in ("conv", "linear") for mine, call in zip(own, maps, strict=True)
    )
    at_the_end = True not in own or all(own[own.index(True) :])
    alike = sum(each.ndim > 1 and each.shape[1] == classes for each in answers)
    return classes if at_the_end or computing <= alike else None


def _embeds(model: Model, output: Any) -> bool:
    try:
        return read_output(model, output).kind == OutputKind.EMBEDDING
    except TargetError:
        return False


def _explained(
    model: Model, output: Any, answers: Sequence[torch.Tensor]
) -> Sequence[torch.Tensor]:
    """Return the member of an output that is explained, or all where none is chosen."""
    if isinstance(output, torch.Tensor) or returns_boxes(model, output):
        return answers
    try:
        return [given_of(model, output)]
    except TargetError:  # A callable will have to say what is explained.
        return answers


def _unreached(
    model: Model, output: Any, nodes: Mapping[Key, tuple[Any, torch.Tensor]]
) -> frozenset[Key]:
    """Return the calls that no gradient of what is explained comes back to."""
    answers = _explained(model, output, list(tensors(output)))
    ends = [answer.grad_fn for answer in answers if answer.grad_fn is not None]
    seen, waiting = set(ends), list(ends)
    while waiting:
        for node, _ in waiting.pop().next_functions:
            if node is not None and node not in seen:
                seen.add(node)
                waiting.append(node)
    # What was written to in place has another node by now.
    lost = (
        key
        for key, (node, given) in nodes.items()
        if node not in seen and given.grad_fn not in seen
    )
    return frozenset(lost) if ends else frozenset()


def _leading_on(
    calls: Sequence[OrderedCall], nodes: Mapping[Key, tuple[Any, torch.Tensor]]
) -> frozenset[Key]:
    """Return the calls that a later layer's map of the image is computed from.

    Not by the tensors that layers are given, since a function called in between makes others. Nor
    by modules around other layers: of a head that flattens the map of its last layer, that layer
    is the end.
    """
    around = {
        ".".join(parts[:length])
        for parts in (call.name.split(".") for call in calls)
        for length in range(len(parts))
    }
    found: set[Key] = set()
    seen: set[Any] = set()
    owners: dict[Any, list[Key]] = {}
    for key, (node, _) in nodes.items():
        owners.setdefault(node, []).append(key)
    for call in calls:
        end = nodes.get((call.name, call.index))
        mapped = not isinstance(call.map, NoMap) and call.map.dims
        if end is None or not mapped or call.name in around:
            continue
        waiting = [end[0]]
        while waiting:
            for node, _ in waiting.pop().next_functions:
                if node is not None and node not in seen:
                    seen.add(node)
                    waiting.append(node)
                    found.update(owners.get(node, ()))
    return frozenset(found)


def _unread(model: Model, image: torch.Tensor, order: CallOrder) -> frozenset[Key]:
    """Return the calls with tokens besides their map on whose map the answer does not depend."""
    sought = {
        (call.name, call.index): call.map
        for call in order.calls
        if not isinstance(call.map, NoMap) and call.map.apart
    }
    if not sought:
        return frozenset()
    found = _token_gradients(model, image, sought)
    return frozenset(
        key
        for key, gradient in found.items()
        if gradient is None or not sought[key].take(gradient, 1).any()
    )


def _is_blind(layer: nn.Module) -> bool:
    """Whether a layer answers with zeros to anything, as a head does that is not yet trained."""
    weight = layer._parameters.get("weight")
    return weight is not None and weight.ndim > 1 and not weight.any()


def _token_gradients(
    model: Model, image: torch.Tensor, sought: Mapping[Key, MapLayout]
) -> dict[Key, torch.Tensor | None]:
    module = model.module
    blind = {name for name, layer in _once_each(module).items() if _is_blind(layer)}
    layers = {name: module.get_submodule(name) for name in {*blind, *(name for name, _ in sought)}}
    held: dict[Key, torch.Tensor] = {}
    answers: list[torch.Tensor] = []

    def keep(key: Key, inputs: Any, output: Any) -> Any:
        if key[0] in blind:
            answers.extend(tensors(inputs))
        if key not in sought or not output.requires_grad:
            return None
        held[key] = output
        # What is written in place later is a copy, so that this one can still be asked about.
        return output.clone()

    with isolated(module, grad=True):
        inputs = image.clone().requires_grad_()
        output = run_to(model.forward, inputs.clone(), layers, after=keep)
        answers = [each for each in (*tensors(output), *answers) if each.requires_grad]
        if not answers or not held:
            return {}
        # Unequal weights, since the sum of a softmax never changes.
        total = torch.stack(
            [
                (each.flatten() * torch.linspace(-1.0, 1.0, each.numel()).to(each)).sum()
                for each in answers
            ]
        ).sum()
        with backward_pass(model.name):
            found = torch.autograd.grad(total, list(held.values()), allow_unused=True)
    return dict(zip(held, found, strict=True))


def _once_each(module: nn.Module) -> dict[str, nn.Module]:
    seen: dict[int, str] = {}
    for name, layer in named_layers(module).items():
        seen.setdefault(id(layer), name)
    return {name: layer for name, layer in named_layers(module).items() if seen[id(layer)] == name}
