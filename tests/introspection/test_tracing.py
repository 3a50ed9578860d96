"""The trace: every call in order, costs against torch's own counter, and the network unchanged."""

from __future__ import annotations

import contextlib
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnviz.errors import LayerError, ModelError, UsageError
from cnnviz.introspection.tracing import LayerCall, Trace, trace
from cnnviz.introspection.tracing.grouping import stages
from tests.helpers.architectures import (
    OF_OTHER_BLOCKS,
    build,
    shallow,
    small_input,
    tiny_network,
)
from tests.helpers.each_case import each_case
from tests.helpers.state import state


def counted_by_torch(module: nn.Module, image: torch.Tensor) -> int:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module.eval()(image)
    return counter.get_total_flops()


def labels(found: Trace) -> list[str]:
    return [call.label for call in found.calls]


@pytest.mark.parametrize("name", OF_OTHER_BLOCKS)
def test_costs_agree_with_torch_and_every_call_is_told(name: str) -> None:
    module = shallow(name).module
    image = small_input(name)
    found = trace(module, tuple(image.shape[1:]))
    assert found.unknown == ()
    assert 2 * found.macs == counted_by_torch(module, image)
    assert found.blocks[-1].name == ""
    assert found.blocks[-1].macs == found.macs
    assert found.parameters == sum(parameter.numel() for parameter in module.parameters())
    uncalled = [module.get_submodule(name) for name in found.uncalled]
    unused = {id(p): p.numel() for child in uncalled for p in child.parameters(recurse=False)}
    assert sum(call.parameters for call in found.calls) == found.parameters - sum(unused.values())
    grouped = stages(found)
    assert len(grouped) <= 28
    assert tuple(call for stage in grouped for call in stage.layers) == found.calls


PUBLISHED = {
    # GMACs at 224 px as torchvision states them for its weights (299 px for Inception v3).
    "resnet50": 4.09,
    "inception_v3": 5.71,
    "squeezenet1_0": 0.82,
    "efficientnet_b0": 0.39,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_are_the_published_ones(name: str) -> None:
    side = 299 if name == "inception_v3" else 224
    found = trace(build(name).module, (3, side, side))
    assert round(found.macs / 1e9, 2) == PUBLISHED[name]
    assert len(stages(found)) <= 28


def test_only_shapes_are_computed_for_a_shape_and_all_for_an_image() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 1, 1)
            self.rare = nn.Conv2d(1, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            return self.rare(x) if float(x.sum()) > 0 else x

    network = Branching()
    with torch.no_grad():
        network.first.weight.fill_(1.0)
        network.first.bias.zero_()
    assert trace(network, (1, 4, 4)).uncalled == ("rare",)
    assert trace(network, torch.ones(1, 1, 4, 4)).uncalled == ()
    assert trace(network, -torch.ones(2, 1, 4, 4)).uncalled == ("rare",)


def test_functional_operations_stand_under_the_module_that_calls_them() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 3, 3, 3))
            self.scale = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = F.relu(F.conv2d(x, self.weight, padding=1))
            y = y * self.scale + F.avg_pool2d(F.pad(y, (1, 1, 1, 1)), 3, 1)
            return torch.flatten(y.mean((2, 3)), 1)

    class Outer(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * 2.0

    found = trace(Outer(OrderedDict(body=Functional())), (3, 6, 6))
    assert labels(found) == [
        *("body: conv", "body: relu", "body: mul", "body: constant_pad_nd", "body: avg_pool2d"),
        *("body: add", "body: mean"),
    ]
    assert [call.kind for call in found.calls] == [
        *("conv", "activation", "scale", "pad", "pool", "add", "pool")
    ]
    assert [call.parameters for call in found.calls] == [108, 0, 4, 0, 0, 0, 0]
    assert found.calls[0].macs == 4 * 6 * 6 * 27
    assert [block.name for block in found.blocks] == ["body", ""]


def test_what_is_computed_from_parameters_alone_is_counted() -> None:
    class Encoding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.ones(3, 5))
            self.mix = nn.Linear(5, 16, bias=False)
            self.conv = nn.Conv2d(3, 3, 1, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x) + self.mix(self.table).view(1, 3, 4, 4)

    found = trace(Encoding(), (3, 4, 4))
    assert found.macs == 9 * 16 + 3 * 5 * 16
    assert found.find("mix").receptive_field is None
    assert found.calls[-1].receptive_field.size == (1, 1)
    assert sum(call.parameters for call in found.calls) == found.parameters


def test_a_module_called_twice_has_two_calls_and_its_parameters_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.relu(self.conv(self.relu(self.conv(x))))

    found = trace(Twice(), (2, 8, 8))
    assert labels(found) == ["conv#0", "relu#0", "conv#1", "relu#1"]
    assert [call.parameters for call in found.calls] == [38, 0, 0, 0]
    assert [call.shared_parameters for call in found.calls] == [0, 0, 38, 0]
    assert [call.order for call in found.module_calls()] == [0, 1, 2, 3, 4]
    assert found.find("conv", 1).receptive_field.size == (5, 5)
    assert found.find("").kind == "container"
    with pytest.raises(LayerError, match=r"'conv' is called 2 times.*from 0 to 1"):
        found.find("conv")
    with pytest.raises(LayerError, match=r"no layer 'comv'\. Did you mean 'conv'"):
        found.find("comv")


def test_memory_counts_what_is_newly_written() -> None:
    found = trace(tiny_network(), (3, 8, 8))
    expected = {"0": 6 * 64 * 4, "1": 0, "2": 6 * 16 * 4, "7": 0, "8": 4 * 4}
    assert {name: found.find(name).output_bytes for name in expected} == expected
    assert found.activation_bytes == sum(call.output_bytes for call in found.calls)
    assert found.parameter_bytes == 4 * found.parameters


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_left_as_it_was(training: bool) -> None:
    network = tiny_network().train(training)
    before = state(network)
    trace(network, (3, 8, 8))
    assert state(network) == before


