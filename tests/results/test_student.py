"""Intervals hold what they are of as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.results.intervals import student, t_reach
from tests.helpers.each_case import each_case


@each_case(
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


@each_case(
    ("count", "times"),
    [(2, 12.7062), (12, 2.2010), (13, 2.1788), (40, 2.0227)],
)
def test_the_reach_of_a_mean_is_students_for_any_number_of_values(count, times) -> None:
    """From 13 values on it was that of the normal distribution, a tenth too near."""
    assert t_reach(count) * np.sqrt(count) == pytest.approx(times, rel=1e-4)
