"""Normalisation of a network's maps: its own layer, which layer is taken, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import LayerError, UsageError
from cnnviz.results.legibility import crowded
from cnnviz.testing import network_state, small_network
from cnnviz.views.normalization import normalization


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_the_first_layer_that_normalises_is_taken_with_what_it_is_given(
    images: torch.Tensor,
) -> None:
    network = small_network()
    with torch.no_grad():
        network[4].running_mean += 0.3
        network[4].weight *= 2.0
        given = network[:4](images)
        made = network[4](given)
    before = network_state(network)
    found = normalization(network, images)
    assert network_state(network) == before
    assert (found.layer, found.own, found.channels) == ("4", "BatchNorm2d", 8)
    assert found.methods == (
        "before", "batch", "layer", "instance", "group", "local response", "its own",
    )  # fmt: skip
    shown = list(found.shown)
    np.testing.assert_allclose(found.maps[0], given[0, shown].numpy(), rtol=1e-6)
    np.testing.assert_allclose(found.maps[-1], made[0, shown].numpy(), atol=1e-6)
    trained = nn.functional.batch_norm(given, None, None, training=True)
    np.testing.assert_allclose(found.maps[1], trained[0, shown].numpy(), atol=1e-5)
    np.testing.assert_allclose(found.batch_means, given.mean((0, 2, 3)).numpy(), atol=1e-6)
    np.testing.assert_allclose(found.means[0], given[0].mean((1, 2)).numpy(), atol=1e-6)
    deviations = given[0].std((1, 2), unbiased=False)
    assert shown[0] == int(deviations.argmax())
    assert shown[-1] == int(deviations.argmin())


def test_a_network_that_does_not_normalise_shows_its_first_convolution(
    images: torch.Tensor,
) -> None:
    network = small_network()[:4]
    found = normalization(nn.Sequential(*network, nn.Flatten()), images)
    assert (found.layer, found.own) == ("0", "")
    with torch.no_grad():
        expected = network[0](images)[0]
    # The rectifier that follows writes over it in place.
    np.testing.assert_allclose(found.maps[0], expected[list(found.shown)].numpy(), rtol=1e-5)
    assert "does not normalise there itself" in found.caption()


class Tokens(nn.Module):
    """A network whose first layer that normalises has no feature maps, and a later one has."""

    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.LayerNorm(16)
        self.first = nn.Conv2d(3, 4, 3)
        self.norm = nn.GroupNorm(2, 4)
        self.unused = nn.BatchNorm2d(4)
        self.last = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.flat(x.flatten(1, 2)).view_as(x)
        return self.last(self.norm(self.first(x)).mean((2, 3)))


class NormAct(nn.BatchNorm2d):
    """A normalisation with its activation in one, as timm has them."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.drop(super().forward(x)))


def test_a_layer_with_its_activation_in_one_is_told(images: torch.Tensor) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), NormAct(4)).eval()
    found = normalization(network, images)
    assert (found.layer, found.own, found.own_activation) == ("1", "NormAct", "ReLU")
    assert found.maps[-1].min() == 0.0
    assert found.maps[0].min() < 0.0
    assert "the network's own layer is NormAct with ReLU" in found.summary()
    assert "the network's own NormAct with ReLU makes of them" in found.caption()
    assert normalization(small_network(), images).own_activation == ""


def test_layers_without_maps_or_calls_are_passed_over(images: torch.Tensor) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Tokens().eval()
    found = normalization(network, images)
    assert (found.layer, found.own) == ("norm", "GroupNorm")
    np.testing.assert_allclose(
        found.maps[-1], normalization(network, images, groups=2).maps[4], atol=1e-5
    )
    for name in ("flat", "unused", "last"):
        with pytest.raises(LayerError, match=f"Layer '{name}' is none that is called with"):
            normalization(network, images, name)


class ChannelsLast(nn.Module):
    """A network that normalises maps whose channels come last, as those of windows do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(3, 4, 3), nn.LayerNorm(4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.first(x).permute(0, 2, 3, 1)).mean((1, 2)))


def test_channels_that_come_last_are_the_channels(images: torch.Tensor) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ChannelsLast().eval()
    found = normalization(network, images)
    with torch.no_grad():
        given = network.first(images)
    assert (found.layer, found.channels) == ("norm", 4)
    np.testing.assert_allclose(found.maps[0], given[0, list(found.shown)].numpy(), atol=1e-6)
    np.testing.assert_allclose(found.means[0], given[0].mean((1, 2)).numpy(), atol=1e-6)


def test_the_images_go_through_the_network_once(images: torch.Tensor) -> None:
    network, batches = small_network(), list[int]()
    network.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    normalization(network, images)
    assert batches.count(len(images)) == 1
    assert set(batches) <= {1, len(images)}, "besides, shapes are followed on one image"


def test_statistics_that_go_far_have_a_logarithmic_axis(images: torch.Tensor) -> None:
    near = normalization(small_network(), images)
    means, deviations = near.figure().axes[1:]
    assert {means.get_yscale(), deviations.get_yscale()} == {"linear"}
    far = replace(near, deviations=1e3 * near.deviations)
    means, deviations = far.figure().axes[1:]
    assert (means.get_yscale(), deviations.get_yscale()) == ("linear", "symlog")
    assert "log scale beyond 1" in deviations.get_title("left")
    for place, method in enumerate(far.methods):
        dots = deviations.collections[place].get_offsets()
        np.testing.assert_allclose(dots[:, 1], far.deviations[place], err_msg=method)


def test_one_image_and_its_words(images: torch.Tensor) -> None:
    found = normalization(small_network(), images[:1])
    np.testing.assert_allclose(found.maps[1], found.maps[3], atol=1e-6)
    assert "batch and instance normalisation are the same" in found.caption()
    np.testing.assert_allclose(found.deviations[3], 1, atol=1e-2)
    words = "|".join(text.get_text() for text in found.figure().axes[0].texts)
    assert "here as instance" in words
    assert "here as batch" in words
    several = normalization(small_network(), images).figure().axes[0].texts
    assert not any("here as" in text.get_text() for text in several)


def test_the_ends_of_the_colours_find_room_below_the_maps(images: torch.Tensor) -> None:
    found = normalization(small_network(), images)
    ends = np.abs(found.maps).max(axis=(1, 2, 3), keepdims=True)
    small = replace(found, maps=found.maps / ends * 0.000166)
    assert crowded(small.figure()) == ""


def test_what_cannot_be_is_a_sentence(images: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="8 channels of '4' cannot be parted into 3 groups"):
        normalization(small_network(), images, groups=3)
    with pytest.raises(UsageError, match="'conv' is 2 layers"):
        normalization(small_network(), images, "conv")
    with pytest.raises(LayerError, match=r"no layer|There is no"):
        normalization(small_network(), images, "nowhere")
