"""Receptive fields against the support of the numerical gradient, and against published values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.overrides import TorchFunctionMode

from cnnviz.errors import UsageError
from cnnviz.introspection.hooks import module_hooks
from cnnviz.introspection.receptive_fields import ArrayBox, Axis, PixelBox, ReceptiveField, box_of
from cnnviz.introspection.tracing import LayerCall, trace
from tests.helpers.architectures import OF_OTHER_BLOCKS, shallow, small_input, thin
from tests.helpers.each_case import each_case

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


def support(output: torch.Tensor, row: int, column: int, image: torch.Tensor) -> PixelBox:
    """Return the box around the pixels on which a position of `output` depends, any channel."""
    picked = output[..., row, column] if output.ndim == 4 else output
    # Random factors for the channels, so that none cancels another.
    factors = torch.rand(picked.shape, generator=torch.Generator().manual_seed(1)) + 0.5
    (gradient,) = torch.autograd.grad(
        (picked * factors).sum(), image, retain_graph=True, allow_unused=True
    )
    if gradient is None or not gradient.any():
        return PixelBox(0, 0, 0, 0)
    rows = gradient.any(dim=3).any(dim=1)[0].nonzero().flatten()
    columns = gradient.any(dim=2).any(dim=1)[0].nonzero().flatten()
    return PixelBox(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


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
        stack.enter_context(module_hooks(listened, after=keep))
        stack.enter_context(Linearised(gates))
        module(image)
    return found


def spread(calls: list[LayerCall], count: int) -> list[LayerCall]:
    """Return `count` of the calls, evenly spaced, the last one among them."""
    count = min(count, len(calls))
    return [calls[(number + 1) * len(calls) // count - 1] for number in range(count)]


def middle(call: LayerCall) -> tuple[int, int]:
    assert call.output_field is not None
    height, width = call.output_field.positions
    return height // 2, width // 3


@pytest.mark.parametrize("name", OF_OTHER_BLOCKS)
def test_fields_are_the_support_of_the_gradient(name: str) -> None:
    module = shallow(name).module
    image = small_input(name).requires_grad_()
    found = trace(module, tuple(image.shape[1:]))
    assert found.unknown == ()
    spatial = [call for call in found.module_calls() if len(call.output_shape) == 4]
    others = [call for call in found.module_calls() if len(call.output_shape) == 2]
    calls = [*spread(spatial, 3), *others[-1:]]
    outputs = outputs_of(module, calls, image)
    for call in calls:
        field = call.output_field
        assert field is not None
        row, column = middle(call)
        assert field.box(row, column) == support(
            outputs[call.name, call.index], row, column, image
        ), call.label


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf"])
def test_fields_without_gates_are_the_support_with_the_gates_held(name: str) -> None:
    module = shallow(name).module
    image = small_input(name).requires_grad_()
    found = trace(module, tuple(image.shape[1:]))
    gated = [
        call
        for call in found.module_calls()
        if call.output_field is not None
        and call.output_field.gateless is not None
        and call.output_field.positions != (1, 1)
    ]
    calls = spread(gated, 3)
    outputs = outputs_of(module, calls, image, gates=False)
    for call in calls:
        assert call.output_field is not None
        assert call.output_field.whole
        row, column = middle(call)
        numeric = support(outputs[call.name, call.index], row, column, image)
        assert call.output_field.local.box(row, column) == numeric, call.label


PUBLISHED: dict[str, dict[str, tuple[int, int]]] = {
    # Size and cumulative stride. Araujo et al. (2019) give 195, 212 and 1311 for the last layer of
    # AlexNet v2, VGG-16 and Inception v3, whose layers torchvision shares. Their 483 for ResNet-50
    # holds where the stride sits in the last unit of a stage; in torchvision it sits in the 3x3
    # layer of the first unit: 35 after layer1, then per stage 3x3 layers at strides 4, 8 x 3, 8,
    # 16 x 5, 16, 32 x 2: 35 + 2 (4 + 24 + 8 + 80 + 16 + 64) = 427.
    "alexnet": {
        "features.0": (11, 4),
        "features.3": (51, 8),
        "features.10": (163, 16),
        "features.12": (195, 32),
    },
    "vgg16": {"features.28": (196, 16), "features.30": (212, 32)},
    "resnet18": {"conv1": (7, 2), "layer1": (43, 4), "layer4": (435, 32)},
    "resnet50": {"layer1": (35, 4), "layer4": (427, 32)},
    "inception_v3": {"Mixed_7c": (1311, 32)},
    "lenet5": {"features.c1": (5, 1), "features.s2": (6, 2), "features.s4": (16, 4)},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes(name: str) -> None:
    side = {"lenet5": 32, "inception_v3": 299}.get(name, 224)
    model = thin(name)  # A field does not depend on how many channels there are.
    found = trace(model.module, (model.channels, side, side))
    for layer, (size, stride) in PUBLISHED[name].items():
        field = found.find(layer).output_field
        assert field is not None
        assert (field.size, field.stride) == ((size, size), (stride, stride)), layer


def test_padding_moves_the_start_and_the_border_clips_the_box() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 1, (5, 3), stride=(2, 1), padding=(2, 1)), nn.Conv2d(1, 1, 3, dilation=2)
    )
    field = trace(network, (1, 20, 12)).calls[1].output_field
    assert field is not None
    assert (field.size, field.stride, field.start) == ((13, 7), (2, 1), (-2, -1))
    assert field.box(1, 0, clipped=False) == PixelBox(-1, 0, 6, 13)
    assert field.box(1, 0) == PixelBox(0, 0, 6, 13)
    assert (field.box(1, 0).width, field.box(1, 0).height) == (6, 13)
    assert field.describe() == "13 x 7"
    with pytest.raises(UsageError, match=r"Position \(6, 0\) lies outside the layer's 6 x 8"):
        field.box(6, 0)


def test_a_field_that_is_not_uniform_has_clipped_boxes_only() -> None:
    network = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(1, 1, 2))
    field = trace(network, (1, 4, 4)).calls[1].output_field
    assert field is not None
    assert field.stride is None
    assert field.describe() == "up to 2 x 2"
    assert [field.box(0, column) for column in (0, 1)] == [
        PixelBox(0, 0, 1, 1),
        PixelBox(0, 0, 2, 1),
    ]
    with pytest.raises(UsageError, match="differ in size"):
        field.box(0, 0, clipped=False)


def test_padding_alone_depends_on_nothing() -> None:
    field = trace(nn.Sequential(nn.Conv2d(1, 1, 1, padding=2)), (1, 3, 3)).calls[0].output_field
    assert field is not None
    assert field.box(0, 3) == PixelBox(0, 0, 0, 0)
    assert field.box(2, 3) == PixelBox(1, 0, 2, 1)
    assert field.box(0, 3, clipped=False) == PixelBox(1, -2, 2, -1)


class Apply(nn.Module):
    """A module that applies a function, which may hold layers."""

    def __init__(self, function: Callable[..., torch.Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x, *self.layers)


def gate(x: torch.Tensor, squeeze: nn.Module) -> torch.Tensor:
    # Where padding made x zero, a product would hide the gate.
    return (x + 1) * torch.sigmoid(squeeze(F.adaptive_avg_pool2d(x, 1)))


def shuffle(x: torch.Tensor) -> torch.Tensor:
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def split_and_join(x: torch.Tensor, branch: nn.Module) -> torch.Tensor:
    first, second = x.chunk(2, dim=1)
    return torch.cat([second, branch(first)], 1)


def write_into(x: torch.Tensor) -> torch.Tensor:
    canvas = torch.zeros(1, x.shape[1], x.shape[2] + 1, x.shape[3] + 2, dtype=x.dtype)
    canvas[:, :, 1:, :-2] = x
    return canvas


def channels_last(x: torch.Tensor, linear: nn.Module) -> torch.Tensor:
    return linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def mix_in_windows(x: torch.Tensor) -> torch.Tensor:
    n, c, h, w = x.shape
    x = x[:, :, : h // 2 * 2]
    tokens = x.reshape(n, c, h // 2, 2, w).permute(0, 2, 4, 3, 1)
    mixed = torch.softmax(tokens @ tokens.transpose(-1, -2), -1) @ tokens
    return mixed.permute(0, 4, 1, 3, 2).reshape(n, c, h // 2 * 2, w)


CHANNELS = 4


def conv(kernel: int, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(CHANNELS, CHANNELS, kernel, **options)


def half() -> nn.Conv2d:
    return nn.Conv2d(CHANNELS // 2, CHANNELS // 2, 3, padding=1)


BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: conv(3),
    "strided": lambda: conv(3, stride=2, padding=1),
    "sparse": lambda: conv(1, stride=2),
    "wide padding": lambda: conv(2, padding=2),
    "dilated": lambda: conv(3, dilation=2, padding=1),
    "depthwise": lambda: conv((1, 3), padding=(0, 1), groups=CHANNELS),  # type: ignore[arg-type]
    "transposed": lambda: nn.ConvTranspose2d(CHANNELS, CHANNELS, 3, stride=2, output_padding=1),
    "transposed, gaps": lambda: nn.ConvTranspose2d(CHANNELS, CHANNELS, 1, stride=2),
    "max": lambda: nn.MaxPool2d(3, 2, padding=1),
    "max, ceil": lambda: nn.MaxPool2d(2, 2, ceil_mode=True),
    "average, ceil": lambda: nn.AvgPool2d(3, 2, ceil_mode=True),
    "adaptive": lambda: nn.AdaptiveAvgPool2d((3, 4)),
    "nearest": lambda: nn.Upsample(scale_factor=2, mode="nearest"),
    "bilinear": lambda: nn.Upsample(scale_factor=1.5, mode="bilinear"),
    "bilinear, aligned": lambda: nn.Upsample(size=(7, 9), mode="bilinear", align_corners=True),
    "reflect": lambda: nn.Sequential(nn.ReflectionPad2d((1, 0, 0, 1)), conv(2)),
    "replicate": lambda: nn.ReplicationPad2d((0, 2, 1, 0)),
    "crop": lambda: nn.ZeroPad2d((-1, 1, 0, -1)),
    "skip": lambda: Apply(lambda x, branch: x + branch(x), conv(3, padding=2, dilation=2)),
    "in-place skip": lambda: Apply(lambda x, f: f(x).add_(x).relu_(), conv(3, padding=1)),
    "unequal branches": lambda: Apply(
        lambda x, f: torch.cat([f(x)[:, :2], F.max_pool2d(x, 3, 1, 1)[:, 2:]], 1),
        conv(5, padding=2),
    ),
    "split": lambda: Apply(split_and_join, half()),
    "shuffle": lambda: Apply(shuffle),
    "slices": lambda: Apply(lambda x: x[:, :, 1::2, :-1]),
    "flip": lambda: Apply(lambda x: x.flip(3)),
    "roll": lambda: Apply(lambda x: torch.roll(x, 2, 2)),
    "turn": lambda: Apply(lambda x: x.transpose(2, 3)),
    "gate": lambda: Apply(gate, conv(1)),
    "write": lambda: Apply(write_into),
    "channels last": lambda: Apply(channels_last, nn.Linear(CHANNELS, CHANNELS)),
    "windows": lambda: Apply(mix_in_windows),
    "pixel shuffle": lambda: nn.Sequential(conv(1), nn.PixelUnshuffle(2), nn.PixelShuffle(2)),
    "depth to space": lambda: nn.Sequential(nn.PixelShuffle(2), nn.Conv2d(1, CHANNELS, 3)),
    "norm": lambda: nn.BatchNorm2d(CHANNELS),
    "unfold": lambda: Apply(
        lambda x: F.unfold(x, 3, padding=1).view(1, -1, x.shape[2], x.shape[3])[:, ::9]
    ),
    "reordered": lambda: Apply(lambda x: x[:, [3, 0, 2, 1]]),
    "unequal joins": lambda: Apply(
        lambda x, f: torch.cat([torch.cat([x, f(x)[:, :3]], 1), x[:, :2]], 1)[:, 1:-4],
        conv(3, padding=1),
    ),
    "reduced and joined": lambda: Apply(
        lambda x, f: torch.cat([torch.cat([x, f(x)], 1), torch.cat([x, f(x)], 1)[:, ::2]], 1)[
            :, 4:8
        ],
        conv(3, padding=1),
    ),
    "stacked": lambda: Apply(lambda x: torch.stack(x.unbind(2)[::-1], 2)),
}


def network_of(names: list[str]) -> tuple[nn.Sequential, torch.Tensor]:
    """Chain the blocks that the size of the maps still admits, with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(2, CHANNELS, 1))
        for name in names:
            network.append(BLOCKS[name]())
            try:
                with torch.no_grad():
                    places = network(torch.rand(1, 2, 11, 13)).shape[2:].numel()
            except RuntimeError:
                places = 0
            if not 0 < places <= 900:
                del network[-1]
        return network.double().eval(), torch.rand(1, 2, 11, 13, dtype=torch.float64)


