"""Branches and towers in which the gradient is lost while other ways carry it past them."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from cnnviz.gradients.causes import explain
from cnnviz.gradients.probe import probe
from cnnviz.gradients.regions import regions
from cnnviz.gradients.verdict_text import evidence, learned, pairs
from cnnviz.gradients.verdicts import judge
from cnnviz.models import as_model
from cnnviz.views.gradient_flow import gradient_flow
from tests.helpers.each_case import each_case


def chain(count: int, std: float) -> nn.Sequential:
    layers = [nn.Conv2d(4, 4, 3, padding=1) for _ in range(count)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=std)
    return nn.Sequential(*[one for layer in layers for one in (layer, nn.ReLU())])


class Towers(nn.Module):
    """A deep tower, and a chain beside it or, as in a U-Net, around part of it."""

    def __init__(self, std: float, *, nested: bool = False, last: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(4, 4, 3)
        self.deep, self.chain, self.up = chain(9, 0.24), chain(6, std), chain(2, 0.24)
        self.chain[10].weight.data *= last
        self.head, self.nested = nn.Linear(8, 2), nested

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        first = self.stem(images)
        if self.nested:
            return self.head(torch.cat([self.up(first + self.chain(first)), first], 1).mean((2, 3)))
        return self.head(torch.cat([self.deep(first), self.chain(first)], 1).mean((2, 3)))


def by_hand(network: Towers, images: torch.Tensor) -> float:
    """Return D from the chain's first layer to the last but one, in double precision."""
    network, images = network.double(), images.double()
    kept: dict[nn.Module, torch.Tensor] = {}
    ends = network.chain[0], network.chain[8]
    for layer in ends:
        layer.register_forward_hook(lambda module, _, output: kept.update({module: output}))
    score = network(images).amax(1).sum()
    sizes = [one.norm() for one in torch.autograd.grad(score, [kept[layer] for layer in ends])]
    return float((sizes[0] / sizes[1]).log10())


@each_case(
    "std, nested, last, fault",
    [
        (0.01, False, 1.0, True),
        (0.01, True, 1.0, True),
        (0.24, False, 1.0, False),
        (0.24, True, 0.0, False),  # A branch that begins at zero, and one soon after.
        (0.24, True, 1e-5, False),
    ],
)
def test_a_gradient_that_is_lost_in_a_branch_is_never_called_healthy(
    std: float, nested: bool, last: float, fault: bool
) -> None:
    network = Towers(std, nested=nested, last=last)
    images = torch.randn(2, 4, 8, 8)
    verdict = judge(found := probe(as_model(network.eval()), images, "top"))
    names = [point.label for point in found.points]
    assert verdict.label == ("watch" if fault else "healthy")
    assert verdict.findings == (("branch",) if fault else ())
    if fault:
        assert [names[place] for place in verdict.branch] == ["chain.0", "chain.8"]
        assert verdict.branch_decades == pytest.approx(by_hand(network, images), abs=1e-3)
        cause = explain(found, verdict)
        assert cause.key == "branch"
        assert "from chain.0 to chain.8" in cause.sentence
        assert "in a branch" in pairs(verdict)
        assert learned(verdict) == "", "its D is in the band of the healthy"
        assert "watch" in evidence("net", verdict, names)


def silenced(network: Towers) -> None:
    for layer in network.chain[::2]:
        nn.init.constant_(layer.bias, -8.0)


def shut(network: Towers) -> None:
    """Begin the branch at zero, ahead of a ReLU, whose slope is zero there."""
    for one in (network.chain[10].weight, network.chain[10].bias):
        nn.init.zeros_(one)


def begun(network: Towers) -> None:
    """Begin at zero in the middle, as after a layer that was added."""
    nn.init.zeros_(network.chain[4].weight)


def joined(network: Towers) -> None:
    """Begin at zero where the branch is joined."""
    network.head.weight.data[:, 4:] = 0.0


@each_case(
    "change, nested, last",
    [
        (silenced, False, "chain.10"),
        (silenced, True, "chain.10"),
        (shut, False, "chain.10"),
        (begun, False, ""),
        (joined, False, ""),
    ],
)
def test_a_branch_is_dead_where_an_activation_shuts_it_and_not_where_it_begins_at_zero(
    change: Callable[[Towers], None], nested: bool, last: str
) -> None:
    network = Towers(0.24, nested=nested)
    change(network)
    flow = gradient_flow(
        as_model(network.eval()), torch.randn(2, 4, 8, 8), remedies=False, fail_on="branch"
    )
    verdict = flow.verdict
    assert [flow.points[place] for place in verdict.branch] == (["chain.0", last] if last else [])
    assert ("branch" in flow.faults) == bool(flow.failed) == bool(last)
    assert verdict.label == ("watch" if last else "healthy")
    assert ("does not learn from these images" in flow.summary()) == bool(last)
    before = [one.detach().clone() for one in network.chain.parameters()]
    for _ in range(3):  # Steps of plain gradient descent.
        loss = network(torch.randn(4, 4, 8, 8)).square().mean()
        loss.backward()
        for one in network.parameters():
            if one.grad is not None:
                one.data -= 0.1 * one.grad
                one.grad = None
    moved = zip(before, network.chain.parameters(), strict=True)
    assert all(torch.equal(old, new) for old, new in moved) == bool(last)


