"""One meaning of a layer: what `layers` lists and what `architecture` counts agree."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import prune

from cnnviz import architecture, network_diagram
from cnnviz.models.networks.lenet_1998 import PartialConvolution
from cnnviz.views._architecture_notes import asides, remarks
from tests.helpers.architectures import build


class Shared(nn.Module):
    """Two layers, one of them called twice, with a sum between."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.act(self.conv(x))
        return (self.act(x + y)).mean((2, 3))


def test_a_layer_is_counted_once_and_each_call_is_a_step() -> None:
    found = architecture(Shared(), 8)
    assert found.trace.layers == 2
    assert len(found.layers) == 4 + (found.layers[-1].name == "")
    assert f"Shared: 2 layers in {len(found.layers)} steps" in found.summary()
    assert found.sums()["layers"] == 2
    assert found.sums()["steps"] == len(found.layers)
    assert network_diagram(Shared(), 8).summary().startswith("Shared: 2 layers in ")


def test_blocks_are_no_layers() -> None:
    network = build("resnet18")
    found = architecture(network, 64)
    bare = [part for part in network.module.modules() if not list(part.children())]
    assert found.trace.layers == len(bare)


def test_where_both_are_the_same_steps_are_not_told() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    assert "Sequential: 4 layers, " in architecture(plain, 8).summary()


def test_padding_that_is_left_over_is_no_warning() -> None:
    padded = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Flatten())
    found = architecture(padded, 8)
    assert found.notes() == ()
    (aside,) = found.asides()
    assert "only padding is left over" in aside
    assert aside in str(found)
    cut = architecture(nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Flatten()), 8)
    assert asides(cut.trace) == ()
    (remark,) = remarks(cut.trace)
    assert "in no window" in remark


class MaskedLinear(nn.Module):
    """A product with weights of which a mask lets a half through."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(10, 12))
        self.register_buffer("mask", (torch.arange(120) % 2).view(10, 12))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight * self.mask)


def test_multiplications_by_what_is_always_zero_are_told() -> None:
    partial = PartialConvolution(((0, 1), (1,)), 2, 5)
    pruned = prune.ln_structured(nn.Conv2d(2, 4, 1, groups=2), "weight", 1, 2, 0)
    network = nn.Sequential(partial, pruned, nn.Flatten(), MaskedLinear())
    found = architecture(network, (5, 7))
    whole, zeros = (
        {call.label: value for call in found.layers if (value := getattr(call, name))}
        for name in ("macs", "zero_macs")
    )
    assert whole == {"0": 2 * 2 * 3 * 25, "1": 3 * 4, "3": 12 * 10}
    assert zeros == {"0": 1 * 3 * 25, "1": 3, "3": 60}
    (told,) = found.notes()
    assert "MACs of 0, 1 and 3 multiply by a weight that is always zero" in told
