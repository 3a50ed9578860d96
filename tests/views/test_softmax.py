"""The softmax of an answer, and the sigmoids of labels, against scipy and against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp
from scipy.special import softmax as reference
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.errors import NotFiniteError, TargetError, UsageError
from cnnviz.models.model import Model
from cnnviz.passes.ranked_classes import entropy
from cnnviz.views.pictures.probability_panels import signed
from cnnviz.views.softmax import SigmoidLabels, Softmax
from tests.helpers.detectors import NAMES, UNIT, Pyramid, photos
from tests.helpers.each_case import each_case

ROWS = [[1.0, 3.0, -2.0, 0.5, 2.5, -7.0], [-1.0, 0.0, 800.0, 799.0, 2.0, 3.0]]
TEMPERATURES = (0.25, 1.0, 3.0)


class Answers(nn.Module):
    """Answers to an image that holds nothing but the number n the n-th row of numbers."""

    def __init__(self, rows: list[list[float]], last: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)
        self.rows = torch.tensor(rows, dtype=torch.float64)
        self.last = last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.rows[x[:, 0, 0, 0].round().long()])
        return found


def held(rows=ROWS, last: nn.Module | None = None, output: str | None = "classes"):
    names = list("abcdef")[: len(rows[0])] if output in ("classes", "labels") else None
    model = Model(Answers(rows, last or nn.Identity()), categories=names, output=output)
    images = torch.arange(float(len(rows)))[:, None, None, None].expand(-1, 3, 4, 4)
    return cnnviz.capture(model, images, gradients=False, layers="")


def found(k: int = 3, **given) -> Softmax:
    result = cnnviz.softmax(held(**given), k, temperatures=TEMPERATURES)
    assert isinstance(result, Softmax)
    return result


def test_the_steps_lead_to_the_softmax_of_scipy() -> None:
    result, rows = found(), np.array(ROWS)
    assert result.names == (("b", "e", "a"), ("c", "d", "f"))
    picked = np.take_along_axis(rows, result.classes, 1)
    np.testing.assert_array_equal(result.logits, picked)
    shares = np.take_along_axis(reference(rows, axis=1), result.classes, 1)
    np.testing.assert_allclose(result.probabilities, shares, rtol=1e-12)
    np.testing.assert_allclose(result.exponentials / result.totals[:, None], shares, rtol=1e-12)
    assert (result.exponentials[:, 0] == 1.0).all()
    # A sum over what is left, which one less the others would round away.
    rest = np.exp(logsumexp(rows[0, [2, 3, 5]]) - logsumexp(rows[0]))
    assert result.rest[0] == pytest.approx(rest, rel=1e-12)
    assert result.rest[1] == pytest.approx(reference(rows[1])[[0, 1, 4]].sum(), rel=1e-12)
    assert result.others == 3


def test_a_certain_answer_costs_nothing_and_not_minus_nothing() -> None:
    certain = cnnviz.softmax(held(rows=[[1e30, 0.0, -1e30]]))
    texts = [text.get_text() for axes in certain.figure().axes for text in axes.texts]
    assert {"-0", "−0"}.isdisjoint(texts)
    assert not np.signbit(certain.losses[0, 0])
    assert not np.signbit(entropy(torch.tensor([[1.0, 0.0]])).item())


def test_losses_and_gradients_are_those_of_autograd() -> None:
    result = found()
    for image, classes in enumerate(result.classes):
        for row, truth in enumerate(classes):
            logits = torch.tensor(ROWS[image], dtype=torch.float64, requires_grad=True)
            loss = F.cross_entropy(logits[None], torch.tensor([truth]))
            (slopes,) = torch.autograd.grad(loss, logits)
            assert result.losses[image, row] == pytest.approx(loss.item(), rel=1e-12)
            rest = sum(float(s) for place, s in enumerate(slopes) if place not in classes)
            expected = [*slopes[torch.tensor(classes)].tolist(), rest]
            np.testing.assert_allclose(result.gradients[image, row], expected, atol=1e-15)
    np.testing.assert_allclose(result.gradients.sum(2), 0.0, atol=1e-12)


def test_a_temperature_divides_the_logits() -> None:
    result, rows = found(), np.array(ROWS)
    for place, temperature in enumerate(TEMPERATURES):
        shares = np.take_along_axis(reference(rows / temperature, axis=1), result.classes, 1)
        np.testing.assert_allclose(result.tempered[:, place, :-1], shares, rtol=1e-12)
    np.testing.assert_allclose(result.tempered.sum(2), 1.0, rtol=1e-12)
    np.testing.assert_allclose(result.curves.sum(2), 1.0, rtol=1e-12)
    at = int(np.abs(result.curve_temperatures - 1.0).argmin())
    np.testing.assert_allclose(result.curves[:, at, :-1], result.probabilities, rtol=1e-9)


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(1)])
def test_a_softmax_inside_the_network_is_not_applied_twice(last: nn.Module) -> None:
    inside = found(rows=ROWS[:1], last=last)
    np.testing.assert_allclose(inside.probabilities, found().probabilities[:1], rtol=1e-9)
    np.testing.assert_allclose(inside.logits, found().logits[:1], rtol=1e-9)


def test_probabilities_whose_softmax_was_not_seen_have_their_logarithms_for_logits() -> None:
    shares = [0.7, 0.2, 0.1, 0.0]
    result = found(rows=[shares], k=4)
    assert "logarithms" in result.note
    assert result.note in result.caption()
    np.testing.assert_allclose(result.probabilities[0], shares, rtol=1e-12)
    assert result.losses[0, 3] == np.inf
    np.testing.assert_allclose(result.gradients[0, 0], [-0.3, 0.2, 0.1, 0.0, 0.0], atol=1e-12)
    texts = {text.get_text() for axes in result.figure().axes for text in axes.texts}
    assert {"-∞", "+∞"} <= texts
    assert result.to_json()["infinite"]["/losses/0/3"] == "inf"


def test_labels_have_a_sigmoid_each_and_the_binary_cross_entropy() -> None:
    result = cnnviz.softmax(held(rows=[ROWS[0]], output="labels"), 3, temperatures=TEMPERATURES)
    assert isinstance(result, SigmoidLabels)
    z = np.array([3.0, 2.5, 1.0])
    np.testing.assert_allclose(result.logits[0], z)
    np.testing.assert_allclose(result.probabilities[0], expit(z), rtol=1e-12)
    np.testing.assert_allclose(result.odds[0], expit(z) / (1 - expit(z)), rtol=1e-9)
    for place, temperature in enumerate(TEMPERATURES):
        np.testing.assert_allclose(result.tempered[0, place], expit(z / temperature), rtol=1e-12)
    for truth in (0, 1):
        logits = torch.tensor(z, requires_grad=True)
        wanted = torch.full_like(logits, truth)
        losses = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        (slopes,) = torch.autograd.grad(losses.sum(), logits)
        np.testing.assert_allclose(result.losses[0, :, truth], losses.detach(), rtol=1e-12)
        np.testing.assert_allclose(result.gradients[0, :, truth], slopes, atol=1e-15)
    assert result.others == 3
    assert "need not sum to 1" in result.caption()
    result.figure().draw_without_rendering()


def test_one_logit_is_that_of_the_positive_class() -> None:
    result = cnnviz.softmax(held(rows=[[-1.5], [0.5]], output="logit"))
    assert isinstance(result, SigmoidLabels)
    assert result.names == (("positive",), ("positive",))
    np.testing.assert_allclose(result.probabilities[:, 0], expit([-1.5, 0.5]), rtol=1e-12)
    assert [page.images for page in result.sheets()] == [("image 0",), ("image 1",)]
    assert "not the softmax" in result.summary()


def test_scores_that_are_no_numbers_are_refused() -> None:
    for output in ("classes", "labels"):
        with pytest.raises(NotFiniteError, match="class scores are not finite"):
            cnnviz.softmax(held(rows=[[1.0, float("nan"), 2.0]], output=output))


@pytest.mark.parametrize("output", ["value", "embedding"])
def test_what_has_no_softmax_says_so_in_a_sentence(output: str) -> None:
    with pytest.raises(TargetError, match="no softmax over the classes of the whole image"):
        cnnviz.softmax(held(output=output))


def test_maps_of_classes_and_boxes_say_so_too() -> None:
    network = nn.Conv2d(3, 4, 1).eval()
    with pytest.raises(TargetError, match="no softmax over the classes of the whole image"):
        cnnviz.softmax(cnnviz.capture(network, torch.rand(1, 3, 8, 8), layers="", gradients=False))
    model = Model(Pyramid(0.55), preprocessing=UNIT, categories=NAMES)
    boxes = cnnviz.capture(model, photos(1), layers=(), gradients=False)
    with pytest.raises(TargetError, match="boxes, each with a score of its own"):
        cnnviz.softmax(boxes)


def test_every_image_has_a_page_and_all_stand_in_one_figure() -> None:
    result = found()
    first, second = result.sheets()
    np.testing.assert_array_equal(second.curves, result.curves[1:])
    assert (first.images, second.names) == (("image 0",), (("c", "d", "f"),))
    assert len(result.figure().axes) == 2 * len(first.figure().axes)
    assert "and 1 more image" in result.summary()


def test_the_picture_draws_the_numbers() -> None:
    result = found(rows=ROWS[:1])
    panels = result.figure().axes
    steps = panels[:3]
    drawn = (result.logits, result.exponentials, result.probabilities)
    for axes, values in zip(steps, drawn, strict=True):
        widths = [bar.get_width() for bar in axes.patches]
        np.testing.assert_allclose(widths[:3], values[0])
    assert [bar.get_width() for bar in steps[2].patches][3] == result.rest[0]
    cells = [text.get_text() for text in panels[4].texts]
    assert cells == [signed(value) for value in result.gradients[0].ravel()]
    whole = found(rows=ROWS[:1], k=6)
    assert whole.others == 0
    assert len(whole.figure().axes[2].patches) == 6


@each_case(
    ("given", "message"),
    [
        ({"k": 0}, "k cannot be 0"),
        ({"k": 13}, "13 classes are more than can be read"),
        ({"temperatures": ()}, "No temperature is given"),
        ({"temperatures": (1.0, 0.0)}, "temperatures cannot be 0"),
        ({"temperatures": (float("nan"),)}, "temperatures cannot be nan"),
    ],
)
def test_bad_arguments_are_sentences(given, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cnnviz.softmax(held(), **given)


def test_a_loss_of_nothing_has_no_sign():
    sure = cnnviz.softmax(held([[0.0, 900.0, 0.0]]))
    assert "a loss of 0 nats" in sure.summary()