def test_a_branch_in_the_band_to_watch_is_no_fault_and_not_healthy() -> None:
    network = Towers(0.13)
    flow = gradient_flow(
        as_model(network.eval()), torch.randn(2, 4, 8, 8), remedies=False, fail_on="branch"
    )
    assert -2.0 < flow.verdict.branch_decades < -1.0
    assert flow.verdict.label == "watch"
    assert flow.faults == ("watch",)
    assert flow.cause.key == "branch"


def test_dead_units_are_not_nothing_wrong_where_the_gradient_arrives_around_them() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.branch = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
            self.more, self.head = chain(1, 0.24), nn.Linear(4, 2)
            nn.init.constant_(self.branch.bias, -8.0)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            first = self.stem(images)
            first = self.more(first + torch.relu(self.branch(first)))
            found: torch.Tensor = self.head(first.mean((2, 3)))
            return found

    network = as_model(Block().eval())
    flow = gradient_flow(network, torch.randn(2, 4, 8, 8), remedies=False)
    assert flow.verdict.label == "healthy"
    assert flow.faults == ("dead",)
    assert flow.cause.key == "dead"
    assert "after branch" in flow.summary()


def test_of_a_branch_that_is_detached_nothing_is_said() -> None:
    network = Towers(0.24)
    network.chain.register_forward_hook(lambda module, given, output: output.detach())
    flow = gradient_flow(
        as_model(network.eval()), torch.randn(2, 4, 8, 8), remedies=False, fail_on="branch"
    )
    assert [check.state for check in flow.checks] == ["not measured"]


class Step:
    """A node of a graph that data goes through, and what it comes from."""

    def __init__(self, *below: Step) -> None:
        self.next_functions = [(one, 0) for one in below]


def ways(end: Step, image: Step) -> list[list[Step]]:
    below = [one for one, _ in end.next_functions]
    return [[image]] if end is image else [[*w, end] for one in below for w in ways(one, image)]


@each_case("seed", range(40))
def test_regions_are_those_of_every_way_one_by_one(seed: int) -> None:
    drawn, steps = random.Random(seed), [Step()]
    for _ in range(drawn.randint(3, 10)):
        steps.append(Step(*drawn.sample(steps, min(len(steps), drawn.choice([1, 1, 1, 2])))))
    used = {below for step in steps for below, _ in step.next_functions}
    end = Step(*[step for step in steps if step not in used])
    every, layers = ways(end, steps[0]), steps[1:]
    first = drawn.choice(layers)
    trunk = {step for step in steps if all(step in way for way in every if first in way)}

    def around(start: Step) -> tuple[int, ...]:
        found = []
        for place, step in enumerate(layers[layers.index(start) :], layers.index(start)):
            if [start in way for way in every] == [step in way for way in every]:
                if step in trunk:
                    break
                found.append(place)
        return tuple(found)

    met: list[Any] = [SimpleNamespace(node=step, is_layer=True) for step in layers]
    wanted, covered = [], set[int]()
    for place, step in enumerate(layers):
        if place not in covered and len(region := around(step)) > 1:
            wanted.append(region)
            covered.update(region)
    assert list(regions(met, steps, end, trunk)) == wanted


@each_case("variance, far", [(1e4, True), (1e-5, True), (None, False)])
def test_statistics_of_other_images_are_named_as_the_cause(
    variance: float | None, far: bool
) -> None:
    torch.manual_seed(0)
    layers = [
        (nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4, momentum=1.0), nn.ReLU())
        for _ in range(4)
    ]
    network = nn.Sequential(*[one for three in layers for one in three], nn.Conv2d(4, 2, 8))
    network.train()
    images = torch.randn(4, 4, 8, 8)
    for _ in range(2):
        network(images)
    for _, norm, _ in layers:
        if variance is not None:
            norm.running_var.fill_(variance)
    found = probe(as_model(network.eval()), images)
    cause = explain(found, judge(found))
    assert (cause.key == "batch-norm") == far
    if far:
        ratios = [point.arriving / point.gradient_norm for point in found.layers[:-1]]
        assert ratios == pytest.approx([variance**0.5] * 4, rel=1e-3)
        assert "of other images" in cause.sentence
