"""A network resumed at a layer answers as the whole network does, and computes only the rest."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from cnnviz.models import as_model
from cnnviz.passes.call_order import call_order
from cnnviz.passes.run_from_layer import ForwardFromLayer
from tests.helpers.architectures import ARCHITECTURES, build, small_input
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


@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if n not in ("resnet152", "vgg16_bn")])
def test_every_network_resumes_at_its_middle(name: str) -> None:
    model = build(name)
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
    """Folds the batch into the channels below the layer, so that the batch has no place there."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x.reshape(-1) * 2).reshape(x.shape)
        return self.head(self.conv(x).mean((2, 3)))


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
