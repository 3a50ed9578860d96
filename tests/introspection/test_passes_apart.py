"""Trials of what a network may take are heard by nobody who listens to the pass that failed."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import nn

from cnnviz.errors import ModelError
from cnnviz.images import Preprocessing
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.hooks import module_hooks
from cnnviz.introspection.operation_mode import OperationMode
from cnnviz.introspection.passes_apart import depth_of_trials, trial_passes
from cnnviz.models import Model, input_trials
from cnnviz.views.receptive_field import receptive_field

# Known, so that an input that runs is looked for only once a pass has failed.
PREPARED = Preprocessing(8, (8, 8), (0.0,) * 3, (1.0,) * 3)


class Functions(FunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.met = 0

    def answer(self, func, args, named):
        self.met += 1
        return func(*args, **named)


class Operations(OperationMode):
    def __init__(self) -> None:
        super().__init__()
        self.met = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.met += 1
        return func(*args, **(kwargs or {}))


def test_hooks_and_modes_hear_the_passes_of_their_own_depth_alone() -> None:
    network, heard = nn.Sequential(nn.Linear(2, 2)), list[str]()
    image = torch.ones(1, 2)

    def listening(who: str):
        return module_hooks(
            {"0": network[0]},
            before=lambda *_: heard.append(f"{who} before"),
            after=lambda *_: heard.append(f"{who} after"),
        )

    with listening("outer"), Functions() as functions, Functions() as more, Operations() as below:
        network(image)
        met = functions.met, more.met, below.met
        assert min(met) > 0
        with trial_passes(), listening("trial"), Functions() as inner:
            assert depth_of_trials() == 1
            network(image)
        assert inner.met > 0
        assert (functions.met, more.met, below.met) == met
        assert heard == ["outer before", "outer after", "trial before", "trial after"]
        network(image)
        assert (functions.met, more.met, below.met) == tuple(2 * one for one in met)
    assert heard[4:] == ["outer before", "outer after"]
    assert depth_of_trials() == 0


def test_what_listens_is_there_again_after_an_error() -> None:
    with Functions() as functions:
        with pytest.raises(ZeroDivisionError), trial_passes():
            raise ZeroDivisionError
        torch.ones(1) + 1
    assert functions.met > 0
    assert depth_of_trials() == 0


@pytest.mark.parametrize("same", [True, False])
def test_nothing_that_trials_compute_is_held(monkeypatch, same: bool) -> None:
    """Hooks of the pass that failed held it, 1.4 GB of one network; so did a kept exception."""
    error, maps = RuntimeError("half-way"), list[weakref.ref[torch.Tensor]]()
    at_once = []

    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 2, 3), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found = self.first(x)
            at_once.append(sum(each() is not None for each in maps))
            maps.append(weakref.ref(found))
            raise error if same else RuntimeError("half-way")

    for name, few in (("SIDES", (224, 32, 16)), ("_MOST_CANDIDATES", 1), ("_LARGEST_SIDE", 64)):
        monkeypatch.setattr(input_trials, name, few)
    with pytest.raises(ModelError, match="half-way"):
        receptive_field(Model(Failing(), preprocessing=PREPARED))
    assert len(maps) > 20
    assert max(at_once) < 8
