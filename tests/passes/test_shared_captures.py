"""Captures are made once for all who ask for the same, and only for those."""

from __future__ import annotations

from itertools import count

import pytest
import torch
from torch import nn

from cnnviz.introspection.copies import copy_network
from cnnviz.models import as_model
from cnnviz.passes.captures import capture
from cnnviz.passes.shared_captures import (
    is_shared_with,
    output_before,
    resolved_before,
    shared_captures,
)
from tests.helpers.pass_counter import counted

CALLS = count(1)


class Small(nn.Module):
    """Two convolutions and a mean, of seeded weights."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first = nn.Conv2d(3, 4, 3)
            self.second = nn.Conv2d(4, 5, 3)

    def forward(self, images):
        return self.second(self.first(images).relu()).mean((2, 3))


class Restless(Small):
    """Answers the same image otherwise each time."""

    def forward(self, images):
        return super().forward(images) + next(CALLS)


@pytest.fixture
def model():
    return as_model(Small())


@pytest.fixture
def batch(model):
    return model.prepare(torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1)))


def passes_of(module, ask):
    with counted(module) as passes:
        found = ask()
    return sum(one.computes for one in passes.forward), found


def test_what_was_captured_is_handed_out_again_while_it_lasts(model, batch):
    def ask():
        return capture(model, batch, layers=["second"], target=2, gradients="layers")

    with shared_captures(model, batch.tensor):
        first = ask()
        made, again = passes_of(model.module, ask)
        assert made == 0
    assert torch.equal(again.gradients["second"], first.gradients["second"])
    assert passes_of(model.module, ask)[0] == 1


def test_a_part_of_what_was_captured_is_all_that_is_handed_out(model, batch):
    with shared_captures(model, batch.tensor):
        capture(model, batch, layers=["first", "second"], target=[2])
        made, part = passes_of(
            model.module,
            lambda: capture(model, batch, layers=["second"], target=2, gradients="layers"),
        )
        assert made == 0
    own = capture(model, batch, layers=["second"], target=2, gradients="layers")
    assert list(part.activations) == list(part.gradients) == ["second"]
    assert part._input_gradient is None
    assert torch.equal(part.gradients["second"], own.gradients["second"])
    assert part.targets == own.targets


@pytest.mark.parametrize(
    "other",
    [
        {"target": 1},
        {"layers": ["first"]},
        {"rule": "guided"},
        {"gradients": True},
        {"gradients": False, "target": None},
    ],
)
def test_anything_else_is_made_anew(model, batch, other):
    usual = {"layers": ["second"], "target": 2, "gradients": "layers"}
    with shared_captures(model, batch.tensor):
        capture(model, batch, **usual)
        made, found = passes_of(model.module, lambda: capture(model, batch, **(usual | other)))
    assert made == 1
    alone = capture(model, batch, **(usual | other))
    for name, values in alone.activations.items():
        assert torch.equal(found.activations[name], values)


def test_other_images_and_other_weights_are_made_anew(model, batch):
    def ask(given=batch):
        return capture(model, given, layers=["second"], target=2)

    with shared_captures(model, batch.tensor):
        before = ask()
        assert passes_of(model.module, lambda: ask(batch.tensor + 1))[0] == 1
        with torch.no_grad():
            model.module.second.weight.mul_(2)
        made, after = passes_of(model.module, ask)
    assert made == 1
    assert not torch.equal(before.activations["second"], after.activations["second"])


def test_copies_of_the_same_weights_share_and_others_do_not(model, batch):
    def redrawn(factor):
        copy = copy_network(model.module)
        is_shared_with(copy)
        with torch.no_grad():
            copy.second.weight.mul_(factor)
        return model.around(copy, weights="redrawn")

    with shared_captures(model, batch.tensor):
        one, same, other = redrawn(2), redrawn(2), redrawn(3)
        first = capture(one, batch, layers=["second"], target=2)
        made, again = passes_of(
            model.module, lambda: capture(same, batch, layers=["second"], target=2)
        )
        assert made == 0
        assert again.model is same
        assert torch.equal(again.input_gradient, first.input_gradient)
        different = capture(other, batch, layers=["second"], target=2)
    assert not torch.equal(different.input_gradient, first.input_gradient)


def test_a_network_that_is_no_copy_shares_nothing(model, batch):
    stranger = as_model(copy_network(model.module))
    with shared_captures(model, batch.tensor):
        capture(model, batch, layers=["second"], target=2)
        made, _ = passes_of(
            model.module, lambda: capture(stranger, batch, layers=["second"], target=2)
        )
    assert made == 1


def test_nothing_is_shared_of_a_network_that_answers_otherwise_each_time():
    model = as_model(Restless())
    batch = model.prepare(torch.rand(1, 3, 12, 12))
    with shared_captures(model, batch.tensor):
        first = capture(model, batch, layers=["second"], target=2)
        second = capture(model, batch, layers=["second"], target=2)
    assert not torch.equal(first.logits, second.logits)


def test_what_is_known_serves_its_own_answer_and_the_outputs_of_layers(model, batch):
    known = capture(model, batch, layers=["first", "second"], gradients="layers")
    best = int(known.logits.argmax())
    with shared_captures(model, batch.tensor, [known]):
        made, found = passes_of(
            model.module,
            lambda: capture(model, batch, layers=["second"], target=best, gradients="layers"),
        )
        assert made == 0
        assert found.target_classes == (best,)
        resolved = resolved_before(model, batch, best)
        assert resolved is not None
        assert resolved[0].class_index == best
        assert resolved_before(model, batch, best - 1) is None
        output = output_before(model, batch.tensor.clone(), ("first", 0))
        assert torch.equal(output, known.activations["first"])
        assert output_before(model, batch.tensor + 1, ("first", 0)) is None
    assert output_before(model, batch.tensor, ("first", 0)) is None
    assert resolved_before(model, batch, best) is None


def test_within_another_the_outer_context_goes_on(model, batch):
    with shared_captures(model, batch.tensor):
        capture(model, batch, layers=["second"], target=2)
        with shared_captures(model, batch.tensor):
            made, _ = passes_of(
                model.module, lambda: capture(model, batch, layers=["second"], target=2)
            )
        assert made == 0
