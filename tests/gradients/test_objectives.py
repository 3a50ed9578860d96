"""What is sent back, beside gradients that were worked out by hand or by finite differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cnnviz.errors import TargetError, UsageError
from cnnviz.gradients import objectives
from cnnviz.gradients.forward_recorder import ForwardRecorder
from cnnviz.models import Model, as_model
from tests.helpers.each_case import each_case

LABELS = torch.tensor([2, 0])


def logits() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, generator=generator, dtype=torch.float64).requires_grad_()


def sent(start: objectives.BackwardStart, at: torch.Tensor) -> torch.Tensor:
    (found,) = torch.autograd.grad([start.tensor], [at], [start.cotangent], retain_graph=True)
    return found


def test_the_loss_sends_back_shares_less_one_for_the_label_over_the_batch() -> None:
    output = logits()
    found = sent(objectives.loss(classifier(), output, LABELS), output)
    shares = output.detach().exp() / output.detach().exp().sum(1, keepdim=True)
    shares[torch.arange(2), LABELS] -= 1.0
    torch.testing.assert_close(found, shares / 2.0)
    assert objectives.loss(classifier(), output, LABELS).logits is output


def test_the_greatest_logit_of_each_image_and_no_other_is_sent_back() -> None:
    output = logits()
    found = sent(objectives.top(classifier(), output), output)
    wanted = torch.zeros(2, 3, dtype=torch.float64)
    for row, values in enumerate(output.tolist()):
        wanted[row, values.index(max(values))] = 1.0
    assert torch.equal(found, wanted)


def test_an_objective_of_one_s_own_is_summed_over_images() -> None:
    output = logits()
    found = sent(objectives.own(output, lambda given: given.pow(3).sum(1)), output)
    torch.testing.assert_close(found, 3.0 * output.detach().square())
    with pytest.raises(TargetError, match="nothing that can be differentiated"):
        objectives.own(output, lambda given: given.detach().sum())
    with pytest.raises(TargetError, match="nothing that can be differentiated"):
        objectives.own(output, lambda given: 3.0)  # type: ignore[arg-type, return-value]


class Classifier(nn.Module):
    """A linear layer, and a softmax behind it if wanted."""

    def __init__(self, *, softmax: bool = False, zero: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.head, self.softmax = nn.Linear(4, 5), nn.Linear(5, 3), softmax
        if zero:
            nn.init.zeros_(self.head.weight)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        found = self.head(self.inner(inputs))
        output: torch.Tensor = found.softmax(1) if self.softmax else found
        return output


def classifier() -> Model:
    return as_model(Classifier())


def begin(module: Classifier, seed: int = 0) -> tuple[objectives.BackwardStart, torch.Tensor]:
    inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    model = as_model(module)
    with ForwardRecorder() as watch:
        output = model.forward(inputs)
    zero = not bool(module.head.weight.any())
    return objectives.random_signs(model, watch, output, zero, seed), inputs


def test_random_signs_estimate_the_norm_of_the_jacobian() -> None:
    module = Classifier()
    inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    model, squares = as_model(module), []
    with ForwardRecorder() as watch:
        output = model.forward(inputs)
    for seed in range(400):
        start = objectives.random_signs(model, watch, output, False, seed)
        assert set(start.cotangent.unique().tolist()) <= {-1.0, 1.0}
        squares.append(sent(start, inputs)[0].square().sum())
    jacobian = (module.head.weight @ module.inner.weight).detach()
    wanted = float(jacobian.square().sum())
    assert float(torch.stack(squares).mean()) == pytest.approx(wanted, rel=0.1)


def test_the_signs_are_the_same_for_one_seed_and_draw_from_no_other_generator() -> None:
    before = torch.random.get_rng_state()
    module = Classifier()
    torch.random.set_rng_state(before)
    one, other, next_one = begin(module)[0], begin(module)[0], begin(module, 1)[0]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.cotangent, other.cotangent)
    assert not torch.equal(one.cotangent, next_one.cotangent)
    assert one.note == ""


def test_what_went_into_a_softmax_is_taken() -> None:
    start, _ = begin(Classifier(softmax=True))
    plain, _ = begin(Classifier())
    torch.testing.assert_close(start.tensor, plain.tensor)
    assert "ends in a softmax" in start.note


def test_a_head_of_zeros_is_passed_over() -> None:
    module = Classifier(zero=True)
    start, inputs = begin(module)
    torch.testing.assert_close(start.tensor, module.inner(inputs))
    assert bool(sent(start, inputs).any())
    assert "all zero" in start.note


@each_case(
    ("labels", "match"),
    [
        (torch.tensor([0]), r"An output \[2, 3\] does not go with 1 label"),
        (torch.tensor([0, 3]), "The label of image 2 of 2 is 3: the network has 3 classes"),
        (torch.tensor([0, -1]), "Labels go from 0 to 2"),
    ],
)
def test_labels_that_do_not_fit_are_a_sentence(labels: torch.Tensor, match: str) -> None:
    with pytest.raises(TargetError, match=match):
        objectives.loss(classifier(), logits(), labels)


def test_what_is_asked_for_is_checked_ahead() -> None:
    for wanted in ("auto", "top", lambda output: output):
        objectives.check(wanted, None)
    objectives.check("loss", [1])
    for call in (
        lambda: objectives.check("loss", None),
        lambda: objectives.loss(classifier(), logits(), None),
    ):
        with pytest.raises(UsageError, match="A loss needs labels"):
            call()
    with pytest.raises(UsageError, match=r"no objective 'tpo'.*'top'"):
        objectives.check("tpo", None)


@each_case(
    ("given", "wanted"),
    [
        (None, None),
        ("dog", [1]),
        (2, [2]),
        (["dog", 0, "cat"], [1, 0, 0]),
        (torch.tensor([[2], [1]], dtype=torch.int32), [2, 1]),
    ],
)
def test_labels_are_indices_or_names(given: Any, wanted: list[int] | None) -> None:
    model = Model(nn.Linear(2, 3), categories=("cat", "dog", "bird"))
    found = objectives.as_labels(given, model)
    assert (None if found is None else found.tolist()) == wanted
    if found is not None:
        assert found.dtype == torch.int64
