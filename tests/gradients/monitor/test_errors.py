"""Whatever fails inside a monitor, the training goes on to the same bits, and it is told once."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz import GradientMonitor
from cnnviz.errors import UsageError
from cnnviz.gradients.monitor import (
    activation_listener,
    frozen_layers,
    gradient_agreement,
    gradient_monitor,
    log,
    losses,
    step_recorder,
)
from cnnviz.gradients.monitor.run import read_run
from cnnviz.introspection import layers as layer_names
from cnnviz.reports.training import training_report

STEPS = 4
IMAGES = torch.randn(12, 3, 8, 8, generator=torch.Generator().manual_seed(2))
LABELS = torch.arange(12) % 3


class Several(nn.Module):
    """Batch norm, dropout, an in-place ReLU, a sum, a layer that is called twice and a tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm(self.first(x)), inplace=True)
        x = x + torch.tanh(self.again(x))
        return self.head(self.drop(self.again(x).relu()).mean((2, 3)))


def trained(
    build: Callable[[], nn.Module],
    watch: Callable[[nn.Module, torch.optim.Optimizer], GradientMonitor] | None,
    objective: Callable[[Any], torch.Tensor] = lambda out: F.cross_entropy(out, LABELS),
    images: torch.Tensor = IMAGES,
) -> tuple[list[Any], GradientMonitor | None]:
    """Train for some steps and return all that a training leaves, to the last bit."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        random.seed(4)
        np.random.seed(4)  # noqa: NPY002
        network = build()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        monitor = watch(network, optimizer) if watch is not None else None
        if monitor is not None:
            monitor.__enter__()
        seen: list[Any] = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = objective(network(images))
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
            if monitor is not None:
                monitor.log(loss=loss, other=1.0)
        if monitor is not None:
            monitor.__exit__(None, None, None)
        for name, value in network.state_dict().items():
            held = torch.view_as_real(value) if value.is_complex() else value
            seen.append((name, held.numpy().tobytes()))
        seen += [torch.get_rng_state().numpy().tobytes(), random.getstate()]
        seen.append(np.random.get_state()[1].tobytes())  # noqa: NPY002
        seen.append([module.training for module in network.modules()])
        assert not optimizer._optimizer_step_pre_hooks
        assert not optimizer._optimizer_step_post_hooks
        assert len(torch.overrides._get_current_function_mode_stack()) == 0
        assert not nn.modules.module._global_forward_hooks
        assert not nn.modules.module._global_forward_pre_hooks
    return seen, monitor


PLACES = [
    (step_recorder, "sample_norms"),
    (step_recorder, "joint_norm"),
    (step_recorder, "units"),
    (step_recorder, "change_gradient"),
    (step_recorder, "input_sums"),
    (step_recorder, "read_sums"),
    (step_recorder, "layer_weights"),
    (step_recorder, "first_numbers"),
    (step_recorder, "rests_in_eval_mode"),
    (step_recorder, "in_eval_mode"),
    (step_recorder, "unused_parameters"),
    (frozen_layers, "why_frozen"),
    (step_recorder, "worst"),
    (step_recorder.StepValues, "__init__"),
    (step_recorder.StepRecorder, "__init__"),
    (step_recorder.StepRecorder, "keep_weights"),
    (step_recorder.StepRecorder, "take_weight_gradients"),
    (step_recorder.StepRecorder, "take_updates"),
    (step_recorder.StepRecorder, "finish"),
    (layer_names, "kind"),
    (activation_listener, "read_activation"),
    (activation_listener, "addends"),
    (activation_listener, "rests"),
    (step_recorder.RestingFunctions, "take"),
    (step_recorder.RestingFunctions, "found"),
    (activation_listener.ActivationListener, "__init__"),
    (gradient_agreement.Agreement, "take"),
    (gradient_monitor, "global_hooks"),
    (gradient_monitor.EventDetector, "see"),
    (gradient_monitor.Losses, "add"),
    (gradient_monitor.Losses, "has"),
    (gradient_monitor.Losses, "fill"),
    (losses, "_kept"),
    (log.LogFile, "add"),
    (log.LogFile, "end"),
    (log, "to_line"),
]
"""Every function that measures, reads or writes while a training goes on."""


@pytest.fixture(scope="module")
def unwatched() -> list[Any]:
    return trained(Several, None)[0]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0].__name__}.{place[1]}")
@pytest.mark.parametrize("nth", [1, 2, 7])
def test_an_error_at_any_call_of_any_function_changes_nothing(
    place, nth, unwatched, tmp_path, monkeypatch, caplog
) -> None:
    home, name = place
    held = getattr(home, name)
    calls = 0

    def failing(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= nth and (calls == nth or calls % 3 == 0):
            raise RuntimeError(f"made to fail\nat call {calls}")
        return held(*args, **named)

    def watch(network: nn.Module, optimizer: torch.optim.Optimizer) -> GradientMonitor:
        return GradientMonitor(network, optimizer, every=1, path=tmp_path / "run.jsonl")

    def opened(self: GradientMonitor) -> None:
        # Until here the caller may be refused; from here on nothing is.
        opens(self)
        monkeypatch.setattr(home, name, failing)

    opens = GradientMonitor._open
    monkeypatch.setattr(GradientMonitor, "_open", opened)
    with caplog.at_level(logging.WARNING, "cnnviz.monitor"):
        found, monitor = trained(Several, watch)
    assert found == unwatched
    assert monitor is not None
    told = [one.message for one in caplog.records if "made to fail" in one.message]
    assert len(told) == len(set(told)) == len(monitor.unmeasured)
    assert bool(told) == (calls >= nth)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_is_no_error_passes(stop, monkeypatch) -> None:
    def stopped(*_: Any) -> torch.Tensor:
        raise stop

    monkeypatch.setattr(step_recorder, "joint_norm", stopped)
    network = Several()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with GradientMonitor(network, optimizer, every=1):
        F.cross_entropy(network(IMAGES), LABELS).backward()
        with pytest.raises(stop):
            optimizer.step()
    assert not nn.modules.module._global_forward_hooks


class Complex(nn.Module):
    """A convolution whose weights and output are complex."""

    def __init__(self) -> None:
        super().__init__()
        self.wave = nn.Conv2d(3, 4, 3, dtype=torch.cfloat)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.wave(x.to(torch.cfloat)).abs().mean((2, 3)))


class Doubled(torch.autograd.Function):
    """Twice its input, by hand."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return values * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * 2


