"""One forward pass of one image, seen operation by operation.

`trace` tells of every layer, in the order of execution: shapes, parameters, multiply-accumulate
operations, windows, and the exact receptive field over the real graph, through branches, skips,
in-place and functional operations alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import ParametrizationList

from cnnviz.errors import ModelError, UsageError
from cnnviz.introspection.called_functions import keep_functions
from cnnviz.introspection.forward import forward
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.introspection.operations import as_written
from cnnviz.introspection.tracing.costs import Windows
from cnnviz.introspection.tracing.operation import tensors
from cnnviz.introspection.tracing.operation_recorder import OperationRecorder
from cnnviz.introspection.tracing.trace import LayerCall, Trace
from cnnviz.results.space import SPACES

__all__ = ["LayerCall", "Trace", "Windows", "trace"]


_KEPT: NetworkCache[Trace] = NetworkCache(values=True)
"""Traces by shape: the network runs on zeros, so that its own state alone decides the path."""


def trace(module: nn.Module, input_shape: Sequence[int] | torch.Tensor) -> Trace:
    """Run one image through a network and note every call of every layer.

    Parameters
    ----------
    module : torch.nn.Module
        The network. It runs in evaluation mode and is left as it was.
    input_shape : sequence of int, or torch.Tensor
        (C, H, W), or (C, L) of a signal and (C, D, H, W) of a volume: the network runs on zeros,
        and its convolutions and matrix products return zeros without being computed, which is fast.
        Or images themselves, [N, C, H, W] and so on, of which the first is used; then all is
        computed, for networks whose path depends on values. A trace by shape is kept until the
        network changes, and given again.

    Returns
    -------
    Trace
        The calls, their costs and their receptive fields.

    Raises
    ------
    UsageError
        If the shape is not that of an image.
    ModelError
        If the network fails on the image.
    """
    image = _image(module, input_shape)
    if isinstance(input_shape, torch.Tensor):
        return _trace(module, image, computes=True)
    # What autocast and the default type make of a pass are no part of the network.
    around = torch.is_autocast_enabled(image.device.type), torch.get_default_dtype()
    question = (tuple(image.shape), *around)
    return _KEPT.get(module, question, lambda: _trace(module, image, computes=False))


def _trace(module: nn.Module, image: torch.Tensor, *, computes: bool) -> Trace:
    recorder = OperationRecorder(module, image, computes=computes)
    listened = _listened(module)
    with (
        isolated(module, grad=False),
        module_hooks(listened, before=recorder.enter, after=recorder.leave),
        _FunctionsAbove(recorder),
        recorder,
    ):
        output = _forward(module, image, recorder)
    calls, blocks = recorder.finish()
    answers = list(tensors(output))
    returned = next(iter(answers), None)
    links, ends = recorder.graph(answers)
    found = Trace(
        calls=calls,
        blocks=blocks,
        input_shape=tuple(image.shape),
        output_shape=() if returned is None else tuple(returned.shape),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        parameter_bytes=sum(_bytes(parameter) for parameter in module.parameters()),
        buffer_bytes=sum(_bytes(buffer) for buffer in module.buffers()),
        uncalled=_uncalled(module, (*calls, *blocks), recorder.counted),
        unknown=tuple(recorder.unknown),
        uncounted=tuple(recorder.uncounted),
        links=links,
        answers=ends,
    )
    keep_functions(module, found.functions())
    return found


_NUMBERS = ("array", "float", "int", "bool", "index")
_LEAVING = frozenset(
    getattr(torch.Tensor, name)
    for name in ("numpy", "tolist", "item", *(f"__{kind}__" for kind in _NUMBERS))
)
"""What takes values out of torch, where they cannot be followed."""


class _FunctionsAbove(FunctionMode):
    """Tells a recorder of what it does not see from below.

    Padding that wraps around dissolves into copies further down, and NumPy is beside torch.
    """

    def __init__(self, recorder: OperationRecorder) -> None:
        super().__init__()
        self._recorder = recorder

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Answer a call."""
        given: dict[str, Any] = {}
        written, words = as_written(func, named)
        if written is F.pad:
            given = dict(zip(("input", "pad", "mode"), args, strict=False)) | dict(words)
        if func in _LEAVING:
            self._recorder.leave_torch(args[0])
        if given.get("mode") != "circular":
            return func(*args, **named)
        with self._recorder.wrapping():
            result = func(*args, **named)
        self._recorder.wrap(given["input"], given["pad"], result)
        return result


def _image(module: nn.Module, input_shape: Sequence[int] | torch.Tensor) -> torch.Tensor:
    one = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    if isinstance(input_shape, torch.Tensor):
        shape = tuple(input_shape.shape[1:])
        if _is_shape_of_input(shape):
            return input_shape.detach()[:1].to(one.device, one.dtype, copy=True)
    else:
        shape = tuple(input_shape)
        if _is_shape_of_input(shape):
            return torch.zeros(1, *shape, device=one.device, dtype=one.dtype)
    known = ", ".join(f"[{', '.join(('C', *space.letters))}]" for space in SPACES)
    raise UsageError(
        f"{list(shape)} is not the shape of an image, a signal or a volume.",
        f"Give channels and the size along each axis: one of {known}.",
    )


def _is_shape_of_input(shape: Sequence[int]) -> bool:
    return len(shape) - 1 in {space.axes for space in SPACES} and min(shape) > 0


def _forward(module: nn.Module, image: torch.Tensor, recorder: OperationRecorder) -> object:
    try:
        return forward(module, image)
    except ModelError as error:
        # A fault of the recorder's own is not the network's.
        raise (recorder.fault or error) from error.__cause__


def _listened(module: nn.Module) -> dict[str, nn.Module]:
    """Return the modules that are parts of the network, and not of how a layer makes its weight.

    A layer under `torch.nn.utils.parametrize` is one layer, whose weight is no output.
    """
    every = dict(module.named_modules())
    making = [f"{name}." for name, child in every.items() if isinstance(child, ParametrizationList)]
    return {
        name: child
        for name, child in every.items()
        if not any(f"{name}.".startswith(each) for each in making)
    }


def _uncalled(module: nn.Module, calls: Sequence[LayerCall], counted: set[int]) -> tuple[str, ...]:
    called = {call.name for call in calls}
    owners = [
        name
        for name, child in module.named_modules()
        if name not in called
        and any(id(one) not in counted for one in child.parameters(recurse=False))
    ]
    # The parts of a layer that does their work itself, such as multi-head attention, are used.
    leaves = {call.name for call in calls if call.kind != "container"}
    return tuple(
        name for name in owners if not any(name.startswith(f"{leaf}.") for leaf in leaves if leaf)
    )


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
