import itertools

import numpy as np
import pytest

from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.checks.random_maps import p_value, random_maps, ranks, shares_beaten
from tests.helpers.each_case import each_case


def blobs(seed=0, side=32):
    """Return a smooth map: noise whose high frequencies are taken away."""
    noise = np.fft.fft2(np.random.default_rng(seed).standard_normal((side, side)))
    far = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))) > 0.1
    noise[far] = 0.0
    return np.fft.ifft2(noise).real.astype(np.float32) ** 3


def neighbours(values):
    """Return how alike neighbouring values are, by rank."""
    order = ranks(values, np.random.default_rng(0)).reshape(values.shape)
    return np.corrcoef(order[:, :-1].ravel(), order[:, 1:].ravel())[0, 1]


def test_random_maps_hold_the_same_values_as_smooth_in_other_places():
    own = blobs()
    found = random_maps(own[None], 40, seed=7)
    assert found.shape == (1, 40, 32, 32)
    for other in found[0]:
        np.testing.assert_array_equal(np.sort(other, axis=None), np.sort(own, axis=None))
        assert neighbours(other) == pytest.approx(neighbours(own), abs=0.05)
    alike = [np.corrcoef(own.ravel(), other.ravel())[0, 1] for other in found[0]]
    assert abs(np.mean(alike)) < 0.15
    assert max(alike) < 0.8


def test_shuffled_values_would_not_be_as_smooth():
    own = blobs()
    shuffled = np.random.default_rng(0).permutation(own.ravel()).reshape(own.shape)
    assert neighbours(shuffled) < 0.1 < neighbours(own) - 0.5


@each_case("shape", [(1, 1), (1, 5), (6, 6), (7, 4)])
def test_small_and_flat_maps_have_random_maps_too(shape):
    flat = np.full((1, *shape), 2.5, np.float32)
    assert (random_maps(flat, 2, seed=0) == 2.5).all()
    some = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    assert np.isfinite(random_maps(some, 2, seed=0)).all()


def test_the_seed_decides():
    own = blobs()[None]
    np.testing.assert_array_equal(random_maps(own, 2, seed=1), random_maps(own, 2, seed=1))
    assert (random_maps(own, 2, seed=1) != random_maps(own, 2, seed=2)).any()


def test_equal_values_are_ranked_in_random_order():
    rng = np.random.default_rng(0)
    orders = {tuple(ranks(np.zeros(3), rng)) for _ in range(60)}
    assert orders == set(itertools.permutations(range(3)))
    assert ranks(np.array([3.0, 1.0, 2.0]), rng).tolist() == [2, 0, 1]


@each_case(("images", "count"), [(1, 4), (3, 2), (2, 5)])
def test_the_chance_is_the_share_of_all_ways_that_random_maps_could_fall(images, count):
    ways = list(itertools.product(range(count + 1), repeat=images))
    for beaten in ways:
        as_good = sum(sum(way) >= sum(beaten) for way in ways) / len(ways)
        assert p_value(np.array(beaten) / count, count) == pytest.approx(as_good)


def test_half_a_tie_is_no_win():
    assert p_value(np.array([0.5]), 1) == 1.0
    assert p_value(np.array([0.5, 0.5]), 1) == 0.75


def test_beaten_counts_in_the_direction_that_wins():
    values, random = np.array([1.0, 2.0]), np.array([[0.0, 1.0], [3.0, 1.0]])
    assert shares_beaten(values, random, "high").tolist() == [0.75, 0.5]
    assert shares_beaten(values, random, "low").tolist() == [0.25, 0.5]


def test_a_measure_passes_over_images_without_a_value():
    one = Measure("a", "A", "high", np.array([np.nan, 2.0]), np.array([[np.nan] * 3, [1, 1, 3]]))
    assert one.mean == 2.0
    assert one.random_mean == pytest.approx(5 / 3)
    assert one.beaten == pytest.approx(2 / 3)
    assert one.chance == pytest.approx(2 / 4)
    none = Measure("a", "A", "high", np.array([np.nan]), np.array([[np.nan]]))
    assert np.isnan([none.mean, none.random_mean, none.beaten, none.chance]).all()
    neither = Measure("a", "A", "", np.array([1.0]), np.array([[0.0]]))
    assert np.isnan([neither.beaten, neither.chance]).all()
