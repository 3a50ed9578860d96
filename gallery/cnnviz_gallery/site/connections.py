"""Which channel reads which: the sources of every weighted layer, over the real graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch

from cnnviz.introspection import operations
from cnnviz.introspection.call_names import call_name
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.layers import kind, named_layers
from cnnviz.introspection.memory_order import memory_of
from cnnviz.introspection.unit_names import Unit
from cnnviz.models import Model

Sources = tuple[tuple[Unit, ...], ...]
"""For each channel of a tensor the units that it passes on."""

_KEEPING = {
    *("relu", "relu_", "leaky_relu", "leaky_relu_", "elu", "elu_", "gelu", "silu", "hardtanh"),
    *("hardswish", "hardsigmoid", "mish", "sigmoid", "tanh", "softplus", "selu", "selu_", "celu"),
    *("relu6", "prelu", "sigmoid_", "tanh_", "softsign", "threshold", "clamp", "clamp_", "rrelu"),
    *("max_pool2d", "max_pool2d_with_indices", "avg_pool2d", "adaptive_avg_pool2d", "lp_pool2d"),
    *("adaptive_max_pool2d", "adaptive_max_pool2d_with_indices", "boolean_dispatch"),
    *("batch_norm", "instance_norm", "group_norm", "local_response_norm", "fn"),
    *("dropout", "dropout2d", "feature_dropout", "alpha_dropout", "interpolate", "upsample"),
    *("contiguous", "clone", "detach", "to", "float", "half", "double", "pad", "squeeze", "cuda"),
    *("div", "neg", "sqrt", "abs", "pow", "exp", "log_softmax", "softmax", "div_", "zeropad2d"),
}
_UNITING = {operations.ADD, operations.SUBTRACT, operations.MAXIMUM, operations.MINIMUM}
"""Operations of the library's table, each channel of which passes on that of every tensor."""
_LARGEST = {"max", "min"}
_REDUCING = {"mean", "amax", "amin", "max", "min", "sum"}
_SHAPING = {"flatten", "view", "reshape", "squeeze"}


def channel_connections(model: Model, scanned: Iterable[str]) -> dict[str, Sources]:
    """Run a black image through the network, and note what each layer reads.

    Between two layers, channels are followed through activations, pooling, normalisation, dropout,
    resizing, sums, concatenations and flattening. Where anything else lies between them, the
    layer's sources are not told.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    scanned : iterable of str
        Layers that are to be sources besides those with weights.

    Returns
    -------
    dict of str to Sources
        For each call of a layer with sources (``name#1`` is its second call where there are
        several): the units that arrive at each input channel of a convolution or a linear layer,
        and those that each output channel of any other layer passes on.
    """
    wanted = set(scanned)
    layers: dict[str, torch.nn.Module] = {}
    for name, module in named_layers(model.module).items():
        known = any(module is each for each in layers.values())
        if not known and (_weighted(module) or _bare(wanted, name)):
            layers[name] = module
    follower = _Follower()
    inputs = torch.zeros(1, *model.input_shape, device=model.device, dtype=model.dtype)
    with ExitStack() as scope:
        scope.enter_context(isolated(model.module, grad=False))
        scope.enter_context(module_hooks(layers, before=follower.enter, after=follower.leave))
        scope.enter_context(follower)
        model.forward(inputs)
    return follower.named()


def _bare(wanted: set[str], name: str) -> bool:
    return any(each.partition("#")[0] == name for each in wanted)


def _weighted(module: torch.nn.Module) -> bool:
    return kind(module) in ("conv", "linear")


def _last_channels(module: torch.nn.Module, tensor: torch.Tensor) -> bool:
    return isinstance(module, torch.nn.Linear) and tensor.ndim > 2


