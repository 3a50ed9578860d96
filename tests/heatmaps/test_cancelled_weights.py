"""Weights that what follows undoes are zero, not rounding; small weights that count are kept."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from cnnviz.explorer.layers import explored_layers
from cnnviz.passes.captures import capture
from cnnviz.results.progress import silent
from cnnviz.views.attribute import attribute
from cnnviz.views.cam import cam
from tests.helpers.each_case import each_case

DRAWS = torch.Generator().manual_seed(0)
IMAGES = torch.randn(2, 3, 12, 12, generator=DRAWS) + 1.0


class ByHand(nn.Module):
    """An instance norm in operations."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean((2, 3), keepdim=True)
        return centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


class AlwaysOn(nn.InstanceNorm2d):
    """Has channels of which what follows, a ReLU and a mean, lets a constant through: no slope."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 20.0 * (torch.arange(8) < 4)[:, None, None]


class Faint(nn.Module):
    """Lets a thousandth of each channel's mean through, and all that differs from it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - 0.999 * x.mean((2, 3), keepdim=True)


class Places(nn.Module):
    """Gives the expected place of each channel, by a softmax over its places."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shares = x.flatten(2).softmax(2)
        return (shares * torch.arange(float(shares.shape[2]))).sum(2)


def network(follows: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    built = nn.Sequential(nn.Conv2d(3, 8, 3), follows)
    if not isinstance(follows, Places):
        built.extend([nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)])
    # As in training, a norm does not leave zero in the middle.
    for parameter in follows.parameters():
        nn.init.normal_(parameter, 0.5, 0.2)
    return built.eval()


def reference(built: nn.Module, classes: tuple[int | None, ...], *, sizes: bool) -> torch.Tensor:
    """Return the map at the first layer in double precision."""
    double = built.double()
    maps = []
    for image, asked in zip(IMAGES.double().split(1), classes, strict=True):
        held = double[0](image).detach().requires_grad_()
        (slopes,) = torch.autograd.grad(double[1:](held)[0, asked], held)
        weights = (slopes * held).sum((2, 3)) / held.sum((2, 3)) if sizes else slopes.mean((2, 3))
        maps.append((weights[..., None, None] * held).sum(1).detach())
    built.float()
    return torch.cat(maps)


UNDONE: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "instance norm": ("gradcam", lambda: nn.InstanceNorm2d(8, affine=True)),
    "a group for each channel": ("gradcam", lambda: nn.GroupNorm(8, 8)),
    "by hand": ("gradcam", ByHand),
    "channels without a slope": ("gradcam", lambda: AlwaysOn(8, affine=True)),
    "statistics of the batch": (
        "gradcam",
        lambda: nn.BatchNorm2d(8, affine=True, track_running_stats=False),
    ),
    "softmax over places": ("gradcam", Places),
    "size alone": ("xgradcam", lambda: nn.InstanceNorm2d(8, eps=0.0)),
}
COUNTS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "groups of channels": ("gradcam", lambda: nn.GroupNorm(2, 8)),
    "batch norm": ("gradcam", lambda: nn.BatchNorm2d(8)),
    "a thousandth": ("gradcam", Faint),
    "size with eps": ("xgradcam", lambda: nn.InstanceNorm2d(8, eps=0.1)),
    "mean alone": ("xgradcam", Faint),
}


@each_case("name", [*UNDONE, *COUNTS])
def test_a_map_is_zero_where_what_it_weighs_by_is_undone(name: str) -> None:
    method, follows = {**UNDONE, **COUNTS}[name]
    built = network(follows())
    found = cam(capture(built, IMAGES, layers=["0"]), method=method)
    wanted = reference(built, found.target_classes, sizes=method == "xgradcam").float().numpy()
    told = any("takes that out of the channel again" in note for note in found.doubts)
    assert told == (name in UNDONE) == found.marks[0][0].endswith("weights are undone")
    assert bool(found.maps[0].any()) == (name in COUNTS)
    np.testing.assert_allclose(found.maps[0], wanted, rtol=1e-3, atol=1e-8)


def test_guided_gradcam_and_the_explorer_hold_to_it() -> None:
    built = network(Places())
    guided = attribute(built, IMAGES, "guided_gradcam")
    assert not guided.maps[0].any()
    assert any("takes that out of the channel again" in note for note in guided.doubts)
    assert all(guided.marks[0])
    seen = capture(built, IMAGES[:1], layers=["0"])
    (layer,) = explored_layers(seen, IMAGES[:1], ["0"], [1, 2], silent)
    assert not layer.weights.any()
    (doubt,) = layer.doubts
    assert doubt.startswith("Grad-CAM is zero at layer 0 for class 1 and class 2: ")


def both(output: torch.Tensor) -> torch.Tensor:
    return torch.stack([output[0, 1], output[1, 2]])


def test_it_is_asked_of_a_target_that_is_for_all_images_together() -> None:
    built = network(nn.InstanceNorm2d(8, affine=True))
    found = cam(capture(built, IMAGES, layers=["0"], target=both))
    assert not found.maps[0].any()
    kept = network(nn.BatchNorm2d(8))
    found, wanted = (
        cam(capture(kept, IMAGES, layers=["0"], target=target)) for target in (both, [1, 2])
    )
    np.testing.assert_array_equal(found.maps[0], wanted.maps[0])


def test_in_bfloat16_rounding_does_not_hide_it() -> None:
    for follows, counts in ((nn.InstanceNorm2d(8, affine=True), False), (nn.BatchNorm2d(8), True)):
        built = network(follows).bfloat16()
        before = {name: held.clone() for name, held in built.state_dict().items()}
        found = cam(capture(built, IMAGES.bfloat16(), layers=["0"]))
        assert found.maps[0].any() == counts
        for name, held in built.state_dict().items():
            assert torch.equal(held, before[name]), name
            assert held.dtype == before[name].dtype, name


class Strict(nn.InstanceNorm2d):
    """Takes no value that is larger than those it was made for."""

    reach = math.inf

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.abs().amax() > self.reach:
            raise ValueError("beyond the range")
        return super().forward(x)


def test_where_the_network_refuses_other_values_it_is_said_not_to_be_known() -> None:
    built = network(Strict(8, affine=True))
    built[1].reach = float(built[0](IMAGES).detach().abs().amax()) * 1.001
    found = cam(capture(built, IMAGES, layers=["0"]))
    told = [note for note in found.doubts if "may be rounding alone" in note]
    assert len(told) == 1
    assert "image 0 and image 1" in told[0]


def test_a_layer_that_gives_zero_is_not_said_to_be_undone() -> None:
    torch.manual_seed(0)
    dead = nn.Conv2d(3, 8, 3)
    nn.init.constant_(dead.bias, -100.0)
    head = (nn.Conv2d(8, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    held = capture(nn.Sequential(dead, nn.ReLU(), *head).eval(), IMAGES, layers=["1"])
    assert held.gradients["1"].any()
    found = cam(held)
    assert not found.maps[0].any()
    assert not any("takes that out" in note for note in found.doubts)
