"""Pooling and switches against torch, and the change by a shift against a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from cnnviz.course.pooling import change_by_shift, pool, switches, ways


@pytest.fixture
def maps() -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(3, 13, 11))


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 1), (2, 3)])
def test_every_way_is_that_of_torch(maps: NDArray[np.float64], size: int, stride: int) -> None:
    given = torch.from_numpy(maps)
    largest, places = F.max_pool2d(given, size, stride, return_indices=True)
    average = F.avg_pool2d(given, size, stride)
    root = F.lp_pool2d(given, 2, size, stride)
    np.testing.assert_array_equal(pool(maps, "max", size, stride), largest.numpy())
    np.testing.assert_allclose(pool(maps, "average", size, stride), average.numpy())
    np.testing.assert_allclose(pool(maps, "sum", size, stride), size**2 * average.numpy())
    np.testing.assert_allclose(pool(maps, "l2", size, stride), root.numpy())
    found = switches(maps, size, stride)
    np.testing.assert_array_equal(found[..., 0] * 11 + found[..., 1], places.numpy())


def test_the_first_of_equal_maxima_is_the_switch() -> None:
    assert switches(np.ones((1, 4, 4)), 2, 2)[0].tolist() == [[[0, 0], [0, 2]], [[2, 0], [2, 2]]]


def test_the_alternatives_are_those_of_torch(maps: NDArray[np.float64]) -> None:
    every = ways(2, 2)
    given = torch.from_numpy(maps)[:, None]
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).double()[None, None] / 16
    dilated, reach = every["dilated convolution"]
    np.testing.assert_allclose(dilated(maps), F.conv2d(given, kernel, dilation=2)[:, 0].numpy())
    assert reach == 5
    np.testing.assert_array_equal(every["stride alone"][0](maps), maps[:, ::2, ::2])
    assert every["as it is"][0](maps) is maps


def test_the_change_is_the_relative_distance(maps: NDArray[np.float64]) -> None:
    for way, _ in ways(2, 2).values():
        found = change_by_shift(maps, way, 3)
        still = way(maps[:, :10, :8])
        for shift in range(4):
            away = [
                np.sqrt(((way(moved) - still) ** 2).sum())
                for moved in (maps[:, :10, shift : shift + 8], maps[:, shift : shift + 10, :8])
            ]
            assert found[shift] == pytest.approx(np.mean(away) / np.sqrt((still**2).sum()))
        assert found[0] == 0
    assert np.isnan(change_by_shift(np.zeros((1, 8, 8)), ways(2, 2)["max"][0], 2)).all()


def test_what_is_even_does_not_change_and_smooth_maps_change_less_once_pooled() -> None:
    down, across = np.mgrid[0:24, 0:24]
    smooth = (np.sin(down / 3.0) * np.cos(across / 4.0) + 1.5)[None]
    noise = np.abs(np.random.default_rng(1).normal(size=(1, 24, 24)))
    every = ways(2, 2)
    for maps in (noise, smooth):
        changes = {name: change_by_shift(maps, way, 1)[1] for name, (way, _) in every.items()}
        assert changes["average"] < changes["as it is"]
    assert change_by_shift(np.ones((2, 9, 9)), every["max"][0], 2).tolist() == [0, 0, 0]
