"""The measures by hand, against scikit-learn, and how often their intervals hold what is true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score, top_k_accuracy_score

from cnnviz.errors import UsageError
from cnnviz.evaluation.answers.measures import ClassMeasures, Share
from cnnviz.evaluation.classifier.chance_calibration import chance_calibration
from cnnviz.evaluation.classifier.conditions import read_conditions
from cnnviz.evaluation.classifier.measures import (
    auc_of,
    brier_of,
    f1_of,
    mean_error,
    top_k_of,
)
from cnnviz.evaluation.classifier.ranking import curve, rank
from tests.helpers.each_case import each_case


def test_the_mean_of_one_share_has_its_own_interval():
    found = mean_error([Share(3, 20), Share(0, 0)])
    assert found.value == pytest.approx(0.15)
    assert (found.low, found.high) == pytest.approx(Share(3, 20).interval)
    assert math.isnan(mean_error([Share(0, 0)]).value)


def test_the_interval_of_a_mean_of_shares_holds_the_true_one():
    random = np.random.default_rng(0)
    true = np.array([0.02, 0.1, 0.3, 0.5])
    of = (12, 20, 20, 40)
    held = 0
    for _ in range(600):
        found = mean_error(
            [Share(int(random.binomial(n, p)), n) for n, p in zip(of, true, strict=True)]
        )
        held += found.low <= true.mean() <= found.high
    assert 0.92 <= held / 600 <= 0.99


def test_nothing_wrong_is_not_taken_for_certain():
    found = mean_error([Share(0, 10), Share(0, 10)])
    assert found.value == 0.0
    assert found.low == 0.0
    # Wilson's upper end of 0 of 10 is 27.8%; of two such classes it is that over root two.
    assert found.high == pytest.approx(0.2775 / math.sqrt(2), abs=1e-3)


def test_f1_and_its_interval():
    measured = ClassMeasures(0, "a", labelled=8, answered=9, right=6)
    found = f1_of(measured)
    assert found.value == pytest.approx(2 * 6 / (8 + 9))
    low, high = Share(6, 11).interval
    assert (found.low, found.high) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))
    random = np.random.default_rng(1)
    true = 2 * 0.4 / (2 * 0.4 + 0.1 + 0.2)
    held = 0
    for _ in range(400):
        both, answered, labelled, _ = random.multinomial(60, [0.4, 0.1, 0.2, 0.3])
        one = f1_of(ClassMeasures(0, "a", both + labelled, both + answered, both))
        held += one.low <= true <= one.high
    assert 0.91 <= held / 400 <= 0.99


def test_a_roc_curve_by_hand():
    has = np.array([True, False, True, False, False])
    scores = np.array([0.9, 0.8, 0.7, 0.3, 0.1])
    found = rank(4, "e", has, scores)
    # Of the six pairs of one with and one without, one stands the wrong way round.
    assert found.auc.value == pytest.approx(5 / 6)
    # Precision 1/1 at the first, 2/3 at the second.
    assert found.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert (found.positives, found.negatives) == (2, 3)
    line = curve(4, "e", has, scores)
    assert line.false_positive_rate.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 3, 1])
    assert line.true_positive_rate.tolist() == pytest.approx([0, 0.5, 0.5, 1, 1])
    assert line.thresholds[0] == math.inf


def test_without_images_on_both_sides_there_is_no_ranking():
    for has in (np.ones(3, bool), np.zeros(3, bool)):
        found = rank(0, "a", has, np.array([0.1, 0.2, 0.3]))
        assert math.isnan(found.auc.value)
        assert math.isnan(found.average_precision)


def _variance(area: float, m: int, n: int) -> float:
    middle = (m + n) / 2 - 1
    more = middle * (1 - area) / (2 - area) + middle * area / (1 + area)
    return area * (1 - area) * (1 + more) / (m * n)


@each_case(("value", "m", "n"), [(0.8, 15, 40), (0.55, 6, 6), (0.999, 30, 200)])
def test_the_ends_of_the_interval_of_an_area_are_as_far_as_their_own_errors_say(value, m, n):
    found = auc_of(value, m, n)
    for end in (found.low, found.high):
        assert abs(end - value) == pytest.approx(1.959964 * math.sqrt(_variance(end, m, n)), 1e-5)
    assert found.low < value < found.high


def test_a_perfect_area_has_an_interval_and_areas_are_held_as_often_as_is_said():
    found = auc_of(1.0, 10, 20)
    assert found.high == 1.0
    assert 0.7 < found.low < 0.95
    random, held = np.random.default_rng(2), 0
    # The area of two normal distributions that are one standard deviation apart.
    true = 0.5 * (1 + math.erf(1 / math.sqrt(2) / math.sqrt(2)))
    has = np.repeat([True, False], [15, 25])
    for _ in range(300):
        one = auc_of(float(roc_auc_score(has, random.normal(has.astype(float), 1.0))), 15, 25)
        held += one.low <= true <= one.high
    assert 0.92 <= held / 300 <= 0.99


def test_top_k_counts_as_scikit_learn_does_and_breaks_ties_like_the_answer():
    random = np.random.default_rng(3)
    scores = random.dirichlet(np.ones(6), 50)
    labels = random.integers(0, 6, 50)
    for k in (1, 2, 5):
        found = top_k_of(labels, scores, k)
        expected = top_k_accuracy_score(labels, scores, k=k, labels=range(6))
        assert found.right.value == pytest.approx(expected)
        assert found.wrong.count + found.right.count == 50
    even = np.full((2, 3), 1 / 3)
    assert top_k_of(np.array([0, 2]), even, 2).right.count == 1


def test_brier_by_hand():
    truths = np.array([[True, False, False], [False, False, True]])
    scores = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0]])
    first, second = 0.09 + 0.04 + 0.01, 0.25 + 0.25 + 1.0
    found = brier_of(truths, scores, summed=True)
    assert found.score.value == pytest.approx((first + second) / 2)
    # The labels' shares are 1/2, 0, 1/2: each image is 1/4 + 1/4 away from them.
    assert found.of_frequencies == pytest.approx(0.5)
    assert brier_of(truths, scores, summed=False).score.value == pytest.approx((first + second) / 6)
    deviation = abs(second - first) / math.sqrt(2)
    assert found.score.low == pytest.approx(
        max(found.score.value - 1.959964 * deviation / math.sqrt(2), 0.0), abs=1e-5
    )


def test_the_calibration_error_by_chance_is_that_of_coins():
    # Of 100 answers that are half sure, as many are right as coins fall on one side.
    expected = sum(math.comb(100, n) / 2**100 * abs(n - 50) for n in range(101)) / 100
    found = chance_calibration(np.full(100, 0.5), seed=0)
    assert found.mean == pytest.approx(expected, rel=0.1)
    assert expected < found.high < 0.12
    assert found == chance_calibration(np.full(100, 0.5), seed=0)
    assert chance_calibration(np.ones(10), seed=0).high == 0.0


def test_f1_is_that_of_scikit_learn():
    random = np.random.default_rng(4)
    labels, answers = random.integers(0, 2, (2, 40)).astype(bool)
    measured = ClassMeasures(
        1, "b", int(labels.sum()), int(answers.sum()), int((labels & answers).sum())
    )
    assert f1_of(measured).value == pytest.approx(f1_score(labels, answers))


@each_case(
    ("given", "what"),
    [
        ("error-rate", "nothing to fail on"),
        ("error-rate>", "nothing to fail on"),
        ("error-rate>x", "nothing to fail on"),
        ("error-rate>nan", "nothing to fail on"),
        ("eror-rate>0.3", "Did you mean 'error-rate'"),
        ("top-0-error>0.3", "no measure 'top-0-error'"),
    ],
)
def test_conditions_that_are_none(given, what):
    with pytest.raises(UsageError, match=what):
        read_conditions(given)


def test_conditions_are_read():
    found = read_conditions(["error-rate > 0.3, macro-auc<0.9", "top-3-error>1e-2"])
    assert [(c.measure, c.above, c.limit, c.k) for c in found] == [
        ("error-rate", True, 0.3, None),
        ("macro-auc", False, 0.9, None),
        ("top-3-error", True, 0.01, 3),
    ]
    assert read_conditions(None) == ()


def test_the_interval_of_a_brier_score_is_honest_for_few_images_and_stays_between_its_ends():
    """Of ten calibrated answers it was 1.96 standard errors cut off at zero: 84 in 100 held."""
    random = np.random.default_rng(0)
    held = []
    for _ in range(400):
        sure = random.beta(8, 2, 10)
        truths = (random.random(10) < sure)[:, None] == np.array([True, False])
        score = brier_of(truths, np.stack([sure, 1.0 - sure], 1), summed=True).score
        assert 0.0 < score.low < score.value < score.high < 2.0
        # The mean of 2 p (1 - p) for these confidences.
        held.append(score.low <= 2.0 * 16.0 / 110.0 <= score.high)
    assert np.mean(held) > 0.86