def check_positions(network: nn.Sequential, image: torch.Tensor) -> None:
    found = trace(network, (2, 11, 13))
    assert found.unknown == ()
    field = found.find("").output_field
    assert field is not None
    image.requires_grad_()
    with Linearised():
        output = network(image)
    height, width = field.positions
    assert (height, width) == output.shape[2:]
    # Mirrored pixels lie inside the image, and beyond its border in the unclipped window.
    mirrors = (nn.ReflectionPad2d, nn.ReplicationPad2d)
    mirrored = any(isinstance(child, mirrors) for child in network.modules())
    places = {(0, 0), (height - 1, width - 1), (height // 2, width // 2), (height // 3, 0)}
    places |= {(1 % height, width - 1), (height - 1, 1 % width), (height // 2, 2 % width)}
    for row, column in sorted(places):
        numeric = support(output, row, column, image)
        clipped = field.box(row, column)
        assert clipped == numeric, (row, column)
        if field.uniform and clipped.width and not mirrored:
            whole = field.box(row, column, clipped=False)
            assert whole.left <= clipped.left
            assert whole.top <= clipped.top
            assert whole.right >= clipped.right
            assert whole.bottom >= clipped.bottom


@each_case("name", BLOCKS)
def test_each_kind_of_block_is_followed_exactly(name: str) -> None:
    network, image = network_of(["strided", name, "conv"])
    assert len(network) >= 3
    check_positions(network, image)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(sorted(BLOCKS)), min_size=2, max_size=6))
@example(["adaptive", "average, ceil", "unfold"])
def test_chains_of_blocks_are_followed_exactly(names: list[str]) -> None:
    check_positions(*network_of(names))


def test_a_box_of_a_volume_has_rows_and_columns_and_one_of_a_signal_is_one_row() -> None:
    volume = ArrayBox((1, 2, 4), (4, 7, 11))
    assert volume.sizes == (3, 5, 7)
    assert (volume.top, volume.bottom, volume.height) == (2, 7, 5)
    assert (volume.left, volume.right, volume.width) == (4, 11, 7)
    signal = ArrayBox((3,), (9,))
    assert signal.sizes == (6,)
    assert (signal.top, signal.bottom, signal.height) == (0, 1, 1)
    assert (signal.left, signal.right, signal.width) == (3, 9, 6)
    assert box_of((1, 2, 4), (4, 7, 11)) == volume
    assert box_of((3,), (9,)) == signal
    assert box_of((1, 2), (4, 7)) == PixelBox(left=2, top=1, right=7, bottom=4)


@each_case(("first", "last", "whole"), [(0, 9, True), (-2, 12, True), (0, 8, False), (1, 9, False)])
def test_a_field_is_whole_from_the_first_pixel_to_the_last(first, last, whole) -> None:
    every = Axis(10, np.array([0, first]), np.array([9, last]), 10, None, None)
    assert every.whole is whole


def test_rows_and_columns_are_the_last_two_axes() -> None:
    axes = tuple(Axis(n, np.zeros(1), np.zeros(1), n, 1, 0) for n in (7, 8, 9))
    field = ReceptiveField(axes, (1, 1, 1))
    assert (field.rows.extent, field.columns.extent) == (8, 9)
