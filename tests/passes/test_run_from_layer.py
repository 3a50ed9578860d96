"""A network resumed at a layer answers as the whole network does, and computes only the rest."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from cnnviz.models import as_model
from cnnviz.passes.call_order import call_order
from cnnviz.passes.run_from_layer import ForwardFromLayer
from tests.helpers.architectures import OF_OTHER_KINDS, build, shallow, small_input
from tests.helpers.in_place_networks import Twice, seeded
from tests.helpers.state import state


class Counting(TorchDispatchMode):
    """Counts the convolutions that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.convolutions += func in (
            torch.ops.aten.conv2d.default,
            torch.ops.aten.convolution.default,
        )
        return func(*args, **(kwargs or {}))


def dense(module: nn.Module, name: str, call: int, image: torch.Tensor, values: torch.Tensor):
    """Run everything, with the layer's output replaced by a plain hook."""
    calls = []

    def replace(*_: object) -> torch.Tensor | None:
        calls.append(1)
        return values if len(calls) == call + 1 else None

    handle = module.get_submodule(name).register_forward_hook(replace)
    try:
        with torch.no_grad():
            return module(image.expand(len(values), *image.shape[1:]).clone())
    finally:
        handle.remove()


@pytest.mark.parametrize("name", OF_OTHER_KINDS)
def test_every_network_resumes_at_its_middle(name: str) -> None:
    model = shallow(name)
    image = small_input(name)
    order = call_order(model, image)
    stages = order.stages()
    layer = stages[len(stages) // 2]
    shape = next(call.shape for call in order.calls if call.name == layer)
    values = torch.rand(3, *shape[1:], generator=torch.Generator().manual_seed(0))
    before = state(model.module)
    resumed = ForwardFromLayer(model, image, (layer, 0))
    found = resumed(values)
    expected = dense(model.module, layer, 0, image, values)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert resumed.skips
    assert state(model.module) == before


def test_only_what_lies_above_the_layer_is_computed() -> None:
    model = build("resnet18")
    image = small_input("resnet18")
    resumed = ForwardFromLayer(model, image, ("layer3", 0))
    values = torch.rand(2, 256, 4, 4)
    with Counting() as counted:
        resumed(values)
    assert counted.convolutions == 5, "layer4 holds five convolutions"


@pytest.mark.parametrize("call", [0, 1, 2])
def test_a_layer_called_several_times_resumes_at_the_call_meant(call: int) -> None:
    model = as_model(seeded(Twice))
    image = torch.rand(1, 3, 8, 8)
    values = torch.rand(4, 5, 8, 8)
    resumed = ForwardFromLayer(model, image, ("relu", call))
    torch.testing.assert_close(
        resumed(values), dense(model.module.eval(), "relu", call, image, values)
    )
    assert resumed.skips


class Folding(nn.Module):
    """Compares all images with each other below the layer, so that the batch has two places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        alike = x.flatten(1) @ x.flatten(1).T
        return self.head(self.conv(x + 0.0 * alike.mean()).mean((2, 3)))


def test_a_network_that_cannot_be_replayed_is_computed_whole() -> None:
    model = as_model(seeded(Folding))
    image, values = torch.rand(1, 3, 8, 8), torch.rand(3, 4, 6, 6)
    resumed = ForwardFromLayer(model, image, ("conv", 0))
    assert not resumed.skips
    torch.testing.assert_close(resumed(values), dense(model.module, "conv", 0, image, values))


class Fickle(nn.Module):
    """Takes another path for more than two images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 2:
            x = x + 0.0
            x = x.sin().asin()
        return self.conv(x).mean((2, 3))


def test_a_network_that_takes_another_path_is_computed_whole() -> None:
    model = as_model(seeded(Fickle))
    image, values = torch.rand(1, 3, 8, 8), torch.rand(3, 4, 6, 6)
    resumed = ForwardFromLayer(model, image, ("conv", 0))
    torch.testing.assert_close(resumed(values), values.mean((2, 3)))
    assert not resumed.skips


def test_views_of_parameters_below_the_layer_can_be_given_again_and_again() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.randn(3, 4))
            self.conv, self.head = nn.Conv2d(3, 3, 3), nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scales = self.table.view(-1)[:3].view(1, 3, 1, 1)
            return self.head((self.conv(x * scales) * scales).mean((2, 3)))

    network, image = seeded(Table), torch.rand(1, 3, 8, 8)
    resumed = ForwardFromLayer(as_model(network), image, ("conv", 0))
    for count in (2, 3):
        values = torch.rand(count, 3, 6, 6)
        torch.testing.assert_close(resumed(values), dense(network, "conv", 0, image, values))
    assert resumed.skips


class Windows(nn.Module):
    """Cuts images into windows below the layer, some of them skip it and are written to behind it.

    Windows of an image come one after the other, or images one after the other in each window.
    """

    def __init__(self, in_turn: bool) -> None:
        super().__init__()
        self.in_turn = in_turn
        self.inside, self.conv, self.head = nn.Linear(12, 12), nn.Conv2d(3, 3, 1), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cut = x.reshape(len(x), 3, 4, 2, 4, 2)
        order = (0, 2, 4, 3, 5, 1) if self.in_turn else (2, 4, 0, 3, 5, 1)
        windows = cut.permute(order).reshape(-1, 12)
        inside = self.inside(windows).contiguous()
        found = self.conv(x)
        # In place, and its result is not taken: what is read next has been written to.
        inside.relu_()
        back = inside.reshape([cut.shape[d] for d in order])
        whole = back.permute([order.index(d) for d in range(6)]).reshape(x.shape)
        return self.head((found + whole).mean((2, 3)))


@pytest.mark.parametrize("in_turn", [True, False])
def test_windows_below_the_layer_are_put_together_where_they_are_read(in_turn: bool) -> None:
    torch.manual_seed(0)
    network, image = Windows(in_turn).eval(), torch.rand(1, 3, 8, 8)
    resumed = ForwardFromLayer(as_model(network), image, ("conv", 0))
    for count in (1, 2, 5):
        values = torch.rand(count, 3, 8, 8)
        torch.testing.assert_close(resumed(values), dense(network, "conv", 0, image, values))
    assert resumed.skips


def swin() -> nn.Module:
    return torchvision.models.swin_transformer.SwinTransformer(
        [4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=5
    )


def vit() -> nn.Module:
    return torchvision.models.VisionTransformer(40, 8, 3, 2, 8, 16, num_classes=5)


@pytest.mark.parametrize(
    ("made", "layer", "shape"),
    [
        (swin, "features.3", (5, 5, 16)),
        (vit, "encoder.layers.encoder_layer_1", (26, 8)),
        # The class token is put beside it, which no image has a part in.
        (vit, "conv_proj", (8, 5, 5)),
    ],
)
def test_a_network_with_windows_or_tokens_is_not_computed_whole(made, layer, shape) -> None:
    torch.manual_seed(0)
    network = made().eval()
    image, values = torch.rand(1, 3, 40, 40), torch.rand(3, *shape)
    resumed = ForwardFromLayer(as_model(network), image, (layer, 0))
    expected = dense(network, layer, 0, image, values)
    torch.testing.assert_close(resumed(values), expected, rtol=1e-4, atol=1e-5)
    assert resumed.skips
