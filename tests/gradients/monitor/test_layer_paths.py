"""The gradient is compared along the paths that data takes, and not from call to call."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cnnviz import GradientMonitor
from cnnviz.gradients.monitor.layer_paths import Call, LayerPaths
from cnnviz.gradients.monitor.log import LogFile, read_log
from cnnviz.gradients.monitor.records import StepRecord
from tests.helpers.each_case import each_case


def chain(count: int, scale: float = 1.0, width: int = 4) -> nn.Sequential:
    layers = [nn.Linear(width, width, bias=False) for _ in range(count)]
    for layer in layers:
        layer.weight.data = scale * torch.eye(width)
    return nn.Sequential(*layers)


class Ways(nn.Module):
    """Two towers, the second of which is called first, joined before a head of two layers."""

    def __init__(self, forward: Callable[[Ways, torch.Tensor], torch.Tensor], scale: float = 1.0):
        super().__init__()
        self.deep, self.shallow, self.head = chain(5), chain(4, scale), chain(2)
        self.way = forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.way(self, x)


class Again(torch.autograd.Function):
    """A checkpoint: what it runs it runs again when it is sent back through."""

    @staticmethod
    def forward(ctx: Any, run: nn.Module, x: torch.Tensor) -> torch.Tensor:
        ctx.run, ctx.x = run, x
        return run(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        x = ctx.x.detach().requires_grad_()
        with torch.enable_grad():
            ctx.run(x).backward(*gradients)
        return None, x.grad


def checkpoint(run: nn.Module, x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = Again.apply(run, x)
    return found


def towers(net: Ways, x: torch.Tensor) -> torch.Tensor:
    beside = net.shallow(x)
    return net.head(net.deep(x) + beside)


def recorded(network: nn.Module) -> StepRecord:
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    with GradientMonitor(network, optimizer, every=1, on_event=lambda _: None) as monitor:
        network(torch.ones(2, 4, requires_grad=True)).sum().backward()
        optimizer.step()
    return monitor.records[0]


DEEP = ("deep.0", "deep.1", "deep.2", "deep.3", "deep.4", "head.0", "head.1")
SHALLOW = ("shallow.0", "shallow.1", "shallow.2", "shallow.3")


@each_case(
    "way, wanted",
    [
        (towers, (DEEP, SHALLOW)),
        (lambda net, x: net.head(net.deep(x) + net.deep(x.flip(0))), "twins"),
        (lambda net, x: net.head(x + net.deep(x)), (DEEP,)),
        (lambda net, x: net.deep(x).sum() + net.shallow(x).sum(), (DEEP[:5], SHALLOW)),
        (lambda net, x: net.deep(x).detach() + net.shallow(x), (SHALLOW,)),
        (lambda net, x: net.head(checkpoint(net.deep, x)), (DEEP,)),
        (lambda net, x: checkpoint(net.head, checkpoint(net.deep, x)), (DEEP,)),
        (
            lambda net, x: checkpoint(net.head, checkpoint(net.shallow, checkpoint(net.deep, x))),
            ((*DEEP[:5], *SHALLOW, *DEEP[5:]),),
        ),
    ],
)
def test_a_path_is_the_deepest_one_and_another_tower_has_its_own(
    way: Callable[[Ways, torch.Tensor], torch.Tensor], wanted: tuple[tuple[str, ...], ...] | str
) -> None:
    found = recorded(Ways(way)).compared
    if wanted == "twins":  # Their weights are the same, so one of them tells of both.
        wanted = ((*(f"{name}#0" for name in DEEP[:5]), *DEEP[5:]),)
    assert found == wanted


@each_case("scale, kinds", [(1.0, []), (0.01, ["vanishing"]), (0.0, ["blocked"])])
def test_a_tower_that_loses_its_gradient_is_told_by_its_own_layers(scale, kinds) -> None:
    network = Ways(towers, scale)
    if not scale:
        network.shallow[1].weight.data = torch.eye(4)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-9)
    with GradientMonitor(network, optimizer, every=1, on_event=lambda _: None) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            network(torch.ones(2, 4)).sum().backward()
            optimizer.step()
    told = [event for event in monitor.events if event.kind in ("vanishing", "blocked")]
    assert [event.kind for event in told] == kinds
    assert monitor.records[0].decades == pytest.approx(0.0), "of the deepest path"
    if kinds == ["vanishing"]:
        assert "4.0 decades from shallow.2 (Linear) to shallow.0 (Linear)" in told[0].text
    if kinds == ["blocked"]:
        assert "arrives at shallow.0 (Linear)" in told[0].text
        assert "ends at shallow.2 (Linear)" in told[0].text


@each_case("factor, joined", [(1.0, False), (0.2, False), (1e-6, True), (0.0, True)])
def test_a_branch_that_begins_small_is_not_what_the_first_layer_is_compared_with(
    factor: float, joined: bool
) -> None:
    network = Ways(lambda net, x: net.head[1]((y := net.head[0](x)) + factor * net.deep(y)))
    record = recorded(network)
    (path,) = record.compared
    gradient = record.of("gradient")
    assert (path[0], path[-2]) == ("head.0", "deep.4")
    # What comes in has a gradient of 2 + 2 factors, the sum of 2, and the branch's end 2 factors.
    assert gradient["deep.4"] == pytest.approx(2.0 * factor)
    wanted = math.log10((1.0 + factor) / (1.0 if joined else factor))
    assert record.decades == pytest.approx(wanted, abs=1e-6)


def test_what_is_called_on_the_way_back_by_no_function_of_the_graph_is_not_placed() -> None:
    network = Ways(lambda net, x: net.head(x))

    def more(gradient: torch.Tensor) -> None:
        with torch.enable_grad():
            network.deep(torch.ones(2, 4)).sum().backward()

    network.way = lambda net, x: (hooked := net.head(x), hooked.register_hook(more))[0]
    record = recorded(network)
    assert record.compared == ()
    assert record.decades is None
    assert "is not known" in record.unmeasured["the gradient along the depth"]


@each_case("seed", range(30))
def test_the_deepest_path_is_that_of_every_way_one_by_one(seed: int) -> None:
    drawn, image = random.Random(seed), torch.ones(1, requires_grad=True)
    given: dict[Call, list[Call]] = {}
    outputs: dict[Call, torch.Tensor] = {}
    paths = LayerPaths()
    for index in range(drawn.randint(3, 9)):
        below = drawn.sample([*given], min(len(given), drawn.choice([0, 1, 1, 2])))
        terms = sum((outputs[one] * 1.0 for one in below), image * 1.0 if not below else 0.0)
        assert isinstance(terms, torch.Tensor)
        call = (f"layer{index}", 0)
        outputs[call], given[call] = terms * 2.0, below
        paths.note(call, terms if drawn.random() < 0.5 else None, outputs[call])

    def ways(call: Call) -> list[tuple[Call, ...]]:
        return [(*way, call) for one in given[call] for way in ways(one)] or [(call,)]

    every = [way for call in given for way in ways(call)]
    found = paths.deepest({*given})
    longest = max(map(len, every))
    if longest > 2:
        assert found[0] in every
        assert len(found[0]) == longest
        starts = [way[0] for way in every if len(way) == longest]
        assert found[0][0] == min(starts, key=[*given].index)
    towers = found[1 if longest > 2 else 0 :]
    for begin in given:
        alone = [w for w in every if {v[0] for v in ways(w[-1])} == {begin}]
        depth = max((len(way) for way in alone), default=0)
        told = [one for one in towers if one[0] == begin]
        assert bool(told) == (depth >= 4 and begin != found[0][0])
        assert all(one in alone and len(one) == depth for one in told)


def test_paths_are_kept_in_a_log_and_runs_without_them_read_as_before(record, tmp_path) -> None:
    low = {"gradient": (1e-4, 0.1, 1.0)}
    noted = [
        replace(record(0, **low), paths=(("first", "middle", "last"),)),
        replace(record(1, **low), paths=()),
        replace(record(2, **low), paths=None),
    ]
    for wanted in noted:
        path = Path(tmp_path / f"{wanted.step}.jsonl")
        log = LogFile(path)
        log.begin({})
        log.add(wanted)
        log.end((), {})
        (found,) = read_log(path).records
        assert found.paths == wanted.paths
        assert found.decades == wanted.decades
    decades = [one.decades for one in noted]
    assert decades == [pytest.approx(math.log10(1e-3)), None, pytest.approx(math.log10(1e-3))]
