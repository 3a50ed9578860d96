"""Planned, timed, stopped and taken up again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.passes.call_order import call_order
from cnnviz.units.visualization import (
    AscentSettings,
    Job,
    VisualizationStore,
    job_plan,
    jobs,
    plan,
    read_objectives,
    read_span,
)
from tests.helpers.architectures import ARCHITECTURES, OF_OTHER_BLOCKS, lasting_network, shallow
from tests.helpers.each_case import each_case

COPIED = ("lenet5", "densenet121", "mobilenet_v2")
RECIPE = AscentSettings("fourier", 4, 0, (0, 0))


def tiny(side: int = 224) -> Model:
    grey = Preprocessing(side, (side, side), (0.5,) * 3, (0.5,) * 3)
    return Model(lasting_network(), preprocessing=grey)


def job(units: str, folder: Path | None = None, **options) -> Job:
    model = tiny(24)
    store = VisualizationStore(folder, {"weights": model.sha256})
    groups = plan(model, read_objectives(model, units), RECIPE, None, False)
    return Job(model, groups, store, **options)


@each_case(
    ("written", "seconds"), [("10m", 600), ("90s", 90), ("1.5h", 5400), (12, 12), ("12", 12)]
)
def test_times_are_read(written, seconds: float) -> None:
    assert read_span(written) == seconds
    assert read_span(None) is None


@each_case("written", ["", "soon", "10 years", "-3", "0", "1.2.3s"])
def test_what_is_no_time_is_a_sentence(written) -> None:
    with pytest.raises(UsageError, match="is no time"):
        read_span(written)


def test_a_channel_that_sees_little_gets_a_small_picture() -> None:
    model = tiny(224)
    sizes = {
        group.objectives[0].name: group.settings.size
        for group in plan(
            model, read_objectives(model, "0:0;3:0;3:0@middle;8;class:1"), RECIPE, None, False
        )
    }
    assert sizes == {
        "0:0": (96, 96),
        "3:0": (96, 96),
        "3:0@56x56": (224, 224),
        "8": (224, 224),
        "class:1": (224, 224),
    }
    whole = plan(model, read_objectives(model, "3:0"), RECIPE, None, True)
    assert whole[0].settings.size == (224, 224), "a photo is not cut down"
    asked = plan(model, read_objectives(model, "3:0"), RECIPE, 64, False)
    assert asked[0].settings.size == (64, 64)


def test_only_a_picture_of_some_fields_of_a_channel_is_a_tile() -> None:
    model = tiny(224)
    objectives = read_objectives(model, "0:0;3:0;3:0@middle;3;8;class:1")
    tiles = {
        group.objectives[0].name: getattr(group.settings.moves, "tiled")  # noqa: B009
        for group in plan(model, objectives, RECIPE, None, False)
    }
    wanted = {"0:0": True, "3:0": True, "3:0@56x56": False, "3": False, "8": False}
    assert tiles == {**wanted, "class:1": False}
    (photo,) = plan(model, read_objectives(model, "3:0"), RECIPE, None, True)
    assert photo.settings.moves == RECIPE.moves, "a photo does not go on at its other end"


class _OneSize(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.mix = nn.Linear(128 * 128, 8)
        self.last = nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.conv(x)
        gates = self.mix(maps.flatten(2)).mean(2)
        return self.last(maps * gates[..., None, None]).mean((2, 3))


def test_a_network_of_one_size_keeps_it() -> None:
    sized = Preprocessing(128, (128, 128), (0.5,) * 3, (0.5,) * 3)
    model = Model(_OneSize().eval(), preprocessing=sized)
    before, after = plan(model, read_objectives(model, "conv:0;last:0"), RECIPE, None, False)
    assert before.settings.size == (96, 96)
    assert after.settings.size == (128, 128)
    assert not after.settings.coarse


def test_of_a_layer_that_is_linear_in_the_picture_only_the_positive_part_counts() -> None:
    model = tiny(24)
    first, second = plan(model, read_objectives(model, "0:1;3:1"), RECIPE, None, False)
    assert first.objectives[0].rectified
    assert not second.objectives[0].rectified


class _Clock:
    """Runs on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_the_cost_is_told_before_it_is_spent() -> None:
    told: list[str] = []
    steps: list[str] = []
    found = job(
        "3:0-2;5:1",
        announce=lambda text: told.append(f"{text} after {len(steps)}"),
        progress=lambda done, total, what: steps.append(what),
        clock=_Clock(),
    ).run()
    assert len(found) == 4
    (said,) = told
    assert said.startswith("4 units: about ")
    assert said.endswith("on this machine; name fewer of them, or give --budget 10m. after 1")


class _BusyClock(_Clock):
    """Meets a machine that is busy for an hour while the last step that is timed is taken."""

    reads = 0

    def __call__(self) -> float:
        self.reads += 1
        # Read once before the steps, and before each of them.
        self.now += 3600.0 if self.reads == 1 + jobs._TRIAL else 0.0
        return super().__call__()


def test_one_step_during_which_the_machine_was_busy_does_not_make_the_cost() -> None:
    told: list[str] = []
    for clock in (_Clock(), _BusyClock()):
        job("3:0-2", announce=told.append, clock=clock).run()
    assert told[0] == told[1]


