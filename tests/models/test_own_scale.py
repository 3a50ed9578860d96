"""A network that scales images by itself is noticed, and they are not scaled twice in silence."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision.models import googlenet
from torchvision.transforms.functional import normalize

import cnnviz
from cnnviz.models.own_scale import own_scale
from tests.helpers.each_case import each_case

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Scaling(nn.Module):
    def __init__(self, scale: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.scale = scale
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.conv(self.scale(images))
        return self.head(maps.relu().mean((2, 3)))


class Buffers(Scaling):
    def __init__(self) -> None:
        super().__init__(lambda images: (images - self.mean) / self.std)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))


def _prepared(mean: float, std: float) -> cnnviz.Preprocessing:
    return cnnviz.Preprocessing(32, (32, 32), (mean,) * 3, (std,) * 3)


@each_case(
    ("scale", "mean", "std"),
    [
        (lambda x: x * 2 - 1, (0.5,) * 3, (0.5,) * 3),
        (lambda x: x.div(255), (0.0,) * 3, (255.0,) * 3),
        (lambda x: 1 - x, (1.0,) * 3, (-1.0,) * 3),
        (lambda x: x.clone().sub_(0.5).div_(0.25), (0.5,) * 3, (0.25,) * 3),
        (lambda x: normalize(x, list(MEAN), list(STD)), MEAN, STD),
        (lambda x: (x.view(1, 3, -1) - 0.5).view_as(x) / 0.5, (0.5,) * 3, (0.5,) * 3),
        (lambda x: x - x.new_tensor(MEAN).view(1, 3, 1, 1), MEAN, (1.0,) * 3),
    ],
)
def test_what_is_subtracted_and_divided_by_is_read_off_the_pass(
    scale: Callable[[torch.Tensor], torch.Tensor],
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> None:
    found = own_scale(Scaling(scale), (3, 32, 32))
    assert found is not None
    assert found.mean == pytest.approx(mean, abs=1e-6)
    assert found.std == pytest.approx(std, rel=1e-5)


@each_case(
    "scale",
    [
        nn.Identity(),
        nn.BatchNorm2d(3),
        torch.relu,
        lambda x: x + x,
        lambda x: x * x,
        lambda x: x * x.mean(),
        lambda x: (x * x - 0.5) / 0.5,
        lambda x: torch.mul(input=x, other=x) * 2 - 1,
        # Steps of a quantiser, which scales back what it has rounded.
        lambda x: torch.round(x * 16) / 16,
        lambda x: x + ((x * 255 + 0.5).floor() / 255 - x).detach(),
    ],
)
def test_what_is_no_scaling_by_constants_is_not_taken_for_one(
    scale: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    assert own_scale(Scaling(scale), (3, 32, 32)) is None


def test_a_learned_scale_and_one_of_each_channel_are_not() -> None:
    learned = Scaling(lambda images: images * learned.factor)
    learned.factor = nn.Parameter(torch.tensor(2.0))
    assert own_scale(learned, (3, 32, 32)) is None
    # GoogLeNet turns images that are normalised for ImageNet into those of another mean.
    network = googlenet(weights=None, init_weights=False, transform_input=True)
    assert own_scale(network, (3, 64, 64)) is None


def test_photos_that_are_normalised_twice_are_told() -> None:
    network = Buffers()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    twice = cnnviz.Model(network, preprocessing=_prepared(0.5, 0.25))
    assert twice.doubt.startswith("Photos are normalised twice: by the preprocessing, and by the")
    assert "minus (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225)" in twice.doubt
    assert cnnviz.Model(network, preprocessing=_prepared(0.0, 1.0)).doubt == ""
    assert cnnviz.Model(Scaling(nn.Identity()), preprocessing=_prepared(0.5, 0.25)).doubt == ""
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_guess_leaves_the_normalisation_to_the_network() -> None:
    guess = cnnviz.Model(Buffers()).preprocessing
    assert (guess.mean, guess.std, guess.is_guess) == ((0.0,) * 3, (1.0,) * 3, True)
    assert "the network normalises by itself, minus (0.485, 0.456, 0.406)" in guess.origin
    assert "Photos are normalised twice" not in cnnviz.Model(Buffers()).doubt
    assert cnnviz.Model(Scaling(nn.Identity())).preprocessing.mean == MEAN


def test_a_network_of_bytes_is_given_bytes_or_it_is_told() -> None:
    network = Scaling(lambda images: images / 255)
    assert cnnviz.Model(network).preprocessing.std == pytest.approx((1 / 255,) * 3)
    told = cnnviz.Model(network, preprocessing=_prepared(0.5, 0.25)).doubt
    assert "pixels from 0 to 255, and the preprocessing gives it numbers from −2 to 2" in told
    assert cnnviz.Model(network, preprocessing=_prepared(0.0, 1 / 255)).doubt == ""
    # What turns -1..1 into 0..1 says of a preprocessing that gives -1..1 that all is well.
    undone = Scaling(lambda images: images * 0.5 + 0.5)
    assert cnnviz.Model(undone, preprocessing=_prepared(0.5, 0.5)).doubt == ""


def test_a_factor_that_suits_neither_bytes_nor_shares_is_left_alone() -> None:
    damped = Scaling(lambda images: images * 0.1)
    assert own_scale(damped, (3, 32, 32)) is not None
    assert cnnviz.Model(damped).preprocessing.mean == MEAN
    assert cnnviz.Model(damped, preprocessing=_prepared(0.5, 0.25)).doubt == ""


def test_what_has_become_a_spectrum_is_no_scaled_image() -> None:
    assert own_scale(Scaling(lambda images: images.to(torch.complex64)), (3, 32, 32)) is None


def test_an_image_one_pixel_wide_is_not_asked_about() -> None:
    assert own_scale(Buffers(), (3, 32, 1)) is None


def test_a_change_of_the_numbers_is_seen() -> None:
    network = Buffers()
    assert own_scale(network, (3, 32, 32)) is not None
    with torch.no_grad():
        network.get_buffer("mean").zero_()
        network.get_buffer("std").fill_(1.0)
    assert own_scale(network, (3, 32, 32)) is None
