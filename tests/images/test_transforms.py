"""Scenes: exact where nothing is interpolated, and beyond the photo its mirror image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.images import Preprocessing
from cnnviz.images.transforms import Scene, enlarged, moved, turned
from cnnviz.models import Model, as_model
from tests.helpers.architectures import tiny_network


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def model(resize: int | None, crop: int, channels: int = 3) -> Model:
    means, deviations = (0.5, 0.4, 0.3)[:channels], (0.2, 0.25, 0.3)[:channels]
    preprocessing = Preprocessing(resize, (crop, crop), means, deviations)
    return Model(tiny_network(channels), preprocessing=preprocessing)


def scene(network: Model, image: object) -> Scene:
    return Scene.of(network.preprocessing, network.prepare(image), 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_not_moved_is_what_the_network_takes(channels: int) -> None:
    network = model(24, 16, channels)
    batch = network.prepare(photo(30, 45))
    one = Scene.of(network.preprocessing, batch, 0)
    for matrix in (moved(0.0, one.size), enlarged(1.0, one.size), turned(0.0, one.size)):
        crop, beyond = one.seen(matrix)
        np.testing.assert_array_equal(crop, batch.tensor[0].numpy())
        assert beyond == 0
    assert one.values.shape == (channels, 24, 36)
    assert one.corner == (10, 4)


def test_what_moves_into_the_crop_comes_from_the_photo() -> None:
    network = model(None, 16)
    one = scene(network, photo(30, 40))
    whole = one.values
    left, top = one.corner
    for down in (-7, -3, 5):
        crop, beyond = one.seen(moved(float(down), one.size))
        np.testing.assert_array_equal(
            crop, whole[:, top - down : top - down + 16, left : left + 16]
        )
        assert beyond == 0


def test_beyond_the_photo_its_mirror_image_goes_on() -> None:
    network = model(None, 16)
    one = scene(network, photo(16, 16))
    crop, beyond = one.seen(moved(4.0, one.size))
    assert beyond == pytest.approx(4 / 16)
    np.testing.assert_array_equal(crop[:, 4:], one.values[:, :12])
    np.testing.assert_array_equal(crop[:, :4], one.values[:, 1:5][:, ::-1])


@pytest.mark.parametrize(("degrees", "quarters"), [(90, 1), (180, 2), (270, 3), (-90, 3)])
def test_quarter_turns_are_exact_and_counter_clockwise(degrees: float, quarters: int) -> None:
    network = model(None, 16)
    one = scene(network, photo(16, 16))
    crop, beyond = one.seen(turned(float(degrees), one.size))
    np.testing.assert_allclose(crop, np.rot90(one.values, quarters, axes=(1, 2)), atol=1e-5)
    assert beyond == 0


def test_enlarging_keeps_the_middle_and_spreads_the_rest() -> None:
    ramp = torch.arange(17.0).repeat(3, 17, 1)
    network = as_model(nn.Conv2d(3, 1, 1).eval())
    one = scene(network, ramp)
    crop, beyond = one.seen(enlarged(2.0, one.size))
    np.testing.assert_allclose(crop[0, 0], 8 + (np.arange(17) - 8) / 2, atol=1e-4)
    assert beyond == 0
    _, smaller = one.seen(enlarged(0.5, one.size))
    assert smaller == pytest.approx(1 - (9 / 17) ** 2, abs=0.03)


def test_a_crop_that_pads_with_black_is_a_scene_of_its_own() -> None:
    network = model(None, 20)
    batch = network.prepare(photo(12, 30))
    one = Scene.of(network.preprocessing, batch, 0)
    np.testing.assert_array_equal(one.values, batch.tensor[0].numpy())
    assert one.corner == (0, 0)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_a_tensor_is_a_scene_of_its_own(channels: int) -> None:
    network = as_model(tiny_network(channels))
    tensor = torch.randn(1, channels, 18, 22, generator=torch.Generator().manual_seed(0))
    one = Scene.of(network.preprocessing, network.prepare(tensor), 0)
    np.testing.assert_array_equal(one.values, tensor[0].numpy())
    crop, _ = one.seen(moved(3.0, one.size))
    assert crop.shape == (channels, 18, 22)
    np.testing.assert_array_equal(crop[:, 3:], tensor[0, :, :15].numpy())