class ByHand(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Doubled.apply(super().forward(x))


class Named(nn.Linear):
    """A linear layer that returns a dict."""

    def forward(self, x: torch.Tensor) -> Any:
        return {"tag": "text", "values": super().forward(x)}


class Silent(nn.Linear):
    """A linear layer whose output holds no tensor."""

    def forward(self, x: torch.Tensor) -> Any:
        return [float(super().forward(x).detach().sum())]


class Odd(nn.Module):
    def __init__(self, kind: type[nn.Linear]) -> None:
        super().__init__()
        self.stem, self.odd, self.head = nn.Linear(192, 6), kind(6, 6), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x.flatten(1)))
        found = self.odd(x)
        found = found["values"] if isinstance(found, dict) else found
        return self.head(torch.tanh(found) if isinstance(found, torch.Tensor) else x)


class Words(nn.Module):
    """An embedding with sparse gradients, watched by name."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(20, 5, sparse=True), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.words((x[:, 0, 0].abs() * 5).long().clamp(max=19)).mean(1))


def watched(**options: Any) -> Callable[[nn.Module, torch.optim.Optimizer], GradientMonitor]:
    return lambda network, optimizer: GradientMonitor(network, optimizer, every=1, **options)


@pytest.mark.parametrize(
    ("build", "layers"),
    [
        (Complex, None),
        (lambda: Odd(ByHand), None),
        (lambda: Odd(Named), None),
        (lambda: Odd(Silent), None),
        (Words, ["words", "head"]),
    ],
    ids=["complex", "autograd function", "dict", "no tensor", "sparse gradient"],
)
def test_unusual_networks_train_as_without_it(build, layers) -> None:
    plain, _ = trained(build, None)
    found, monitor = trained(build, watched(layers=layers))
    assert found == plain
    assert monitor is not None
    assert len(monitor.records) == STEPS
    assert monitor.unmeasured == {}


def test_a_complex_layer_is_measured_by_the_norm_of_its_parts() -> None:
    _, monitor = trained(Complex, watched())
    assert monitor is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        weight = Complex().wave.weight
    wanted = float(torch.view_as_real(weight.detach()).norm())
    record = monitor.records[0]
    assert record.of("weight")["wave"] == pytest.approx(wanted, rel=1e-6)
    assert set(record.of("gradient")) == {"wave", "head"}
    assert record.of("update")["wave"] > 0.0


def test_a_layer_without_numbers_is_said_to_be_unmeasured() -> None:
    _, monitor = trained(lambda: Odd(Silent), watched())
    assert monitor is not None
    record = monitor.records[0]
    assert record.layers == ("stem", "odd", "head")
    assert record.unmeasured == {"odd": "its output holds no numbers that have a norm"}
    assert set(record.of("activation")) == {"stem", "head"}


def test_a_lost_layer_is_named_in_the_log_the_run_and_the_report(
    tmp_path, monkeypatch, caplog, unwatched
) -> None:
    norms = step_recorder.joint_norm

    def failing(parts: Any) -> torch.Tensor:
        if parts[0].shape[-1] == 3 and parts[0].shape[1] == 3:
            raise ValueError("no norm of this")
        return norms(parts)

    monkeypatch.setattr(step_recorder, "joint_norm", failing)
    path = tmp_path / "run.jsonl"
    found, monitor = trained(Several, watched(path=path))
    assert found == unwatched
    assert monitor is not None
    assert monitor.unmeasured == {"first": "ValueError: no norm of this"}
    (told,) = [one.message for one in caplog.records]
    assert told.startswith("first (Conv2d) is not measured any more: ValueError: no norm of this.")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    records = [line for line in lines if line["type"] == "record"]
    assert all(line["unmeasured"] == monitor.unmeasured for line in records)
    assert lines[-1]["unmeasured"] == monitor.unmeasured
    run = read_run(path)
    assert run.unmeasured == monitor.unmeasured
    assert np.isnan(run.weight[run.layers.index("first")]).all()
    # The first layer is one of the two whose gradients are compared.
    assert np.isnan(run.decades).all()
    report = training_report(run)
    tables = {table.title: table for part in report.sections for table in part.tables}
    assert tables["Not measured"].rows == (("first (Conv2d)", "ValueError: no norm of this"),)
    assert any("1 layer or part was not measured" in note for note in report.notes)


def test_a_function_that_fails_to_take_an_event_is_told_once(caplog) -> None:
    def breaks(event: object) -> None:
        raise KeyError("nowhere")

    def steep(network: nn.Module, optimizer: torch.optim.Optimizer) -> GradientMonitor:
        optimizer.param_groups[0]["lr"] = 1e4
        return GradientMonitor(network, optimizer, every=1, on_event=breaks)

    _, monitor = trained(Several, steep)
    assert monitor is not None
    assert len(monitor.events) > 1
    assert [one.message for one in caplog.records] == [
        "The monitor failed in the function on_event: KeyError: 'nowhere'. The training goes on."
    ]


def test_a_disk_that_fills_up_in_a_run_ends_the_log_alone(tmp_path, caplog, unwatched) -> None:
    class Full:
        def __init__(self, stream: Any) -> None:
            self.stream, self.left = stream, 3

        def write(self, text: str) -> None:
            self.left -= 1
            if self.left < 0:
                raise OSError(28, "No space left on device")
            self.stream.write(text)

        def flush(self) -> None:
            self.stream.flush()

        def close(self) -> None:
            self.stream.close()

    def watch(network: nn.Module, optimizer: torch.optim.Optimizer) -> GradientMonitor:
        monitor = GradientMonitor(network, optimizer, every=1, path=tmp_path / "run.jsonl")
        opened = monitor._open

        def full() -> None:
            opened()
            assert monitor._outlets is not None
            log = monitor._outlets._log
            assert log is not None
            log._stream = Full(log._stream)  # type: ignore[assignment]

        monitor._open = full  # type: ignore[method-assign]
        return monitor

    found, monitor = trained(Several, watch)
    assert found == unwatched
    assert monitor is not None
    assert len(monitor.records) == STEPS
    assert caplog.text.count("No space left on device") == 1


def test_a_call_that_is_wrong_is_still_told_to_the_caller() -> None:
    network = nn.Linear(2, 2)
    with (
        GradientMonitor(network, torch.optim.SGD(network.parameters(), lr=0.1)) as monitor,
        pytest.raises(UsageError, match="not a number"),
    ):
        monitor.log(loss="high")
