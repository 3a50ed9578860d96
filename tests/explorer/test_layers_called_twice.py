"""A layer that is called twice is on the page twice, each call with its own numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import cnnviz
from cnnviz.explorer import explore
from cnnviz.explorer.layers import explored_layers
from cnnviz.explorer.network_map import network_map
from cnnviz.explorer.subject import photo_seen, planned_subject

PHOTO = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shared = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3)
        self.head = nn.Linear(6, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.shared(self.stem(images).relu()).relu()
        again: torch.Tensor = self.shared(maps).relu()
        return self.head((again * again).mean((2, 3)))


def test_each_call_has_the_gradient_that_torch_computes() -> None:
    torch.manual_seed(0)
    module = Twice().eval()
    plan = planned_subject(photo_seen(cnnviz.Model(module), PHOTO, "conv"), PHOTO, None, named=True)
    assert plan.held == ("stem", "shared#0", "shared#1")
    found = explored_layers(plan.seen, PHOTO, plan.held, plan.classes, lambda *_: None)

    exact = Twice().double().eval()
    exact.load_state_dict(module.state_dict())
    maps = [exact.stem(PHOTO.double()[None])]
    for _ in range(2):
        maps.append(exact.shared(maps[-1].relu()))
    scores = exact.head(maps[-1].relu().square().mean((2, 3)))[0]
    for place, layer in enumerate(found):
        np.testing.assert_allclose(layer.activations, maps[place][0].detach(), atol=1e-5)
        for row, number in enumerate(plan.classes):
            (slope,) = torch.autograd.grad(scores[number], maps[place], retain_graph=True)
            np.testing.assert_allclose(layer.weights[row], slope[0].mean((1, 2)), atol=1e-7)


def test_the_page_is_made(tmp_path) -> None:
    torch.manual_seed(0)
    page = explore(cnnviz.Model(Twice().eval()), PHOTO, layers="conv")
    text = page.save(tmp_path / "page.html").read_text()
    assert all(name in text for name in ("shared#0", "shared#1"))


def test_each_call_is_a_box_of_its_own_in_the_network() -> None:
    layers = ("stem", "shared#0", "shared#1")
    drawn = network_map(cnnviz.Model(Twice().eval()), (3, 16, 16), layers)
    held = {box["name"]: box["layer"] for box in drawn["boxes"]}
    assert (held["stem"], held["shared#0"], held["shared#1"]) == (0, 1, 2)
