"""Intervals hold what they are of as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz_gallery.intervals import share, student


@pytest.mark.parametrize(
    ("degrees", "confidence", "expected"),
    # From the tables of Student's distribution, two-sided.
    [(4, 0.95, 2.776), (9, 0.95, 2.262), (9, 0.99, 3.250), (9, 0.999, 4.781), (29, 0.95, 2.045)],
)
def test_student_is_as_in_the_tables(degrees: int, confidence: float, expected: float) -> None:
    assert float(student(degrees, confidence)) == pytest.approx(expected, rel=0.01)
    assert float(student(1e9, confidence)) < expected


def test_student_of_many_degrees_is_that_of_each() -> None:
    several = student(np.array([9.0, 29.0]))
    assert several.tolist() == [float(student(9.0)), float(student(29.0))]


def test_an_interval_of_a_mean_holds_it_nineteen_times_in_twenty() -> None:
    values = np.random.default_rng(0).standard_normal((20_000, 10))
    half = student(9.0) * values.std(axis=1, ddof=1) / np.sqrt(10)
    assert (np.abs(values.mean(axis=1)) < half).mean() == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize(
    ("hits", "count", "expected"),
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)),
     (1, 29, (0.0061, 0.1718))],
)  # fmt: skip
def test_the_interval_of_a_share_is_wilsons(hits, count, expected) -> None:
    assert share(hits, count) == pytest.approx(expected, abs=5e-5)
    low, high = share(count - hits, count)
    assert (1.0 - high, 1.0 - low) == pytest.approx(expected, abs=5e-5)


def test_the_ends_of_a_share_stay_within_it() -> None:
    for count in (1, 2, 10, 1000):
        for hits in {0, 1, count - 1, count}:
            low, high = share(hits, count)
            assert 0.0 <= low <= hits / count <= high <= 1.0
