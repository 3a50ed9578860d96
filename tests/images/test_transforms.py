"""Scenes: exact where nothing is interpolated, and beyond the photo its mirror image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import nn

from cnnviz.images import Preprocessing
from cnnviz.images.resampling import warped
from cnnviz.images.transforms import (
    Scene,
    enlarged,
    moved,
    moved_right,
    tilted,
    turned,
    whole_matrix,
)
from cnnviz.models import Model, as_model
from tests.helpers.architectures import tiny_network
from tests.helpers.each_case import each_case


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


@each_case(("degrees", "quarters"), [(90, 1), (180, 2), (270, 3), (-90, 3)])
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


def test_moved_right_is_moved_down_on_its_side() -> None:
    network = model(None, 16)
    one = scene(network, photo(30, 40))
    left, top = one.corner
    for right in (-7, -3, 5):
        crop, beyond = one.seen(moved_right(float(right), one.size))
        wanted = one.values[:, top : top + 16, left - right : left - right + 16]
        np.testing.assert_array_equal(crop, wanted)
        assert beyond == 0


def test_a_tilted_plane_is_that_of_a_pinhole_camera() -> None:
    size, degrees = (21, 31), 35.0
    back = tilted(degrees, size)
    middle, away, angle = np.array([15.0, 10.0]), 2.0 * 31, np.radians(degrees)
    for column, row in ((0.0, 0.0), (15.0, 10.0), (30.0, 3.0), (7.0, 20.0)):
        across, down = np.array([column, row]) - middle
        # The point of the plane turns about the upright line, and is projected.
        depth = away + across * np.sin(angle)
        seen = middle + away * np.array([across * np.cos(angle), down]) / depth
        found = back @ [*seen, 1.0]
        np.testing.assert_allclose(found[:2] / found[2], [column, row], atol=1e-9)
    np.testing.assert_allclose(tilted(0.0, size), np.eye(3), atol=1e-12)


def test_a_homography_that_is_affine_gives_what_the_affine_map_gives() -> None:
    network = model(None, 16)
    one = scene(network, photo(30, 40))
    matrix = turned(20.0, one.size)
    ours, beyond = one.seen(whole_matrix(matrix))
    theirs, same = one.seen(matrix)
    np.testing.assert_array_equal(ours, theirs)
    assert beyond == same
    assert one.seen(tilted(60.0, one.size))[1] > 0.0


@each_case(("mirrored", "mode"), [(True, "mirror"), (False, "nearest")])
def test_what_lies_between_pixels_is_interpolated_in_double_precision(mirrored, mode) -> None:
    one = scene(model(None, 16), photo(30, 40))
    rows, columns = np.indices(one.size, dtype=np.float64)
    corner = np.eye(3)
    corner[:2, 2] = one.corner
    for matrix in (turned(13.0, one.size), enlarged(0.3, one.size), moved(40.37, one.size),
                   moved_right(0.01, one.size), tilted(55.0, one.size)):  # fmt: skip
        back = corner @ whole_matrix(matrix)
        left, top, depth = np.einsum("ij,jhw->ihw", back, [columns, rows, np.ones(one.size)])
        # An axis of one or two pixels has an end at each of them.
        for values in (one.values, one.values[:, :2, :1], one.values[:, :1, :2]):
            wanted = [
                map_coordinates(channel.astype(np.float64), [top / depth, left / depth], order=1,
                                mode=mode)
                for channel in values
            ]  # fmt: skip
            found = warped(values, back, one.size, mirrored=mirrored)
            np.testing.assert_allclose(found, wanted, atol=1e-6)
        if mirrored:
            whole = warped(one.values, back, one.size, mirrored=True)
            np.testing.assert_array_equal(one.seen(matrix)[0], whole)
