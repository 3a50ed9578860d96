"""Shares, intervals, recall, precision, F1 and calibration against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cnnviz.evaluation.answers.measures import BINS, Calibration, ClassMeasures, Share
from cnnviz.evaluation.answers.tally import Tally
from cnnviz.models import OutputKind
from tests.helpers.each_case import each_case


@each_case(
    ("count", "of", "low", "high"),
    # Newcombe (1998), table I, method 3: the score interval without continuity correction.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (29, 29, 0.8830, 1),
    ],
)
def test_the_interval_is_that_of_the_literature(count, of, low, high):
    assert Share(count, of).interval == pytest.approx((low, high), abs=5e-5)


def test_the_share_of_none_is_no_number():
    assert math.isnan(Share(0, 0).value)
    assert all(map(math.isnan, Share(0, 0).interval))
    assert str(Share(0, 0)) == "–"
    assert str(Share(3, 3)) == "100% (44% to 100%)"


def test_recall_precision_and_f1():
    # 8 labelled, 10 answered, 6 right: the harmonic mean of 6/8 and 6/10 is 12/18.
    found = ClassMeasures(0, "a", 8, 10, 6)
    assert (found.recall.value, found.precision.value) == (0.75, 0.6)
    assert found.f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert math.isnan(ClassMeasures(0, "a", 0, 0, 0).f1)


def test_the_calibration_error_weighs_the_bins_by_their_answers():
    counts, right = np.zeros((2, BINS), np.int64)
    sure = np.full(BINS, np.nan)
    counts[[3, 9]], right[[3, 9]], sure[[3, 9]] = (1, 3), (1, 1), (0.25, 0.65)
    found = Calibration(counts, right, sure)
    assert found.error == pytest.approx(0.25 * 0.75 + 0.75 * (0.65 - 1 / 3))
    assert [share.of for share in found.shares if share.of] == [1, 3]


def test_a_tally_of_classes():
    tally = Tally(("a", "b", "c"), OutputKind.CLASSES)
    answers = [
        (0, (0.7, 0.2, 0.1)),
        (0, (0.1, 0.8, 0.1)),
        (1, (0.0, 1.0, 0.0)),
        (2, (0.6, 0.0, 0.4)),
    ]
    for place, (truth, shares) in enumerate(answers):
        tally.add(place, f"{place}.png", [truth], np.array(shares))
    assert (tally.images, tally.decisions) == (4, 4)
    assert dict(tally.pairs) == {(0, 0): 1, (0, 1): 1, (1, 1): 1, (2, 0): 1}
    assert [(m.labelled, m.answered, m.right) for m in tally.measures] == [
        (2, 2, 1),
        (1, 2, 1),
        (1, 0, 0),
    ]
    assert [(m.image, m.truth, m.answer) for m in tally.mistakes] == [
        ("1.png", "a", "b"),
        ("3.png", "c", "a"),
    ]
    assert tally.mistakes[0].loss == pytest.approx(-math.log(0.1))
    assert int(tally.calibration.counts.sum()) == 4


def test_a_tally_of_independent_labels_counts_each_by_itself():
    tally = Tally(("a", "b", "c"), OutputKind.LABELS)
    tally.add(0, "x", [0, 1], np.array([0.9, 0.3, 0.8]))
    tally.add(1, "y", [], np.array([0.1, 0.2, 0.4]))
    assert (tally.images, tally.decisions, len(tally.mistakes)) == (2, 6, 2)
    missed, false = tally.mistakes
    assert (missed.truth, missed.answer, missed.confidence) == ("b", "not b", pytest.approx(0.7))
    assert (false.truth, false.answer, false.confidence) == ("not c", "c", pytest.approx(0.8))
    assert false.truth_probability == pytest.approx(0.2)
    assert false.classes == (2,)
    assert not tally.pairs


def test_an_impossible_answer_has_an_endless_loss():
    tally = Tally(("a", "b"), OutputKind.CLASSES)
    tally.add(0, "x", [1], np.array([1.0, 0.0]))
    assert tally.mistakes[0].loss == math.inf