def test_the_network_is_left_as_it_was_after_a_failure() -> None:
    network = tiny_network().train()
    before = state(network)
    with pytest.raises(ModelError, match=r"Sequential cannot run on an input \[1, 5, 8, 8\]"):
        trace(network, (5, 8, 8))
    assert state(network) == before


def test_a_tensor_kept_by_the_network_can_still_take_part_in_training() -> None:
    class Caching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)
            self.grid: torch.Tensor | None = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.grid is None:
                self.grid = torch.linspace(0, 1, x.shape[-1])
            return self.conv(x) * self.grid

    network = Caching()
    with torch.inference_mode():
        trace(network, (1, 4, 4))
    network(torch.ones(1, 1, 4, 4)).sum().backward()
    assert network.conv.weight.grad is not None


@each_case("shape", [(3,), (3, 0, 4), (1, 1, 3, 4, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="not the shape of an image"):
        trace(tiny_network(), shape)


def window_of(layer: nn.Module, side: int) -> LayerCall:
    return trace(nn.Sequential(layer), (1, side, side)).calls[0]


def test_a_stride_that_does_not_divide_is_told_with_what_is_lost() -> None:
    call = window_of(nn.Conv2d(1, 1, 3, stride=3), 7)
    assert call.output_shape == (1, 1, 2, 2)
    assert call.windows is not None
    assert call.windows.leftover == (1, 1)
    assert call.uneven == (
        "(7 − 3)/3 + 1 = 2.333 is not whole: rounded down, the last row and the last column of its "
        "7 x 7 input are in no window."
    )
    assert window_of(nn.Conv2d(1, 1, 3, stride=2), 7).uneven is None


@each_case(
    "mode, padding, ends",
    [
        ("zeros", 2, (2, 2)),
        ("reflect", 2, (2, 2)),
        ("replicate", 1, (1, 1)),
        ("circular", 2, (2, 2)),
        ("zeros", "same", (1, 2)),
        ("reflect", "same", (1, 2)),
        ("circular", "same", (1, 2)),
    ],
)
def test_padding_is_what_the_layer_adds_however_it_adds_it(
    mode: Any, padding: int | str, ends: tuple[int, int]
) -> None:
    stride = 1 if padding == "same" else 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch tells that an even kernel costs a copy
        layer = nn.Conv2d(1, 1, 4, padding=padding, padding_mode=mode, stride=stride)
        call = window_of(layer, 9)
    assert call.windows is not None
    assert call.windows.padding == (ends[0],) * 2
    assert call.windows.padding_after == (ends[1],) * 2
    # What is left over is counted in the input that the layer was given, and not in a padded one.
    assert call.windows.leftover == (0, 0)
    left = (9 + sum(ends) - 4) % stride
    assert ("only padding is left over" in (call.uneven or "")) == bool(left)


def test_padding_and_rounding_up_are_told_apart_from_lost_pixels() -> None:
    padded = window_of(nn.Conv2d(1, 1, 3, stride=2, padding=1), 8)
    assert padded.windows is not None
    assert padded.windows.leftover == (0, 0)
    assert "only padding is left over" in (padded.uneven or "")
    rounded = window_of(nn.MaxPool2d(3, 2, ceil_mode=True), 6)
    assert rounded.output_shape == (1, 1, 3, 3)
    assert "reach 1 px beyond the border" in (rounded.uneven or "")
    sparse = window_of(nn.Conv2d(1, 1, 1, stride=2), 8)
    assert sparse.uneven is None
    assert sparse.windows is not None
    assert "reads 4 x 4 of 8 x 8 positions" in (sparse.windows.gaps or "")


def test_an_unknown_operation_makes_fields_unknown_not_wrong() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)
            self.last = nn.Conv2d(1, 1, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.linalg.qr(self.conv(x)).Q)

    found = trace(Odd(), (1, 9, 9))
    assert found.find("conv").receptive_field is not None
    assert found.find("last").receptive_field is None
    assert found.unknown == ("linalg_qr",)
    assert found.uncounted == ("linalg_qr",)


def test_a_detour_through_numpy_makes_fields_unknown() -> None:
    class Detour(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(x.numpy()[..., ::-1].copy())

    found = trace(nn.Sequential(Detour(), nn.Conv2d(1, 1, 3)), (1, 5, 5))
    assert [call.receptive_field for call in found.calls] == [None, None]
    assert found.unknown == ("a tensor made outside torch",)


def test_a_call_that_fails_and_is_caught_leaves_the_rest_in_order() -> None:
    class Failing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise KeyError("not this time")

    class Patient(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.failing = Failing()
            self.conv = nn.Conv2d(1, 1, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with contextlib.suppress(KeyError):
                x = self.failing(x)
            return self.conv(x)

    assert labels(trace(Patient(), (1, 5, 5))) == ["conv"]


@each_case(
    "scale",
    [
        lambda mean: mean.amax(0),
        lambda mean: mean.sum(-1),
        lambda mean: mean.sort().values,
        lambda mean: mean.cumsum(0),
        lambda mean: mean.softmax(0),
        lambda mean: mean.index_select(0, torch.tensor([0])),
    ],
)
def test_a_number_alone_has_axes_0_and_minus_1_as_in_torch(
    scale: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    class Scaled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * scale(x.mean())

    found = trace(nn.Sequential(nn.Conv2d(1, 2, 3), Scaled(), nn.Conv2d(2, 2, 3)), (1, 9, 9))
    assert found.unknown == ()
