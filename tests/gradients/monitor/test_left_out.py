"""Modules that were left in eval mode, and parameters that no loss depends on, are told."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz import GradientMonitor
from cnnviz.gradients.monitor.left_out import rests_in_eval_mode
from cnnviz.gradients.monitor.run import read_run


class Net(nn.Module):
    """A batch norm and a dropout on the way, and beside it what nobody calls."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(4, 2)
        self.aside = nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.norm(self.conv(x))).relu().mean((2, 3)))


def watched(prepare, *, optimizer=True, path=None, validate=None) -> GradientMonitor:
    """Train for three steps and return the monitor."""
    torch.manual_seed(0)
    network = Net()
    prepare(network)
    sgd = torch.optim.SGD(network.parameters(), lr=0.01)
    images, labels = torch.randn(6, 3, 6, 6), torch.arange(6) % 2
    options = {"every": 1, "path": path, "on_event": lambda event: None}
    with GradientMonitor(network, sgd if optimizer else None, **options) as monitor:
        for _ in range(3):
            if validate is not None:
                validate(network, images)
            loss = F.cross_entropy(network(images), labels)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            if optimizer:
                monitor.log(loss=loss)
            else:
                monitor.step(loss=loss)
    return monitor


def told(monitor: GradientMonitor, kind: str) -> list[str]:
    return [event.text for event in monitor.events if event.kind == kind]


def without_validation_graph(network: nn.Module, images: torch.Tensor) -> None:
    network.eval()
    network(images)
    network.train()


def frozen_norm(network: Net) -> None:
    network.norm.eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (nn.Module.eval, "norm (BatchNorm2d) and drop (Dropout) are in eval mode"),
        (lambda network: network.norm.eval(), "norm (BatchNorm2d) is in eval mode"),
        (nn.Module.train, None),
        (frozen_norm, None),
        (lambda network: network.drop.eval(), None),
    ],
)
def test_what_is_left_in_eval_mode_is_told_once_unless_it_is_meant(prepare, words) -> None:
    found = told(watched(prepare), "eval-mode")
    assert len(found) == (words is not None)
    if words is not None:
        assert found[0].startswith(words)
        assert "stored statistics normalise" in found[0]
        assert ("nothing is dropped" in found[0]) == ("Dropout" in words)


def test_a_validation_with_a_graph_is_no_training_in_eval_mode() -> None:
    monitor = watched(nn.Module.train, validate=without_validation_graph)
    assert told(monitor, "eval-mode") == []


def test_what_rests_without_effect_is_not_counted() -> None:
    for module in (nn.BatchNorm2d(2, track_running_stats=False), nn.Dropout(0.0), nn.ReLU()):
        assert not rests_in_eval_mode(module.eval())
    assert rests_in_eval_mode(nn.BatchNorm2d(2, affine=False).eval())
    assert rests_in_eval_mode(nn.InstanceNorm2d(2, track_running_stats=True).eval())


@pytest.mark.parametrize("optimizer", [True, False])
def test_parameters_without_a_gradient_are_named(optimizer: bool) -> None:
    (text,) = told(watched(nn.Module.train, optimizer=optimizer), "unused")
    assert "computed at this step for 3 parameters" in text, "at others it may be otherwise"
    assert "scale, aside.weight and aside.bias" in text


def test_frozen_layers_and_frozen_parameters_are_not_told_twice() -> None:
    def part(network: Net) -> None:
        network.aside.requires_grad_(False)
        network.scale.requires_grad_(False)
        network.conv.requires_grad_(False)

    monitor = watched(part)
    assert told(monitor, "unused") == []
    assert len(told(monitor, "frozen")) == 1


def test_both_are_kept_in_the_file(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    watched(nn.Module.eval, path=path)
    run = read_run(path)
    assert run.eval_mode == {"norm": "BatchNorm2d", "drop": "Dropout"}
    assert run.unused == ("scale", "aside.weight", "aside.bias")


def test_a_layer_behind_detach_is_told_as_frozen_alone() -> None:
    class Detached(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            aside = self.aside(torch.ones(1, 4)).sum().detach()
            return super().forward(x) + self.scale * aside

    torch.manual_seed(0)
    network = Detached()
    sgd = torch.optim.SGD(network.parameters(), lr=0.01)
    with GradientMonitor(network, sgd, every=1, on_event=lambda event: None) as monitor:
        for _ in range(3):
            sgd.zero_grad()
            network(torch.randn(2, 3, 6, 6)).square().mean().backward()
            sgd.step()
    assert told(monitor, "unused") == []
    (text,) = told(monitor, "frozen")
    assert "aside (Linear): no gradient is computed for the weights" in text
