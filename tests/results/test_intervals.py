"""The interval of a share holds for small counts too, and is Wilson's."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from cnnviz.results.intervals import wilson


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(("hits", "count"), [(0, 7), (3, 9), (17, 17)])
def test_the_interval_is_that_of_scipy(hits: int, count: int) -> None:
    wanted = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson(hits, count) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
