"""How long the rest takes is said once, after the first step, where that is long."""

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.results import progress
from cnnviz.results.progress import ToldCost, silent


class Clock:
    """A clock that goes on by so many seconds with each look at it."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now = seconds, 0.0

    def monotonic(self) -> float:
        self.now += self.seconds
        return self.now


def _told(monkeypatch: pytest.MonkeyPatch, seconds: float, steps: int) -> list[str]:
    monkeypatch.setattr(progress, "time", Clock(seconds))
    told: list[str] = []
    cost = ToldCost(silent, told.append, steps, "passes")
    for done in (0, 1, 2, 0, 1):
        cost(done, steps, "trying")
    return told


def test_a_long_rest_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _told(monkeypatch, 0.4, 2304) == ["2,304 passes take about 15 min."]


def test_a_short_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _told(monkeypatch, 0.01, 100) == []


def test_ablation_says_its_cost_and_gradients_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    ).eval()
    held = cnnviz.capture(network, torch.rand(1, 3, 12, 12))
    monkeypatch.setattr(progress, "time", Clock(60.0))
    told: list[str] = []
    cnnviz.cam(held, "0", announce=told.append)
    assert told == []
    found = cnnviz.cam(held, "0", "ablationcam", announce=told.append)
    assert np.isfinite(found.maps[0]).all()
    # All six channels are tried together here, so that nothing is left to be told.
    assert told == []
    monkeypatch.setattr("cnnviz.heatmaps.cam_methods.rows_in_cache", lambda *_: 1)
    cnnviz.cam(held, "0", "ablationcam", announce=told.append)
    assert told == ["6 passes, one for each channel (Ablation-CAM), take about 5 min."]
