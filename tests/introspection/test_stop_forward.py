"""A pass that ends where it was told to, and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.stop_forward import run_to
from tests.helpers.each_case import each_case


class Twice(nn.Module):
    """Calls one layer twice, then another that must never run."""

    def __init__(self) -> None:
        super().__init__()
        self.add = nn.Linear(3, 3)
        self.head = nn.Linear(3, 2)
        self.ran = 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        once = self.add(inputs)
        self.ran += 1
        twice = self.add(once)
        self.ran += 1
        output: torch.Tensor = self.head(twice)
        self.ran += 1
        return output


@pytest.fixture
def network() -> Twice:
    torch.manual_seed(0)
    return Twice().eval()


def test_pass_ends_at_the_call_that_was_asked_for(network: Twice) -> None:
    inputs = torch.randn(2, 3)
    seen: dict[Any, torch.Tensor] = {}

    def take(key: Any, _inputs: Any, output: torch.Tensor) -> None:
        seen[key] = output

    found = run_to(network, inputs, {"add": network.add}, [("add", 1)], after=take)

    assert found is None
    assert network.ran == 1
    torch.testing.assert_close(seen["add", 0], network.add(inputs))
    torch.testing.assert_close(seen["add", 1], network.add(network.add(inputs)))


def test_pass_ends_at_the_last_of_several_ends_in_whatever_order_they_stand(network: Twice) -> None:
    layers = {"add": network.add, "head": network.head}
    assert run_to(network, torch.zeros(1, 3), layers, [("head", 0), ("add", 0)]) is None
    assert network.ran == 2


def test_pass_without_an_end_or_with_one_that_never_comes_gives_the_output(network: Twice) -> None:
    inputs = torch.randn(2, 3)
    expected = network.head(network.add(network.add(inputs)))
    torch.testing.assert_close(run_to(network, inputs, {"add": network.add}), expected)
    again = run_to(network, inputs, {"add": network.add}, [("add", 7)])
    torch.testing.assert_close(again, expected)


def test_what_is_answered_replaces_the_output_of_that_call_only(network: Twice) -> None:
    other = torch.randn(2, 3)

    def second(key: Any, _inputs: Any, _output: Any) -> torch.Tensor | None:
        return other if key == ("add", 1) else None

    found = run_to(network, torch.randn(2, 3), {"add": network.add}, after=second)
    torch.testing.assert_close(found, network.head(other))


def test_an_end_that_is_only_entered_is_not_computed(network: Twice) -> None:
    inputs = torch.randn(2, 3)
    entered: list[Any] = []
    ran: list[int] = []

    def take(key: Any, given: tuple[Any, ...]) -> None:
        entered.append((key, given[0]))

    counting = network.add.register_forward_hook(lambda *_: ran.append(1))
    try:
        run_to(network, inputs, {"add": network.add}, [("add", 1)], before=take)
    finally:
        counting.remove()

    assert [key for key, _ in entered] == [("add", 0), ("add", 1)]
    torch.testing.assert_close(entered[1][1], network.add(inputs))
    assert len(ran) == 1


@pytest.mark.parametrize("failing", [False, True])
def test_no_hook_stays(network: Twice, failing: bool) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("half-way")

    if failing:
        with pytest.raises(RuntimeError, match="half-way"):
            run_to(network, torch.zeros(1, 3), {"add": network.add}, after=fail)
    else:
        run_to(network, torch.zeros(1, 3), {"add": network.add}, [("add", 0)])
    assert not network.add._forward_hooks
    assert not network.add._forward_pre_hooks


class Remembers(nn.Module):
    """Keeps what it computed from its input, as networks keep a grid for the next call."""

    kept: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.kept = inputs * 2.0
        output: torch.Tensor = self.layer(self.kept)
        return output


@each_case("around", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@each_case("grad", [True, False])
def test_isolated_heeds_no_mode_of_the_caller(around: Any, grad: bool) -> None:
    module = Remembers().train()
    inputs = torch.randn(2, 3, requires_grad=True)
    with around(), isolated(module, grad=grad):
        output = module(inputs)
        assert not module.training
        assert not module.layer.weight.requires_grad
        kept = module.kept
    assert output.requires_grad is grad
    assert not output.is_inference()
    assert module.training
    assert module.layer.weight.requires_grad
    # What the network kept can take part in training.
    module.layer(kept.detach()).sum().backward()
    assert module.layer.weight.grad is not None
    assert not hasattr(module, "kept"), "what it keeps is put back as well"