def test_a_budget_stops_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_plan, "_MOST", 1)
    everything = job("5:0-5", clock=_Clock(), budget=1e9).run()
    assert len(everything) == 6
    some = job("5:0-5", clock=_Clock(), budget=14.0).run()
    assert 0 < len(some) < 6
    for name, (_, _, made) in some.items():
        np.testing.assert_array_equal(made.pictures, everything[name][2].pictures)


def test_a_budget_that_is_too_small_for_anything_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="too small for a single unit"):
        job("5:0-5", clock=_Clock(), budget=2.0).run()


def test_what_was_finished_is_not_made_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(job_plan, "_MOST", 2)
    made: list[str] = []
    ascend = jobs.ascend

    def noting(probe, objectives, *rest):
        if len(made) >= 2:
            raise KeyboardInterrupt
        made.extend(objective.name for objective in objectives)
        return ascend(probe, objectives, *rest)

    monkeypatch.setattr(jobs, "ascend", noting)
    with pytest.raises(KeyboardInterrupt):
        job("5:0-3", tmp_path).run()
    assert made == ["5:0", "5:1"]
    made.clear()
    told: list[str] = []
    again = job("5:0-3", tmp_path)
    monkeypatch.setattr(
        jobs,
        "ascend",
        lambda p, objectives, *r: (
            made.extend(g.name for g in objectives) or ascend(p, objectives, *r)
        ),
    )
    found = again.run()
    assert made == ["5:2", "5:3"]
    monkeypatch.undo()
    fresh = job("5:0-3", announce=told.append).run()
    for name, (_, _, one) in found.items():
        np.testing.assert_array_equal(one.pictures, fresh[name][2].pictures)
        np.testing.assert_array_equal(one.end, fresh[name][2].end)


def test_other_settings_have_other_pictures(tmp_path: Path) -> None:
    model = tiny(24)
    objectives = read_objectives(model, "5:0,1")
    (group,) = plan(model, objectives, RECIPE, None, False)
    found = Job(model, [group], VisualizationStore(tmp_path, {"weights": "a"})).run()
    kept = VisualizationStore(tmp_path, {"weights": "a"})
    held = kept.get(group.objectives[0], group.settings)
    assert held is not None
    np.testing.assert_array_equal(held.pictures, found["5:0"][2].pictures)
    assert kept.get(group.objectives[0], replace(group.settings, seed=1)) is None
    assert (
        VisualizationStore(tmp_path, {"weights": "b"}).get(group.objectives[0], group.settings)
        is None
    )
    alone = Job(model, plan(model, objectives[:1], RECIPE, None, False), kept).run()
    assert len(alone) == 1
    for path in tmp_path.rglob("5-0-*.json"):
        path.write_text('{"goal": 1', "utf-8")
    again = VisualizationStore(tmp_path, {"weights": "a"})
    # What was made beside it is made again as well, for it would come out otherwise alone.
    assert [again.get(one, group.settings) for one in group.objectives] == [None, None]


def test_of_pictures_made_together_none_counts_before_all_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny(24)
    groups = plan(model, read_objectives(model, "5:0-2"), RECIPE, None, False)
    wanted = Job(model, groups, VisualizationStore(None, {})).run()
    put, kept = VisualizationStore.put, []

    def stopped(self: VisualizationStore, *given: Any) -> None:
        if len(kept) == 2:
            raise KeyboardInterrupt
        put(self, *given)
        kept.append(given[0].name)

    monkeypatch.setattr(VisualizationStore, "put", stopped)
    with pytest.raises(KeyboardInterrupt):
        Job(model, groups, VisualizationStore(tmp_path, {})).run()
    assert kept == ["5:0", "5:1"]
    monkeypatch.undo()
    seen: list[tuple[int, int]] = []
    found = Job(
        model,
        groups,
        VisualizationStore(tmp_path, {}),
        progress=lambda done, total, what: seen.append((done, total)),
    ).run()
    assert seen[0] == (0, 3)
    for name, (_, _, made) in found.items():
        np.testing.assert_array_equal(made.pictures, wanted[name][2].pictures)


@pytest.mark.parametrize("name", OF_OTHER_BLOCKS)
def test_the_last_convolution_of_every_architecture_can_be_visualised(name: str) -> None:
    model = shallow(name)
    side = ARCHITECTURES[name]
    small = Preprocessing(side, (side, side), (0.5,) * model.channels, (0.5,) * model.channels)
    # Whether a fast copy computes the same is a question of its own, and its answer takes longest.
    sized = Model(model.module, preprocessing=small, exact=name not in COPIED)
    image = torch.zeros(1, *sized.input_shape)
    last = [call for call in call_order(sized, image).calls if call.kind == "conv"][-1]
    (objective,) = read_objectives(sized, f"{last.name}:0")
    groups = plan(sized, [objective], replace(RECIPE, steps=1), None, False)
    found = Job(sized, groups, VisualizationStore(None, {})).run()
    ((_, _, made),) = found.values()
    assert np.isfinite(made.pictures).all()
    assert made.pictures.shape[:2] == (1, model.channels)
