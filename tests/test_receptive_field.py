"""Receptive fields against the support of the numerical gradient, and against published values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.overrides import TorchFunctionMode

from cnnviz.errors import UsageError
from cnnviz.hooks import listening
from cnnviz.receptive_field import ReceptiveField, Window
from cnnviz.tracing import LayerCall, trace
from tests.architectures import ARCHITECTURES, build, small_input

_IDENTITY = {"relu", "relu_", "relu6", "hardtanh", "hardtanh_", "silu", "silu_", "gelu"} | {
    *("hardswish", "hardswish_")
}


class Linearised(TorchFunctionMode):
    """Lets every path count: no unit is dead, and a maximum depends on its whole window.

    Parameters
    ----------
    gates : bool
        Whether a factor that is one value for a whole map passes gradients.
    """

    def __init__(self, gates: bool = True) -> None:
        super().__init__()
        self.gates = gates

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        kwargs = dict(kwargs or {})
        if name in _IDENTITY:
            return args[0]
        if name.startswith("hardsigmoid"):
            return torch.sigmoid(args[0])
        if name == "max_pool2d":
            return _average(*args, **kwargs)
        if name in ("mul", "__mul__") and not self.gates:
            args = tuple(_held_if_gate(factor, args) for factor in args)
        return func(*args, **kwargs)


def _average(
    x: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> torch.Tensor:
    assert dilation in (1, (1, 1))
    return F.avg_pool2d(x, kernel_size, stride or None, padding, ceil_mode)


def _held_if_gate(factor: Any, factors: Any) -> Any:
    if isinstance(factor, torch.Tensor) and factor.ndim == 4 and factor.shape[2:] == (1, 1):
        other = factors[0] if factors[1] is factor else factors[1]
        return factor.detach() if other.shape[2:] != (1, 1) else factor
    return factor


def support(output: torch.Tensor, row: int, column: int, image: torch.Tensor) -> Window:
    """Return the box around the pixels on which a position of `output` depends, any channel."""
    picked = output[..., row, column] if output.ndim == 4 else output
    # Random factors for the channels, so that none cancels another.
    factors = torch.rand(picked.shape, generator=torch.Generator().manual_seed(1)) + 0.5
    (gradient,) = torch.autograd.grad(
        (picked * factors).sum(), image, retain_graph=True, allow_unused=True
    )
    if gradient is None or not gradient.any():
        return Window(0, 0, 0, 0)
    rows = gradient.any(dim=3).any(dim=1)[0].nonzero().flatten()
    columns = gradient.any(dim=2).any(dim=1)[0].nonzero().flatten()
    return Window(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def outputs_of(
    module: nn.Module, calls: list[LayerCall], image: torch.Tensor, gates: bool = True
) -> dict[tuple[str, int], torch.Tensor]:
    """Run the linearised network and return the outputs of these calls of modules."""
    wanted = {call.name for call in calls}
    listened = {name: child for name, child in module.named_modules() if name in wanted}
    found: dict[tuple[str, int], torch.Tensor] = {}
    counts: dict[str, int] = {}

    def keep(name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        index = counts.get(name, 0)
        counts[name] = index + 1
        # The next layer may write to its input in place.
        found[name, index] = output.clone() if isinstance(output, torch.Tensor) else None

    with ExitStack() as stack:
        stack.enter_context(listening(listened, after=keep))
        stack.enter_context(Linearised(gates))
        module(image)
    return found


def spread(calls: list[LayerCall], count: int) -> list[LayerCall]:
    """Return `count` of the calls, evenly spaced, the last one among them."""
    count = min(count, len(calls))
    return [calls[(number + 1) * len(calls) // count - 1] for number in range(count)]


def middle(call: LayerCall) -> tuple[int, int]:
    assert call.receptive_field is not None
    height, width = call.receptive_field.positions
    return height // 2, width // 3


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_fields_are_the_support_of_the_gradient(name: str) -> None:
    module = build(name).module
    image = small_input(name).requires_grad_()
    found = trace(module, tuple(image.shape[1:]))
    assert found.unknown == ()
    spatial = [call for call in found.module_calls() if len(call.output_shape) == 4]
    others = [call for call in found.module_calls() if len(call.output_shape) == 2]
    calls = [*spread(spatial, 3), *others[-1:]]
    outputs = outputs_of(module, calls, image)
    for call in calls:
        field = call.receptive_field
        assert field is not None
        row, column = middle(call)
        assert field.box(row, column) == support(
            outputs[call.name, call.index], row, column, image
        ), call.label


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf"])
def test_fields_without_gates_are_the_support_with_the_gates_held(name: str) -> None:
    module = build(name).module
    image = small_input(name).requires_grad_()
    found = trace(module, tuple(image.shape[1:]))
    gated = [
        call
        for call in found.module_calls()
        if call.receptive_field is not None
        and call.receptive_field.gateless is not None
        and call.receptive_field.positions != (1, 1)
    ]
    calls = spread(gated, 3)
    outputs = outputs_of(module, calls, image, gates=False)
    for call in calls:
        assert call.receptive_field is not None
        assert call.receptive_field.whole
        row, column = middle(call)
        numeric = support(outputs[call.name, call.index], row, column, image)
        assert call.receptive_field.local.box(row, column) == numeric, call.label
