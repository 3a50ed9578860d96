"""When layers settle, and in which order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from cnnviz.course.convergence import rank_correlation, relative_change, settled


def test_the_change_of_weights_is_their_distance_over_their_norm_at_the_end() -> None:
    end = {"a": torch.tensor([[3.0, 4.0]]), "b": torch.zeros(2)}
    weights = {"a": torch.tensor([[3.0, 0.0]]), "b": torch.ones(2)}
    found = relative_change(weights, end)
    assert found["a"] == pytest.approx(4.0 / 5.0)
    assert np.isnan(found["b"])


@pytest.mark.parametrize(
    ("near", "place"), [("0001", 3), ("0101", 3), ("0111", 1), ("1111", 0), ("1110", 4)]
)
def test_a_layer_is_settled_from_where_it_stays_near(near: str, place: int) -> None:
    assert settled(np.array([sign == "1" for sign in near])) == place


def test_the_rank_correlation_is_that_of_scipy() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        one, two = generator.integers(0, 5, (2, 9))
        assert rank_correlation(one, two) == pytest.approx(kendalltau(one, two).statistic)
    assert np.isnan(rank_correlation([1, 2, 3], [4, 4, 4]))
