"""Directions have the network's own filter norms, for every kind of layer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

from cnnviz.errors import ModelError
from cnnviz.gradients.landscape import random_direction
from cnnviz.gradients.landscape.directions import filter_norms
from tests.helpers.architectures import thin, tiny_network
from tests.helpers.state import rng


def small_convnext() -> nn.Module:
    """Return a ConvNeXt of two blocks: with layer scales, and without 28 million weights."""
    blocks = [CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)]
    return ConvNeXt(blocks, num_classes=4).eval()


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "convnext"])
def test_every_filter_is_as_long_as_the_networks_own(name: str) -> None:
    module = small_convnext() if name == "convnext" else thin(name).module
    found = random_direction(module, 0)
    for key, parameter in module.named_parameters():
        if parameter.ndim < 2 or key.endswith("layer_scale"):
            assert key not in found.steps
            continue
        step = found.steps[key]
        assert step.shape == parameter.shape
        torch.testing.assert_close(
            step.flatten(1).norm(dim=1), parameter.detach().flatten(1).norm(dim=1), rtol=1e-4,
            atol=1e-6,
        )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    groups=st.integers(1, 3), inside=st.integers(1, 3), outside=st.integers(1, 3),
    kernel=st.integers(1, 3),
)  # fmt: skip
def test_filters_of_a_transposed_convolution_are_those_of_its_outputs(
    groups: int, inside: int, outside: int, kernel: int
) -> None:
    layer = nn.ConvTranspose2d(groups * inside, groups * outside, kernel, groups=groups).double()
    step = random_direction(nn.Sequential(layer), 0).steps["0.weight"]
    for group in range(groups):
        rows = slice(group * inside, (group + 1) * inside)
        for channel in range(outside):
            wanted = layer.weight[rows, channel].norm()
            torch.testing.assert_close(
                step[rows, channel].norm(), wanted.detach(), rtol=1e-6, atol=0
            )


def test_a_filter_of_zeros_does_not_move() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2))
    with torch.no_grad():
        module[0].weight[2].zero_()
    step = random_direction(module, 0).steps["0.weight"]
    assert not bool(step[2].any())
    assert bool(torch.isfinite(step).all())


def test_directions_depend_on_their_seed_alone_and_are_nearly_orthogonal() -> None:
    module = thin("squeezenet1_0").module
    before = rng()
    first, again, other = (random_direction(module, seed) for seed in (4, 4, 5))
    assert rng() == before
    for name, step in first.steps.items():
        assert torch.equal(step, again.steps[name])
    assert first.cosine(first) == pytest.approx(1.0)
    assert abs(first.cosine(other)) < 0.01


def test_scales_that_cancel_make_no_difference() -> None:
    """A layer ten times as large before one ten times as small: the same steps, scaled alike."""
    module, scaled = tiny_network(), tiny_network()
    with torch.no_grad():
        scaled[0].weight.mul_(10.0)
        scaled[3].weight.div_(10.0)
    plain, large = random_direction(module, 0).steps, random_direction(scaled, 0).steps
    torch.testing.assert_close(large["0.weight"], 10.0 * plain["0.weight"])
    torch.testing.assert_close(large["3.weight"], 0.1 * plain["3.weight"])


def test_the_size_counts_what_moves() -> None:
    module = tiny_network()
    moving = sum(p.numel() for p in module.parameters() if p.ndim > 1)
    assert random_direction(module, 0).size == moving


def test_norms_spread_over_the_weight() -> None:
    weight = torch.randn(4, 3, 2, 2)
    assert filter_norms(weight).shape == (4, 1, 1, 1)
    assert filter_norms(weight, 2).shape == (4, 3, 1, 1)


def test_a_network_without_weights_has_no_direction() -> None:
    with pytest.raises(ModelError, match="has no weights of two or more dimensions"):
        random_direction(nn.Sequential(nn.ReLU(), nn.Flatten()), 0)


class Gains(nn.Module):
    """Gains and offsets of many shapes, around layers whose filters have one weight each."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.position = nn.Parameter(torch.ones(1, 4, 1, 1))
        self.table = nn.Parameter(torch.ones(4, 3))
        self.depthwise = nn.Conv2d(4, 4, 1, groups=4)
        self.head = nn.Linear(4, 1)


def test_gains_stay_and_filters_of_one_weight_move() -> None:
    moving = random_direction(Gains(), 0).steps
    assert set(moving) == {"table", "depthwise.weight", "head.weight"}
