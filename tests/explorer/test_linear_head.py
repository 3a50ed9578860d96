"""A linear head is found by what it computes, whatever code computes it, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.explorer.linear_head import LinearHead, linear_head


class Headed(nn.Module):
    """A stem, and a head that is given."""

    def __init__(self, head: nn.Module, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU())
        self.head = head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.stem(images))


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 6))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.einsum("kc,nchw->nk", self.weight, maps) / maps[0, 0].numel() + 0.5


class RectifiedInPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 5)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.linear(F.relu(maps, inplace=True).mean((2, 3)))


def pooled(*last: nn.Module) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *last)


def head_of(head: nn.Module) -> tuple[LinearHead | None, cnnviz.Capture]:
    model = cnnviz.load(Headed(head).eval())
    seen = cnnviz.capture(model, torch.rand(1, 3, 16, 16), layers="stem", gradients=False)
    return linear_head(seen, seen.activations.resolve("stem")), seen


@pytest.mark.parametrize(
    "head",
    [
        pooled(nn.Linear(6, 5)),
        pooled(nn.Dropout(), nn.Linear(6, 4, bias=False), nn.Linear(4, 5)),
        nn.Sequential(nn.Conv2d(6, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Sequential(nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
        Functional(),
    ],
    ids=["pool and linear", "two linear", "conv and pool", "norm", "einsum"],
)
def test_a_mean_and_a_linear_layer_are_found_in_any_code(head: nn.Module) -> None:
    found, seen = head_of(head)
    assert found is not None
    changed = seen.activations["stem"].clone()
    changed[:, 2] = 0.0
    changed[:, 4] *= 1.7
    with torch.no_grad():
        wanted = head(changed)[0].numpy()
    means = changed.mean((2, 3))[0].numpy()
    np.testing.assert_allclose(found.offsets + found.matrix @ means, wanted, atol=2e-6)
    np.testing.assert_allclose(found.means, seen.activations["stem"].mean((2, 3))[0], atol=1e-6)
    assert found.places == 64
    assert found.error < 1e-5


@pytest.mark.parametrize(
    "head",
    [
        pooled(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5)),
        nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
        nn.Sequential(nn.Flatten(), nn.Linear(6 * 64, 5)),
        nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Sequential(nn.GroupNorm(2, 6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
        pooled(nn.LayerNorm(6), nn.Linear(6, 5)),
        nn.Sequential(nn.Conv2d(6, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ],
    ids=["two layers", "maximum", "places", "borders", "group norm", "layer norm", "SqueezeNet's"],
)
def test_what_is_not_linear_in_the_means_is_never_taken_for_it(head: nn.Module) -> None:
    assert head_of(head)[0] is None


class Signed(nn.Module):
    """A stem whose maps have both signs."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.stem = nn.Conv2d(3, 6, 3, 2, 1)
        self.head = head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.stem(images))


def test_a_rectifier_before_the_mean_is_told_and_writes_nothing_into_the_capture() -> None:
    """As in DenseNet, which rectifies the last map in place before it takes the mean."""
    head = RectifiedInPlace()
    model = cnnviz.load(Signed(head).eval())
    seen = cnnviz.capture(model, torch.rand(1, 3, 16, 16), layers="stem", gradients=False)
    before = seen.activations["stem"].clone()
    found = linear_head(seen, seen.activations.resolve("stem"))
    assert torch.equal(seen.activations["stem"], before)
    assert (before < 0).any()
    assert found is not None
    assert found.rectified
    changed = before.clone()
    changed[:, 2] *= 0.3
    with torch.no_grad():
        wanted = head(changed.clone())[0].numpy()
    means = changed.relu().mean((2, 3))[0].numpy()
    np.testing.assert_allclose(found.offsets + found.matrix @ means, wanted, atol=2e-6)


def test_what_counts_negative_values_otherwise_is_not_taken_for_a_rectifier() -> None:
    for head in (
        nn.Sequential(nn.LeakyReLU(), *pooled(nn.Linear(6, 5))),
        nn.Sequential(nn.ReLU6(), *pooled(nn.Linear(6, 5))),
        nn.Sequential(nn.GELU(), *pooled(nn.Linear(6, 5))),
    ):
        model = cnnviz.load(Signed(head).eval())
        seen = cnnviz.capture(model, 9 * torch.randn(1, 3, 16, 16), layers="stem", gradients=False)
        assert linear_head(seen, seen.activations.resolve("stem")) is None
