"""Intervals hold what they are of as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from cnnviz.results.intervals import student, t_reach
from tests.helpers.each_case import each_case


@each_case(
    ("degrees", "confidence", "within"),
    # As small as a class with ten images has them, and as sure as a choice among 20,000 asks for.
    [(4, 0.95, 4e-4), (9, 0.95, 1e-5), (9, 1.0 - 0.05 / 1000, 2e-3), (9, 1.0 - 0.05 / 20_000, 7e-3),
     (29.5, 0.95, 1e-7), (29.5, 1.0 - 0.05 / 20_000, 4e-5), (1e6, 0.95, 1e-9)],
)  # fmt: skip
def test_student_is_that_of_scipy(degrees: float, confidence: float, within: float) -> None:
    wanted = t.ppf(0.5 + confidence / 2.0, degrees)
    assert float(student(degrees, confidence)) == pytest.approx(wanted, rel=within)


def test_student_of_many_degrees_is_that_of_each() -> None:
    several = student(np.array([9.0, 29.0]))
    assert several.tolist() == [float(student(9.0)), float(student(29.0))]


def test_an_interval_of_a_mean_holds_it_nineteen_times_in_twenty() -> None:
    values = np.random.default_rng(0).standard_normal((20_000, 10))
    half = student(9.0) * values.std(axis=1, ddof=1) / np.sqrt(10)
    assert (np.abs(values.mean(axis=1)) < half).mean() == pytest.approx(0.95, abs=0.005)


def test_the_reach_of_a_mean_is_students_for_any_number_of_values() -> None:
    """From 13 values on it was that of the normal distribution, a tenth too near."""
    counts = np.arange(2, 200)
    found = np.array([t_reach(int(count)) for count in counts]) * np.sqrt(counts)
    np.testing.assert_allclose(found, t.ppf(0.975, counts - 1.0), rtol=2e-5)
    assert np.isnan(t_reach(1))
