"""No verdict without a measurement that tells: an interval over the limit is neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.checks.verdicts import AgainstRandomisation
from tests.helpers.each_case import each_case

CHECK = AgainstRandomisation()


def measured(key: str, values: list[float]) -> Measure:
    held = np.array(values)
    return Measure(key, key, "", held, np.zeros((len(held), 3)))


def find(values: list[float], gradient: float = 0.2) -> Any:
    return {
        CHECK.measure: measured(CHECK.measure, values),
        CHECK.yardstick: measured(CHECK.yardstick, [gradient] * len(values)),
    }.__getitem__


@each_case(
    ("values", "passed"),
    [
        ([0.1, 0.12, 0.08, 0.1], True),
        ([0.8, 0.85, 0.75, 0.8], False),
        ([0.1, 0.8, 0.2, 0.7], None),
        ([0.39], True),
        ([0.41], False),
        ([1.0, 1.0], False),
        ([1.0, 1.0 - 1e-7, 1.0], False),
        ([1.0, 0.9], None),
    ],
)
def test_maps_keep_little_similarity_or_much_or_it_is_not_known(
    values: list[float], passed: bool | None
) -> None:
    verdict = CHECK.verdict("Saliency", find(values))
    assert verdict.passed is passed
    unknown = "Whether Saliency depends on the weights is not known"
    assert verdict.sentence.startswith(unknown) == (passed is None)
    assert ("hardly changes" in verdict.sentence) == (passed is False)
    # It may be random weights that it depends on: nothing is said of what was learned.
    assert ("Saliency depends on the weights of the" in verdict.sentence) == (passed is True)
    assert "learned" not in verdict.sentence
    assert ("not known" in CHECK.said(find(values))) == (passed is None)


@each_case("count", [2, 5, 12, 13, 40])
def test_the_interval_of_a_mean_is_students(count: int) -> None:
    from scipy.stats import t

    values = np.random.default_rng(count).normal(size=count)
    held = measured("x", [*values, float("nan")])
    low, high = t.interval(0.95, count - 1, values.mean(), values.std(ddof=1) / np.sqrt(count))
    assert (held.low, held.high) == pytest.approx((low, high), abs=0.1 if count > 12 else 1e-4)


def test_one_image_has_no_interval() -> None:
    held = measured("x", [0.3])
    assert held.mean == 0.3
    assert np.isnan([held.low, held.high]).all()
    assert CHECK.judge(lambda key: held) is not None, "judged by itself"
    assert np.isnan(replace(held, values=np.array([np.nan])).mean)