class _Follower(FunctionMode):
    """Knows for each tensor which units its channels are."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, Sources] = {}
        # Held, so that no two tensors share an identity.
        self._held: list[torch.Tensor] = []
        self._read: list[tuple[str, int, Sources | None]] = []
        self._marks: list[tuple[str, int, int]] = []
        self._calls: dict[str, int] = {}

    def enter(self, name: str, module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        index = self._calls.get(name, 0)
        self._calls[name] = index + 1
        first = next((each for each in inputs if isinstance(each, torch.Tensor)), None)
        found = None if first is None or _last_channels(module, first) else self._of(first)
        self._marks.append((name, index, len(self._read)))
        self._read.append((name, index, found))

    def leave(self, name: str, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        called, index, place = self._marks.pop()
        tensor = isinstance(output, torch.Tensor) and output.ndim >= 2
        if not _weighted(module):
            # Not what arrives: a block has convolutions of its own within.
            self._read[place] = (called, index, self._of(output) if tensor else None)
        if tensor and not _last_channels(module, output):
            layer = f"{called}\0{index}"
            own: Sources = tuple((Unit(layer, channel),) for channel in range(output.shape[1]))
            self._note(output, own)

    def named(self) -> dict[str, Sources]:
        """Return the sources under the names that layers go by."""

        def name(layer: str, index: str | int) -> str:
            return call_name(layer, int(index), self._calls[layer])

        def plain(sources: Sources) -> Sources:
            return tuple(
                tuple(Unit(name(*unit.layer.split("\0")), unit.channel) for unit in units)
                for units in sources
            )

        return {
            name(layer, index): plain(found)
            for layer, index, found in self._read
            if found is not None and any(found)
        }

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        name = getattr(func, "__name__", "")
        tensors = list(_flat([args, list(named.values())]))
        before = [self._of(each) for each in tensors]
        output = func(*args, **named)
        first = output[0] if isinstance(output, tuple) and output else output
        written = args[0] if name == "__setitem__" else first
        if name not in _KEEPING and isinstance(written, torch.Tensor) and _writes(name, named):
            self._forget(written)
        if isinstance(first, torch.Tensor) and first.ndim >= 2:
            found = _followed(func, tensors, before, first, (args, named))
            if found is not None:
                self._note(first, found)
        return output

    def _of(self, tensor: torch.Tensor) -> Sources | None:
        return self._known.get(id(tensor))

    def _forget(self, written: torch.Tensor) -> None:
        """Know no more of a tensor that was written to, nor of any that shares its memory."""
        memory = memory_of(written)
        for each in self._held:
            if memory_of(each) == memory:
                self._known.pop(id(each), None)

    def _note(self, tensor: torch.Tensor, sources: Sources) -> None:
        self._known[id(tensor)] = sources
        self._held.append(tensor)


def _writes(name: str, named: Mapping[str, Any]) -> bool:
    inside = name.endswith("_") and not name.endswith("__")
    return inside or name == "__setitem__" or name.startswith("__i") or "out" in named


def _flat(values: Any) -> Iterable[torch.Tensor]:
    for each in values:
        if isinstance(each, torch.Tensor):
            yield each
        elif isinstance(each, (list, tuple)):
            yield from _flat(each)


def _followed(
    func: Any,
    tensors: Sequence[torch.Tensor],
    before: Sequence[Sources | None],
    output: torch.Tensor,
    called: tuple[Sequence[Any], Mapping[str, Any]],
) -> Sources | None:
    """Return the sources of what an operation gives, or None where they are not known."""
    name, what = getattr(func, "__name__", ""), operations.operation(func)
    first = before[0] if before else None
    channels = output.shape[1]
    if what == operations.CAT:
        return _joined(tensors, before, output, called)
    if what in _UNITING or (name in _LARGEST and len(tensors) > 1):
        known = [each for each in before if each is not None and len(each) == channels]
        if len(known) < sum(each.ndim == output.ndim for each in tensors):
            return None
        return _united(known)
    if what == operations.MULTIPLY:
        # A gate decides how much of a channel passes; what passes is the channel.
        sized = [(each.numel(), found) for each, found in zip(tensors, before, strict=True)]
        largest = max(sized, key=lambda entry: entry[0])[1] if sized else None
        return largest if largest is not None and len(largest) == channels else None
    if first is None:
        return None
    if name in _SHAPING:
        return _reshaped(first, tensors[0], output)
    if name in _REDUCING:
        apart = _reduces_positions(called, tensors[0].ndim)
        return first if apart and len(first) == channels else None
    if name == "pad" and _pads_channels(called, output.ndim):
        return None
    if name == "conv2d" and _each_alone(called, len(first)):
        return first if len(first) == channels else None
    if name in _KEEPING and len(first) == channels:
        return first
    return None


def _reduces_positions(called: tuple[Sequence[Any], Mapping[str, Any]], ndim: int) -> bool:
    """Whether a mean or maximum leaves images and channels apart."""
    args, given = called
    along = given.get("dim", given.get("axis", args[1] if len(args) > 1 else None))
    if not isinstance(along, int | tuple | list):
        return False
    each = (along,) if isinstance(along, int) else along
    return all(dim % ndim > 1 for dim in each)


def _each_alone(called: tuple[Sequence[Any], Mapping[str, Any]], channels: int) -> bool:
    """Whether a convolution takes each channel alone, as pooling by a blur does (Zhang, 2019)."""
    args, given = called
    groups = given.get("groups", args[6] if len(args) > 6 else 1)
    return bool(groups == channels)


def _pads_channels(called: tuple[Sequence[Any], Mapping[str, Any]], ndim: int) -> bool:
    args, given = called
    amounts = given.get("pad", args[1] if len(args) > 1 else ())
    return any(amounts[2 * (ndim - 2) :])


def _joined(
    tensors: Sequence[torch.Tensor],
    before: Sequence[Sources | None],
    output: torch.Tensor,
    called: tuple[Sequence[Any], Mapping[str, Any]],
) -> Sources | None:
    args, given = called
    dimension = given.get("dim", args[1] if len(args) > 1 else 0)
    if dimension not in (1, 1 - output.ndim):
        return None
    parts = [
        found if found is not None else ((),) * tensor.shape[1]
        for tensor, found in zip(tensors, before, strict=True)
    ]
    return tuple(units for part in parts for units in part)


def _united(known: Sequence[Sources]) -> Sources | None:
    if not known:
        return None
    return tuple(tuple(dict.fromkeys(u for units in row for u in units)) for row in zip(*known))  # noqa: B905


def _reshaped(first: Sources, given: torch.Tensor, output: torch.Tensor) -> Sources | None:
    """Follow [N, C, H, W] to [N, C] or [N, C * H * W]."""
    if output.shape[0] != given.shape[0]:
        return None
    if output.ndim == 2 and given.ndim >= 2:
        times, rest = divmod(output.shape[1], len(first))
        if not rest and times * len(first) * output.shape[0] == given.numel():
            return tuple(units for units in first for _ in range(times))
    if output.ndim == given.ndim and output.shape[1] == len(first):
        return first
    return None
