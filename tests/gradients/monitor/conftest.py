"""Records that are made up, and small runs that are real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz import GradientMonitor
from cnnviz.gradients.monitor.records import COLUMNS, StepRecord

LAYERS = ("first", "middle", "last")
HEALTHY: dict[str, tuple[float | None, ...]] = {
    "activation": (3.0, 2.0, 1.0),
    "gradient": (0.9, 1.0, 1.1),
    "weight": (2.0, 2.0, 2.0),
    "weight_gradient": (0.1, 0.1, 0.1),
    "update": (1e-3, 2e-3, 1e-3),
    "dead": (0.0, 0.1, None),
    "saturated": (None, None, None),
    "agreement": (0.5, 0.5, 0.5),
}


def made_up(
    step: int, loss: float | None = None, **figures: tuple[float | None, ...]
) -> StepRecord:
    """Return a record of a healthy step, but for the figures given."""
    assert set(figures) <= set(COLUMNS)
    losses = () if loss is None else ((step, loss),)
    return StepRecord(step, step / 10, 8, LAYERS, {**HEALTHY, **figures}, losses, (0.1,))


def small_run(
    path: Path | None = None, rate: float = 0.1, steps: int = 12, **options
) -> GradientMonitor:
    """Train a small network and return its monitor."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 4, 3),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(64, 3),
        )
        images, labels = torch.randn(8, 3, 8, 8), torch.arange(8) % 3
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    options = {"every": 2, "name": "small", "on_event": lambda event: None, **options}
    with GradientMonitor(network, optimizer, path=path, **options) as monitor:
        for step in range(steps):
            loss = F.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            monitor.log(loss=loss, accuracy=step / steps)
            optimizer.step()
    return monitor


@pytest.fixture
def train() -> Callable[..., GradientMonitor]:
    """Return what trains a small network under a monitor."""
    return small_run


@pytest.fixture
def record() -> Callable[..., StepRecord]:
    """Return what makes up a record."""
    return made_up
