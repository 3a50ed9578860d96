"""The callback, driven as Lightning's trainer drives one; and by Lightning itself where it is."""

from __future__ import annotations

import sys
import types
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz import GradientMonitor
from cnnviz.errors import InstallationError
from cnnviz.gradients.monitor.log import read_log

IMAGES = torch.randn(32, 3, 6, 6, generator=torch.Generator().manual_seed(2))
LABELS = torch.arange(32) % 3


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Stand a module in for lightning.pytorch that has a Callback and nothing else."""
    package = types.ModuleType("lightning.pytorch")
    package.Callback = type("Callback", (), {"__init__": lambda self: None})
    monkeypatch.setitem(sys.modules, "lightning", types.ModuleType("lightning"))
    monkeypatch.setitem(sys.modules, "lightning.pytorch", package)
    return package


class Module(nn.Module):
    """A part of it is called and never itself, as Lightning does with training_step."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 3)
        )


def fit(callback: object, batches: int, accumulate: int = 1, fails: bool = False) -> nn.Module:
    """Do what Lightning's automatic optimization does, in its order."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    trainer = SimpleNamespace(
        optimizers=[optimizer],
        accumulate_grad_batches=accumulate,
        precision_plugin=SimpleNamespace(),
    )
    callback.on_train_start(trainer, module)
    for index in range(batches):
        chosen = slice(4 * index, 4 * index + 4)

        def closure(chosen: slice = chosen, index: int = index) -> torch.Tensor:
            loss = F.cross_entropy(module.net(IMAGES[chosen]), LABELS[chosen]) / accumulate
            if index % accumulate == 0:
                optimizer.zero_grad()
            loss.backward()
            return loss

        if fails and index == 3:
            error = RuntimeError("out of memory")
            callback.on_exception(trainer, module, error)
            return module
        last = (index + 1) % accumulate == 0
        loss = optimizer.step(closure) if last else closure()
        callback.on_train_batch_end(trainer, module, {"loss": loss}, None, index)
    callback.on_train_end(trainer, module)
    return module


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_callback_records_each_step_with_its_loss(package, accumulate: int, tmp_path) -> None:
    callback = GradientMonitor.lightning(
        every=2, path=tmp_path / "run.jsonl", on_event=lambda event: None
    )
    assert isinstance(callback, package.Callback)
    watched = fit(callback, 8, accumulate)
    plain = fit(SimpleNamespace(**dict.fromkeys(HOOKS, lambda *_: None)), 8, accumulate)
    assert torch.equal(watched.net[0].weight, plain.net[0].weight)
    run = callback.monitor.run()
    assert run.steps.tolist() == list(range(0, 8 // accumulate, 2))
    assert run.loss_steps.tolist() == list(range(8 // accumulate))
    assert run.losses[0] == pytest.approx(
        F.cross_entropy(fit_start()(IMAGES[: 4 * accumulate]), LABELS[: 4 * accumulate]).item()
    )
    assert run.layers == ("net.0", "net.3")
    assert (run.samples == 4 * accumulate).all()
    assert not torch.isnan(torch.tensor(run.dead[0])).any()
    assert run.finished


HOOKS = ("on_train_start", "on_train_batch_end", "on_train_end", "on_exception")


def fit_start() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Module().net


def test_what_ends_a_training_is_written_down(package, tmp_path) -> None:
    callback = GradientMonitor.lightning(path=tmp_path / "run.jsonl")
    fit(callback, 8, fails=True)
    ended = read_log(tmp_path / "run.jsonl").end
    assert ended is not None
    assert ended["error"] == "RuntimeError"


def test_without_lightning_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InstallationError, match=r"Lightning is not installed.*pip install"):
        GradientMonitor.lightning()


def test_a_loss_that_is_none_is_told_once_and_ends_nothing(package, caplog) -> None:
    callback = GradientMonitor.lightning(every=1)
    handed = callback.on_train_batch_end
    callback.on_train_batch_end = lambda trainer, module, outputs, batch, index: handed(
        trainer, module, {"loss": torch.ones(3) if index % 2 else "high"}, batch, index
    )
    fit(callback, 4)
    assert callback.monitor.steps == 4
    told = [one.message for one in caplog.records if "Lightning" in one.message]
    assert len(told) == 1
    assert "taking a loss of Lightning: AttributeError" in told[0]
