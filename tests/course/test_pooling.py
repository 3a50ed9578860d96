"""Pooling and switches against torch, and the similarity after a shift against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import pearsonr
from torch.nn import functional as F

from cnnviz.course.pooling import operations, pool, similarity_by_shift, switches


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
    every = operations(2, 2)
    given = torch.from_numpy(maps)[:, None]
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).double()[None, None] / 16
    dilated, reach = every["dilated convolution"]
    np.testing.assert_allclose(dilated(maps), F.conv2d(given, kernel, dilation=2)[:, 0].numpy())
    assert reach == 5
    np.testing.assert_array_equal(every["stride alone"][0](maps), maps[:, ::2, ::2])
    assert every["as it is"][0](maps) is maps


def test_the_similarity_is_pearsons_correlation(maps: NDArray[np.float64]) -> None:
    one = maps[:1]
    for operation, _ in operations(2, 2).values():
        found = similarity_by_shift(one, operation, 3)
        still = operation(one[:, :10, :8])
        for shift in range(4):
            wanted = [
                pearsonr(operation(moved).ravel(), still.ravel()).statistic
                for moved in (one[:, :10, shift : shift + 8], one[:, shift : shift + 10, :8])
            ]
            assert found[shift] == pytest.approx(np.mean(wanted))
        assert found[0] == pytest.approx(1.0)
    offsets = np.array([0.0, 50.0, -7.0])[:, None, None]
    plain = operations(2, 2)["average"][0]
    # Where channels lie at different heights, that makes nothing alike.
    np.testing.assert_allclose(
        similarity_by_shift(maps + offsets, plain, 2), similarity_by_shift(maps, plain, 2)
    )


def test_what_is_constant_has_no_correlation_and_noise_stays_more_alike_once_pooled() -> None:
    noise = np.abs(np.random.default_rng(1).normal(size=(1, 24, 24)))
    every = operations(2, 2)
    alike = {
        name: similarity_by_shift(noise, operation, 1)[1] for name, (operation, _) in every.items()
    }
    # Of four values two stay in their window: half of what an average holds is the same.
    assert alike["average"] == pytest.approx(0.5, abs=0.2)
    assert alike["as it is"] == pytest.approx(0.0, abs=0.2)
    for constant in (np.zeros((1, 8, 8)), np.full((2, 9, 9), 0.1)):
        assert np.isnan(similarity_by_shift(constant, every["max"][0], 2)).all()
