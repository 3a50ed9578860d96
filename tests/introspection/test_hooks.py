"""Law 1: whatever happens inside, the network and the random states come out as they went in."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import ModelChangedError
from cnnviz.introspection.hooks import (
    StopForward,
    global_hooks,
    module_hooks,
    preserve_state,
    step_hooks,
)
from tests.helpers.state import state


class Drifting(nn.Module):
    """Counts its calls in a buffer, draws random numbers, and may write to its weight."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("calls", torch.zeros(2))
        self.register_buffer("absent", None)
        self.norm = nn.BatchNorm1d(3)
        self.fault = fault

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.calls = self.calls + torch.rand(2) + np.random.rand() + random.random()  # noqa: NPY002
        if self.fault == "parameter":
            with torch.no_grad():
                self.weight.add_(1)
        if self.fault == "raise":
            raise RuntimeError("half-way")
        return self.norm(x) * self.weight


@pytest.fixture
def drifting() -> Drifting:
    module = Drifting()
    module.train()
    module.norm.eval()
    module.norm.weight.requires_grad_(False)
    module.weight.grad = torch.full((3,), 7.0)
    return module


def test_everything_is_put_back(drifting: Drifting) -> None:
    before = state(drifting)
    with preserve_state(drifting), module_hooks({"norm": drifting.norm}, after=lambda *_: None):
        assert not any(child.training for child in drifting.modules())
        assert not any(p.requires_grad for p in drifting.parameters())
        drifting(torch.randn(4, 3))
        assert state(drifting) != before
    assert state(drifting) == before


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt, StopForward])
def test_everything_is_put_back_after_an_exception(
    drifting: Drifting, stop: type[BaseException]
) -> None:
    def raises(*_: object) -> None:
        raise stop

    before = state(drifting)
    listened = module_hooks({"norm": drifting.norm}, before=lambda *_: None, after=raises)
    with pytest.raises(stop), preserve_state(drifting), listened:
        drifting(torch.randn(4, 3))
    assert state(drifting) == before


def test_a_forward_that_raises_half_way_leaves_no_trace() -> None:
    module = Drifting("raise").train()
    before = state(module)
    with pytest.raises(RuntimeError, match="half-way"), preserve_state(module):
        module(torch.randn(4, 3))
    assert state(module) == before


def test_buffers_with_nan_and_signed_zero_are_put_back_bit_for_bit() -> None:
    module = Drifting()
    module.calls.copy_(torch.tensor([float("nan"), -0.0]))
    before = state(module)
    with preserve_state(module):
        module.calls.zero_()
    assert state(module) == before


@pytest.mark.parametrize("change", [0, -1, None])
def test_large_buffers_are_put_back_and_compared_where_they_lie(
    change: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Drifting()
    module.register_buffer("mask", torch.tensor([float("nan"), -0.0, 1.0, 2.0]).repeat(5_000))
    module.register_buffer("odd", torch.ones(70_001, dtype=torch.uint8)[1:])
    before = state(module)
    joined: list[int] = []
    join = torch.cat
    with preserve_state(module):
        monkeypatch.setattr(torch, "cat", lambda all_: joined.extend(map(len, all_)) or join(all_))
        if change is not None:
            module.mask[change] = 3.0
            module.odd[change] = 0
    assert state(module) == before
    assert 0 < max(joined) < 1_000, "what is small alone, without a copy of what is large"


def test_a_network_that_writes_to_its_own_weight_is_named() -> None:
    module = Drifting("parameter")
    with pytest.raises(ModelChangedError, match=r"parameter 'weight'"), preserve_state(module):
        module(torch.randn(4, 3))


def test_what_after_returns_replaces_the_output() -> None:
    module = nn.Sequential(nn.Identity())
    with module_hooks({"0": module[0]}, after=lambda name, layer, inputs, output: output + 1):
        assert module(torch.zeros(1)).item() == 1.0
    assert module(torch.zeros(1)).item() == 0.0


def test_before_and_after_are_called_with_the_name() -> None:
    module = nn.Sequential(nn.Identity())
    heard: list[tuple[str, str]] = []
    with module_hooks(
        {"first": module[0]},
        before=lambda name, layer, inputs: heard.append(("before", name)),
        after=lambda name, layer, inputs, output: heard.append(("after", name)),
    ):
        module(torch.zeros(1))
    assert heard == [("before", "first"), ("after", "first")]


def test_what_is_overheard_is_told_with_its_name_and_nothing_is_attached() -> None:
    module = nn.Sequential(nn.Identity(), nn.Identity())
    heard: list[tuple[str, str]] = []
    plain = state(module)
    with global_hooks(
        {"whole": module, "first": module[0]},
        before=lambda name, layer, inputs: heard.append(("before", name)),
        after=lambda name, layer, inputs, output: heard.append(("after", name)),
    ):
        assert state(module) == plain
        module(torch.zeros(1))
        nn.Identity()(torch.zeros(1))
    assert heard == [
        ("before", "whole"),
        ("before", "first"),
        ("after", "first"),
        ("after", "whole"),
    ]
    module(torch.zeros(1))
    assert len(heard) == 4


def test_what_is_overheard_ends_also_where_a_forward_fails() -> None:
    module = Drifting("raise")
    ended: list[object] = []
    with (
        global_hooks({"whole": module}, after=lambda name, layer, inputs, out: ended.append(out)),
        pytest.raises(RuntimeError, match="half-way"),
    ):
        module(torch.zeros(4, 3))
    assert ended == [None]


def test_the_steps_of_an_optimizer_are_told_with_their_closures() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    heard: list[tuple[str, bool]] = []
    with step_hooks(
        optimizer,
        before=lambda closure: heard.append(("before", closure)),
        after=lambda closure: heard.append(("after", closure)),
    ):
        optimizer.step()
        optimizer.step(lambda: 0.0)
    optimizer.step()
    assert heard == [("before", False), ("after", False), ("before", True), ("after", True)]


def test_no_other_file_registers_a_hook() -> None:
    from pathlib import Path

    import cnnviz

    root = Path(cnnviz.__file__).parent
    culprits = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if path.name != "hooks.py"
        and ".register_" in path.read_text("utf-8")
        and any(
            word in path.read_text("utf-8")
            for word in ("register_forward", "register_full_backward", "register_hook")
        )
    ]
    assert culprits == []
