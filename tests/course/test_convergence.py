"""When layers settle, and in which order."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from cnnviz.course.convergence import (
    chance_of_order,
    order_with_depth,
    rank_correlation,
    relative_change,
    settled,
    settled_places,
)
from tests.helpers.each_case import each_case


def test_the_change_of_weights_is_their_distance_over_their_norm_at_the_end() -> None:
    end = {"a": torch.tensor([[3.0, 4.0]]), "b": torch.zeros(2)}
    weights = {"a": torch.tensor([[3.0, 0.0]]), "b": torch.ones(2)}
    found = relative_change(weights, end)
    assert found["a"] == pytest.approx(4.0 / 5.0)
    assert np.isnan(found["b"])


@each_case(("near", "place"), [("0001", 3), ("0101", 3), ("0111", 1), ("1111", 0), ("1110", 4)])
def test_a_layer_is_settled_from_where_it_stays_near(near: str, place: int) -> None:
    assert settled(np.array([sign == "1" for sign in near])) == place


def test_a_layer_that_was_not_measured_at_the_end_has_no_place_and_no_part_in_the_order() -> None:
    measured = np.array([[0.1, 0.95, 1.0], [0.2, 0.3, np.nan], [np.nan, 0.2, 1.0]])
    places = settled_places(measured >= 0.9, measured)
    np.testing.assert_array_equal(places, [1.0, np.nan, 2.0])
    assert order_with_depth(places) == 1.0
    assert chance_of_order(places) == chance_of_order([1.0, 2.0]) == 1.0
    never = np.zeros((1, 3), bool)  # not even at the end: the last place
    np.testing.assert_array_equal(settled_places(never, np.ones((1, 3))), [2.0])


def test_the_rank_correlation_is_that_of_scipy() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        one, two = generator.integers(0, 5, (2, 9))
        assert rank_correlation(one, two) == pytest.approx(kendalltau(one, two).statistic)
    assert np.isnan(rank_correlation([1, 2, 3], [4, 4, 4]))


def test_chance_is_the_share_of_orders_that_go_as_far_with_depth() -> None:
    # Of the 24 orders of four only two are as strictly up or down.
    assert chance_of_order([1, 2, 3, 4]) == pytest.approx(2 / 24)
    assert chance_of_order([4, 3, 2, 1]) == pytest.approx(2 / 24)
    # 1, 2, 2 in any place: up, down, and the order between them, each twice of six.
    assert chance_of_order([1, 2, 2]) == pytest.approx(4 / 6)
    assert chance_of_order(range(9)) == pytest.approx(1e-4, abs=2e-4)
    assert np.isnan(chance_of_order([3, 3, 3]))
    for times in ([1, 2, 4, 3, 5], [2, 2, 1, 3, 5, 4]):
        wanted = np.mean(
            [
                abs(kendalltau(range(len(times)), order).statistic)
                >= abs(kendalltau(range(len(times)), times).statistic) - 1e-12
                for order in permutations(times)
            ]
        )
        assert chance_of_order(times) == pytest.approx(wanted)
