"""Rectifiers that leak on the way back only, beside the slope that the leak is defined by."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.units.visualization.leaky_relu import LEAK, leaky_backward
from tests.helpers.each_case import each_case

Rectify = Callable[[torch.Tensor], torch.Tensor]
FORMS: dict[str, Rectify] = {
    "function": F.relu,
    "torch": torch.relu,
    "method": lambda values: values.relu(),
    "in place": lambda values: F.relu(values, inplace=True),
    "module": nn.ReLU(),
}


def values(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def through(rectify: Rectify, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what comes out, and what of a gradient of ones comes back."""
    leaf = given.clone().requires_grad_()
    with leaky_backward():
        output = rectify(leaf.clone())
    (found,) = torch.autograd.grad(output.sum(), leaf)
    return output.detach(), found


@each_case("form", FORMS)
def test_values_are_those_of_a_rectifier_and_the_rest_is_the_leak(form: str) -> None:
    given = values(2, 3, 4, 4)
    output, slope = through(FORMS[form], given)
    assert torch.equal(output, given.clamp(min=0.0))
    for image in range(2):
        for channel in range(3):
            one = given[image, channel].flatten().tolist()
            most = max(one)
            spread = math.sqrt(sum((value - most) ** 2 for value in one) / len(one))
            wanted = [
                1.0 if value > 0.0 else LEAK * math.exp((value - most) / spread) for value in one
            ]
            assert slope[image, channel].flatten().tolist() == pytest.approx(wanted)


@each_case("rectify", [F.relu6, nn.ReLU6(), lambda x: F.hardtanh(x, 0.0, 6.0)])
def test_a_rectifier_with_a_ceiling_leaks_at_both_ends(rectify: Rectify) -> None:
    given = torch.tensor([[-1.0, 3.0, 9.0]])
    output, slope = through(rectify, given)
    assert output.tolist() == [[0.0, 3.0, 6.0]]
    # Without a map every position is as near as any.
    assert slope.tolist() == [[pytest.approx(LEAK), 1.0, pytest.approx(LEAK)]]


def test_a_dead_map_hears_most_where_it_is_nearest_to_waking() -> None:
    given = -1.0 - values(1, 1, 5, 5).abs()
    output, slope = through(F.relu, given)
    assert not bool(output.any())
    assert int(slope.argmax()) == int(given.argmax())
    assert float(slope.max()) == pytest.approx(LEAK)
    assert bool((slope > 0.0).all())


def test_a_map_of_one_value_leaks_alike_everywhere() -> None:
    _, slope = through(F.relu, torch.full((1, 1, 3, 3), -2.0))
    torch.testing.assert_close(slope, torch.full((1, 1, 3, 3), LEAK))


@each_case("other", [torch.tanh, F.leaky_relu, lambda x: F.hardtanh(x, -1.0, 1.0)])
def test_other_functions_keep_their_own_derivative(other: Rectify) -> None:
    given = values(1, 2, 3, 3)
    leaf = given.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(other(leaf).sum(), leaf)
    output, slope = through(other, given)
    assert torch.equal(output, other(given))
    assert torch.equal(slope, wanted)


def test_it_ends_with_its_context() -> None:
    leaf = torch.tensor([-1.0], requires_grad=True)
    with leaky_backward():
        pass
    (slope,) = torch.autograd.grad(F.relu(leaf), leaf)
    assert slope.tolist() == [0.0]
