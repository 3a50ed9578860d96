"""The interval of a share holds for small counts too, and is Wilson's."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import binomtest
from scipy.stats import t as student

from cnnviz.results.intervals import mean_interval, wilson, within
from tests.helpers.each_case import each_case


@each_case(
    ("hits", "count", "expected"),
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)),
     (1, 29, (0.0061, 0.1718))],
)  # fmt: skip
def test_the_interval_of_a_share_is_wilsons(hits, count, expected) -> None:
    assert wilson(hits, count) == pytest.approx(expected, abs=5e-5)
    low, high = wilson(count - hits, count)
    assert (1.0 - high, 1.0 - low) == pytest.approx(expected, abs=5e-5)


def test_the_ends_of_a_share_stay_within_it() -> None:
    for count in (1, 2, 10, 1000):
        for hits in {0, 1, count - 1, count}:
            low, high = wilson(hits, count)
            assert 0.0 <= low <= hits / count <= high <= 1.0


@each_case(("hits", "count"), [(0, 7), (3, 9), (17, 17)])
def test_the_interval_is_that_of_scipy(hits: int, count: int) -> None:
    wanted = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson(hits, count) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


INFINITE = (-math.inf, math.inf)


def test_the_interval_of_a_mean_is_students_on_a_scale_without_ends() -> None:
    values = np.array([0.9, 0.97, 0.99, 0.8])
    mean, error = values.mean(), values.std(ddof=1) / 2.0
    times = student.ppf(0.975, 3) * np.array([-1.0, 1.0])
    assert mean_interval(values) == pytest.approx(mean + times * error, rel=1e-4)
    assert mean_interval(values)[1] > 1.0
    wanted = expit(logit(mean) + times * error / (mean * (1.0 - mean)))
    assert mean_interval(values, 0.0, 1.0) == pytest.approx(wanted, rel=1e-4)
    fisher = np.tanh(np.arctanh(mean) + times * error / (1.0 - mean**2))
    assert mean_interval(values, -1.0, 1.0) == pytest.approx(fisher, rel=1e-4)
    above = np.exp(np.log(mean) + times * error / mean)
    assert mean_interval(values, 0.0, math.inf) == pytest.approx(above, rel=1e-4)


def test_an_end_holds_only_where_no_value_passes_it_and_one_value_tells_nothing() -> None:
    scores = np.array([-0.2, 0.4, 0.7])
    assert mean_interval(scores, 0.0, 1.0) == mean_interval(scores)
    assert np.isnan(mean_interval(scores[:1], 0.0, 1.0)).all()
    low, high = within(np.array([0.5, 1.0, np.nan]), np.array([9e9, 0.1, 0.1]), 0.0, 1.0)
    assert low == pytest.approx([0.0, 1.0, np.nan], nan_ok=True)
    assert high == pytest.approx([1.0, 1.0, np.nan], nan_ok=True)


@each_case(
    ("values", "ends", "expected"),
    # All at an end or the other: a share. All equal: so may all be but the share of `wilson(0, n)`.
    [([1.0] * 3, (0.0, 1.0), wilson(3, 3)),
     ([2.0, 0.0, 2.0, 2.0], (0.0, 2.0), tuple(2.0 * np.array(wilson(3, 4)))),
     ([-1.0] * 9, (-1.0, 1.0), (-1.0, 2.0 * wilson(0, 9)[1] - 1.0)),
     ([0.7] * 9, (0.0, 1.0), (0.7 * wilson(9, 9)[0], 0.7 + 0.3 * wilson(0, 9)[1])),
     ([0.7, 0.7 + 1e-8], (0.0, 1.0), (0.7 * wilson(2, 2)[0], 0.7 + 0.3 * wilson(0, 2)[1])),
     ([0.7] * 9, (0.0, math.inf), (math.nan, math.nan)),
     ([0.0] * 9, INFINITE, (math.nan, math.nan)),
     ([1.7] * 9, (0.0, 1.0), (math.nan, math.nan)),
     ([0.7], (0.0, 1.0), (math.nan, math.nan)),
     ([], (0.0, 1.0), (math.nan, math.nan))],
)  # fmt: skip
def test_equal_values_are_no_certainty(values, ends, expected) -> None:
    assert mean_interval(np.array(values), *ends) == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("count", [2, 5, 10, 20])
@pytest.mark.parametrize("most", [0.7, 1.0])
def test_values_that_are_mostly_equal_hold_their_mean_about_as_often_as_they_say(
    most: float, count: int
) -> None:
    """An interval of no width where all were equal held it in 37 of 100 trials of ten."""
    rng = np.random.default_rng(0)
    several = np.where(rng.random((400, count)) < 0.9, most, rng.random((400, count)))
    wanted = 0.9 * most + 0.05
    found = np.array([mean_interval(values, 0.0, 1.0) for values in several])
    held = (found[:, 0] <= wanted) & (wanted <= found[:, 1])
    assert held[np.ptp(several, axis=1) == 0.0].all()
    assert held.mean() > 0.8


@cache
def mean_of(draw: Callable[..., NDArray[np.float64]]) -> float:
    return float(draw(np.random.default_rng(0), 1_000_000).mean())


@pytest.mark.parametrize("count", [2, 3, 5, 9])
@pytest.mark.parametrize(
    ("draw", "ends"),
    [
        (lambda rng, shape: rng.beta(8.0, 2.0, shape), (0.0, 1.0)),
        (lambda rng, shape: rng.beta(20.0, 1.0, shape), (0.0, 1.0)),
        (lambda rng, shape: np.tanh(rng.normal(1.2, 0.4, shape)), (-1.0, 1.0)),
        (lambda rng, shape: rng.lognormal(0.0, 0.6, shape), (0.0, math.inf)),
    ],
    ids=["shares", "shares near 1", "correlations", "ratios"],
)
def test_it_holds_the_mean_as_often_as_it_says_and_more_often_than_students(
    draw: Callable[..., NDArray[np.float64]], ends: tuple[float, float], count: int
) -> None:
    wanted = mean_of(draw)
    several = draw(np.random.default_rng(1), (1000, count))

    def held(low: float, high: float) -> float:
        found = np.array([mean_interval(values, low, high) for values in several])
        assert (found[:, 0] >= low).all()
        assert (found[:, 1] <= high).all()
        return float(((found[:, 0] <= wanted) & (found[:, 1] >= wanted)).mean())

    share = held(*ends)
    assert 0.91 < share < 0.97
    assert share > held(*INFINITE)
