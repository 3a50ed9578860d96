"""Ranked classes and their probabilities, beside numpy and figures that were worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import TargetError, UsageError
from cnnviz.models import Model
from cnnviz.passes.ranked_classes import entropy, probabilities, rank_classes
from tests.helpers.each_case import each_case

NAMED = Model(nn.Linear(2, 3), categories=("cat", "dog", "bird"))


def unread(output: str | None = None) -> Model:
    """Return a model that has not seen an output yet."""
    return Model(nn.Linear(1, 1), output=output)


def softmax(rows: np.ndarray) -> np.ndarray:
    shifted = np.exp(rows.astype(np.longdouble) - rows.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True), np.float64)


def test_classes_are_ranked_as_numpy_ranks_them() -> None:
    logits = np.random.default_rng(0).normal(0.0, 4.0, (5, 3)).astype(np.float32)
    found = rank_classes(NAMED, torch.from_numpy(logits), 2)
    shares = softmax(logits)
    for row, answers in enumerate(found):
        order = np.argsort(-logits[row])[:2]
        assert [answer.index for answer in answers] == order.tolist()
        assert [answer.name for answer in answers] == [("cat", "dog", "bird")[k] for k in order]
        np.testing.assert_allclose([a.probability for a in answers], shares[row, order], rtol=1e-12)
        assert [answer.logit for answer in answers] == [float(logits[row, k]) for k in order]


def test_of_equal_classes_the_lower_index_comes_first() -> None:
    (answers,) = rank_classes(NAMED, torch.tensor([[1.0, 2.0, 2.0]]), 3)
    assert [answer.index for answer in answers] == [1, 2, 0]
    (level,) = rank_classes(Model(nn.Linear(1, 1)), torch.zeros(1, 40), 40)
    assert [answer.index for answer in level] == list(range(40))
    assert level[7].name == "class 7"
    assert {answer.probability for answer in level} == {1.0 / 40.0}


def test_more_classes_than_there_are_are_all_of_them_and_none_is_a_mistake() -> None:
    (answers,) = rank_classes(NAMED, torch.zeros(1, 3), 9)
    assert len(answers) == 3
    with pytest.raises(UsageError, match="0 classes cannot be shown"):
        rank_classes(NAMED, torch.zeros(1, 3), 0)


def test_a_large_logit_does_not_overflow_nor_lose_the_small_ones() -> None:
    shares, rule = probabilities(unread(), torch.tensor([[1e4, 1e4 - 20.0, -1e4]]))
    assert rule == "softmax"
    assert shares.dtype == torch.float64
    assert float(shares[0, 1]) == pytest.approx(math.exp(-20.0) / (1.0 + math.exp(-20.0)))
    assert float(shares[0, 2]) == 0.0


def test_one_logit_is_a_coin_with_two_sides() -> None:
    shares, rule = probabilities(unread("logit"), torch.tensor([[0.0], [2.0]]))
    assert rule == "sigmoid"
    heads = [0.5, 1.0 / (1.0 + math.exp(-2.0))]
    assert shares[:, 1].tolist() == pytest.approx(heads)
    assert shares[:, 0].tolist() == pytest.approx([1.0 - one for one in heads])
    assert entropy(shares)[0].item() == pytest.approx(1.0)


def test_one_number_of_which_nothing_is_known_has_no_probability() -> None:
    with pytest.raises(TargetError, match=r"values \(a guess.*holds no probabilities"):
        probabilities(unread(), torch.tensor([[37.2]]))


def test_a_map_of_classes_is_called_so_and_not_taken_for_boxes() -> None:
    with pytest.raises(TargetError, match="a map of classes: scores of each position") as caught:
        probabilities(unread("class-map"), torch.zeros(1, 3, 4, 4))
    with pytest.raises(TargetError, match=r"a map of classes \(a guess"):
        probabilities(unread(), torch.zeros(1, 3, 4, 4))
    assert "cam" in caught.value.remedy
    assert "decode" not in caught.value.remedy


@each_case(
    ("rows", "rule"),
    [
        ([[0.2, 0.8], [1.0, 0.0]], "as given"),
        # One row of log probabilities, or of scores that sum to two, is none.
        ([[0.2, 0.8], [1.5, -0.5]], "softmax"),
        ([[0.2, 0.8], [1.0, 1.0]], "softmax"),
    ],
)
def test_rows_that_are_shares_already_are_taken_as_they_are(
    rows: list[list[float]], rule: str
) -> None:
    shares, found = probabilities(unread(), torch.tensor(rows))
    assert found == rule
    wanted = np.array(rows) if rule == "as given" else softmax(np.array(rows, np.float32))
    np.testing.assert_allclose(shares.numpy(), wanted, rtol=1e-6)


def test_entropy_is_in_bits() -> None:
    shares = torch.tensor(
        [[0.25] * 4, [1.0, 0.0, 0.0, 0.0], [0.5, 0.25, 0.125, 0.125]], dtype=torch.float64
    )
    assert entropy(shares).tolist() == pytest.approx([2.0, 0.0, 1.75])


def test_scores_along_an_axis_are_refused() -> None:
    with pytest.raises(TargetError, match=r"\[1, 3, 4\], not \[N, classes\]"):
        probabilities(unread(), torch.zeros(1, 3, 4))
