"""Modules that were left in eval mode, and parameters that no loss depends on, are told."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz import GradientMonitor
from cnnviz.gradients.monitor.activation_listener import ActivationListener
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


class Functional(Net):
    """The same, with functions in place of the modules."""

    mode: bool | None = None
    """What functions are told in place of the network's own mode."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(4))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("variance", torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        told = self.training if self.mode is None else self.mode
        x = self.conv(x)
        x = F.batch_norm(x, self.mean, self.variance, self.gain, training=told)
        return self.head(F.dropout(x.relu_().mean((2, 3)), 0.1, told))


def watched(prepare, *, module=Net, optimizer=True, path=None, validate=None) -> GradientMonitor:
    """Train for three steps and return the monitor."""
    torch.manual_seed(0)
    network = module()
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


def told_of_evaluation(network: Functional) -> None:
    network.mode = False


def frozen_gain(network: Functional) -> None:
    network.mode = False
    network.gain.requires_grad_(False)


NORM, DROPOUT = "the batch norm after conv (F.batch_norm)", "the dropout after conv (F.dropout)"


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (nn.Module.eval, f"{NORM} and {DROPOUT} are in eval mode"),
        (told_of_evaluation, f"{NORM} is in eval mode"),
        (frozen_gain, None),
        (nn.Module.train, None),
    ],
)
def test_functions_called_as_in_evaluation_are_told_as_modules_are(prepare, words) -> None:
    found = told(watched(prepare, module=Functional), "eval-mode")
    assert len(found) == (words is not None)
    if words is not None:
        assert found[0].startswith(words)
        assert "pass training=self.training to functions" in found[0]


def test_modules_that_call_these_functions_are_told_once() -> None:
    (found,) = told(watched(nn.Module.eval), "eval-mode")
    assert "F." not in found


def test_every_form_of_the_functions_is_known() -> None:
    x, one = torch.rand(2, 3, 4, 4), torch.ones(3)
    gain = torch.ones(3, requires_grad=True)
    resting: list[str] = []
    listener = ActivationListener(
        lambda call: None,
        pytest.fail,
        lambda kind, output: resting.append(kind),
        lambda output: None,
    )
    with listener:
        for told in (False, True):
            F.batch_norm(x, one, one, training=told)
            torch.batch_norm(x, gain, one, one, one, told, 0.1, 1e-5, False)
            F.instance_norm(x, one, one, use_input_stats=told)
            F.dropout(x, 0.5, told)
            F.dropout2d(x, training=told)
            torch.dropout(x, p=0.5, train=told)
            F.dropout(x, 0.0, training=told)
    norms = ["batch_norm", "batch_norm", "instance_norm"]
    assert resting == [*norms, "dropout", "dropout", "dropout"]


def test_a_validation_of_functions_with_a_graph_is_no_training_in_eval_mode() -> None:
    monitor = watched(nn.Module.train, module=Functional, validate=without_validation_graph)
    assert told(monitor, "eval-mode") == []


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
