"""What goes past a gradient, detached or under no_grad, is told beside the verdict it is not in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import cnnviz
from tests.helpers.detectors import TwoStage, photos


class Net(nn.Module):
    """Three convolutions in a row, one beside them, and a way to use them."""

    def __init__(self, way: Callable) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.way = way
        self.a = nn.Sequential(
            nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()
        )
        self.b = nn.Conv2d(3, 3, 3, padding=1)
        self.last = nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.way(self, x).mean((2, 3)))


def stopped(net: Net, x: torch.Tensor) -> torch.Tensor:
    first = net.a[:2](x)
    return net.a[2:](first) * (1.0 + first.detach().mean((1, 2, 3), keepdim=True))


def centred(net: Net, x: torch.Tensor) -> torch.Tensor:
    return net.a(x - x.detach().mean((1, 2, 3), keepdim=True))


def rounded(net: Net, x: torch.Tensor) -> torch.Tensor:
    maps = net.a(x)
    return maps + (maps.round() - maps).detach()


@pytest.mark.parametrize(
    ("way", "detached"),
    [
        (stopped, ("a.0",)),
        (centred, ("the image",)),
        (rounded, ("a.2",)),
        (lambda net, x: net.a(x) + net.b(x).detach(), ()),
        (lambda net, x: net.a(x) * net.b(x).sigmoid(), ()),
        (lambda net, x: net.a(x * (x.shape[2] / 12)), ()),
        (lambda net, x: net.a(x) + torch.ones_like(x[:, :1]).detach(), ()),
    ],
)
def test_what_goes_on_past_a_gradient_is_told(way: Callable, detached: tuple[str, ...]) -> None:
    found = cnnviz.gradient_flow(Net(way), torch.rand(2, 3, 12, 12), remedies=False)
    assert found.verdict.detached == detached
    told = " ".join(found.provenance.notes)
    assert all(f"What comes from {name} also goes on detached" in told for name in detached)
    partial = bool(detached) or bool(found.verdict.cut)
    assert ("The verdict is of the paths that a gradient takes" in told) == partial


def test_of_a_two_stage_detector_it_is_said_that_the_proposals_are_cut_off() -> None:
    found = cnnviz.gradient_flow(cnnviz.Model(TwoStage(), output="boxes"), photos(), remedies=False)
    points = [found.points[place] for place in found.verdict.cut]
    assert points == ["proposals"]
    told = " ".join(found.provenance.notes)
    assert "No gradient arrives at proposals" in told
    assert "The proposals of a two-stage detector are detached by design" in told
    assert "The verdict is of the paths that a gradient takes" in told
    assert "The verdict is of the paths" in found.caption()
