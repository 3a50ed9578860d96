"""Predictions: the right classes, in the right order, with honest probabilities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import TargetError, UsageError
from cnnviz.models.model import Model
from cnnviz.passes.captures import capture
from cnnviz.views.predictions import predictions
from tests.helpers.architectures import lasting_network


class Fixed(nn.Module):
    """Answers to an image that holds nothing but the number k the k-th logits."""

    def __init__(self, logits: list[list[float]]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)
        self.logits = torch.tensor(logits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits[x[:, 0, 0, 0].round().long()] + 0 * self.conv(x).mean((1, 2, 3))[:, None]


def answer(logits: list[list[float]], k: int = 5, output: str | None = None):
    model = Model(Fixed(logits), categories=list("abcdefg")[: len(logits[0])], output=output)
    images = torch.arange(float(len(logits)))[:, None, None, None].expand(-1, 3, 4, 4)
    held = capture(model, images, gradients=False, layers="")
    return predictions(held, k)


def test_probabilities_are_the_softmax_in_double_precision() -> None:
    rows = [[1.0, 3.0, -2.0, 0.5], [100.0, 0.0, 0.0, 99.0]]
    found = answer(rows, k=3)
    exponentials = np.exp(np.array(rows) - np.max(rows, axis=1, keepdims=True))
    expected = exponentials / exponentials.sum(1, keepdims=True)
    assert found.names == (("b", "a", "d"), ("a", "d", "b"))
    np.testing.assert_allclose(
        found.probabilities, np.take_along_axis(expected, found.classes, 1), rtol=1e-12
    )
    entropy = -(expected * np.log2(np.maximum(expected, 1e-300))).sum(1)
    np.testing.assert_allclose(found.entropy, entropy, rtol=1e-9)
    assert found.rule == "softmax"


def test_fewer_classes_than_asked_for() -> None:
    found = answer([[0.0, 1.0]], k=5)
    assert found.classes.shape == (1, 2)
    assert "all 2 classes" in found.caption()


def test_a_single_output_is_a_sigmoid() -> None:
    found = answer([[0.0]], output="logit")
    assert found.names[0] == ("not a", "a")
    assert found.rule == "sigmoid"
    assert found.probabilities[0, 0] == 0.5
    assert found.entropy[0] == pytest.approx(1.0)


def test_outputs_that_are_probabilities_already_are_left_alone() -> None:
    found = answer([[0.25, 0.75]])
    assert found.rule == "as given"
    np.testing.assert_allclose(found.probabilities, [[0.75, 0.25]])


def test_one_bar_for_each_class_in_order() -> None:
    figure = answer([[1.0, 3.0, -2.0], [0.0, 0.0, 9.0]]).figure()
    photo, first, _, second = figure.axes
    assert len(photo.images) == 1, "what is answered for stands beside it"
    widths = [bar.get_width() for bar in first.patches]
    assert widths == sorted(widths, reverse=True)
    assert second.get_yticklabels()[0].get_text() == "c"
    assert first.get_xlim() == (0.0, 1.0)


def test_what_cannot_be_answered() -> None:
    with pytest.raises(UsageError, match="k cannot be 0"):
        answer([[0.0, 1.0]], k=0)
    network = nn.Sequential(nn.Flatten(2), nn.Linear(16, 5))
    held = capture(network, torch.zeros(1, 3, 4, 4), gradients=False, layers="")
    with pytest.raises(TargetError, match=r"\[1, 3, 5\], not \[N, classes\]"):
        predictions(held)


def test_a_capture_ranks_the_same_answers() -> None:
    held = capture(lasting_network(), torch.zeros(1, 3, 8, 8))
    found = predictions(held, 2)
    assert [answer.index for answer in held.predictions(2)[0]] == found.classes[0].tolist()
    assert held.predictions(1)[0][0].probability == found.probabilities[0, 0]
    assert repr(predictions(held, 1)).startswith("<Predictions: image 0: class")
