"""The ascent: each picture by itself, dead units woken, and the network left alone."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.models import Model
from cnnviz.units.visualization import (
    AscentSettings,
    OptimisedPictures,
    ascend,
    read_objectives,
    scoring,
)
from cnnviz.units.visualization import gradient_ascent as looping
from tests.helpers.architectures import lasting_network, tiny_network
from tests.helpers.state import state

SIDE = 24


def climbed(module: nn.Module, units, channels: int = 3, **options) -> list[OptimisedPictures]:
    model = Model(module)
    objectives = read_objectives(model, units)
    settings = AscentSettings(
        "fourier", **{"steps": 12, "seed": 0, "size": (SIDE, SIDE), **options}
    )
    texture = objectives[0].layer if settings.diverse > 1 else None
    with scoring(model, objectives[0].layer, texture) as probe:
        return ascend(probe, objectives, settings, channels)


def test_scores_rise_and_the_network_is_left_as_it_was() -> None:
    module = tiny_network().train()
    before = state(module)
    for made in climbed(module, "5:0,1,2", steps=24):
        assert made.pictures.shape == (1, 3, SIDE, SIDE)
        assert made.end[0] > made.start[0]
    assert state(module) == before


def test_scores_are_those_of_the_pictures_as_they_are() -> None:
    module = tiny_network()
    mean, std = (
        torch.tensor(v)[:, None, None]
        for v in (Model(module).preprocessing.mean, Model(module).preprocessing.std)
    )
    for unit, channel in (("3:2", 2), ("5:1", 1)):
        (made,) = climbed(module, unit)
        x = (torch.from_numpy(made.pictures) - mean) / std
        with torch.no_grad():
            wanted = module[: int(unit[0]) + 1](x)[0, channel].mean()
        assert made.end[0] == pytest.approx(float(wanted), abs=1e-5)


@pytest.mark.parametrize("unit", ["5:2", "3:2", "0:2", "class:1"])
def test_a_picture_does_not_depend_on_what_is_made_beside_it(unit: str) -> None:
    """Exactly the same, not nearly: an ascent would make another picture of the least rounding."""
    layer = unit.partition(":")[0]
    others = f"{layer}:0-3" if layer != "class" else "class:0;class:1;class:2"
    (alone,) = climbed(lasting_network(), unit, steps=12)
    place = 1 if layer == "class" else 2
    together = climbed(lasting_network(), others, steps=12)[place]
    np.testing.assert_array_equal(alone.pictures, together.pictures)
    assert alone.end == pytest.approx(together.end, rel=1e-5)


def test_another_seed_and_another_unit_begin_from_other_noise() -> None:
    one, other = climbed(lasting_network(), "5:0,1", steps=1)
    again = climbed(lasting_network(), "5:0", steps=1, seed=1)[0]
    assert not np.array_equal(one.pictures, other.pictures)
    assert not np.array_equal(one.pictures, again.pictures)


def test_the_random_numbers_of_the_caller_are_not_touched() -> None:
    torch.default_generator.manual_seed(3)
    before = torch.random.get_rng_state()
    climbed(lasting_network(), "5:0")
    assert torch.equal(before, torch.random.get_rng_state())


_CALLS = [0, 0]
"""Not in what a network holds, nor in a closure of it: that is put back after each look at it."""


class _Counting(nn.Module):
    """Counts how often it is called."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _CALLS[self.place] += 1
        return x


def test_the_network_runs_as_far_as_the_layer_and_no_further() -> None:
    first, last = (_Counting(place) for place in range(2))
    module = nn.Sequential(nn.Conv2d(3, 4, 3), first, nn.Tanh(), last).eval()
    objectives = read_objectives(Model(module), "2:0,1")
    _CALLS[:] = [0, 0]
    with scoring(Model(module, exact=True), ("2", 0)) as probe:
        ascend(probe, objectives, AscentSettings("fourier", 5, 0, (SIDE, SIDE)), 3)
    # Five steps, the scores before and after, one trace by which the layout of maps is found, and
    # an image twice, another one, and both beside one another, which tells that pictures may go
    # together.
    assert _CALLS == [7 + 1 + 4, 1 + 4]


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.Conv2d(4, 6, 3, groups=2, dilation=2),
        nn.Conv2d(4, 6, 5, padding=2, padding_mode="reflect"),
    ],
)
def test_a_convolution_that_need_not_be_computed_gives_the_same(layer: nn.Conv2d) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), layer).eval()
    model = Model(module)
    pictures = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    objectives = read_objectives(model, "2:1,5;2:3@2x3")
    with scoring(model, ("2", 0)) as probe:
        assert probe.affine
        short, _ = probe.scores(pictures.requires_grad_(), objectives)
        (fast,) = torch.autograd.grad(short.sum(), pictures)
    mean, std = (
        torch.tensor(v)[:, None, None] for v in (model.preprocessing.mean, model.preprocessing.std)
    )
    whole = module((pictures - mean) / std)
    scores = torch.stack([whole[0, 1].mean(), whole[1, 5].mean(), whole[2, 3, 2, 3]])
    torch.testing.assert_close(short, scores)
    torch.testing.assert_close(fast, torch.autograd.grad(scores.sum(), pictures)[0])


def dead_network(bias: float, weight: float = 4.0) -> nn.Sequential:
    """Return an edge filter behind a rectifier that a grey picture leaves silent."""
    module = nn.Sequential(nn.Conv2d(1, 1, (1, 2), bias=True), nn.ReLU(inplace=True)).eval()
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[[[-weight, weight]]]]))
        module[0].bias.fill_(bias)
    return module


def test_a_unit_that_starts_dead_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    (made,) = climbed(dead_network(-1.0), "1:0", channels=1, steps=100)
    assert made.start[0] == 0.0
    assert made.end[0] > 0.02
    assert made.woken[0]
    assert not made.dead[0]
    assert made.pictures.std() > 0.1
    monkeypatch.setattr(looping, "leaky_backward", nullcontext)
    (plain,) = climbed(dead_network(-1.0), "1:0", channels=1, steps=100)
    assert plain.end[0] == 0.0, "without the leak the picture stays grey"
    assert plain.pictures.std() < 0.01
    assert plain.dead[0]


def test_a_unit_that_cannot_be_woken_is_said_to_be_dead() -> None:
    (far,) = climbed(dead_network(-100.0), "1:0", channels=1, steps=20)
    assert far.dead[0]
    assert not far.woken[0]
    (nothing,) = climbed(dead_network(-1.0, weight=0.0), "1:0", channels=1, steps=50)
    assert nothing.dead[0]
    assert nothing.steps[0] == looping._HOPELESS, "no step can change anything"


def test_waking_one_does_not_change_the_others() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, (1, 2)), nn.ReLU()).eval()
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[[[-4.0, 4.0]]], [[[1.0, 1.0]]]]))
        module[0].bias.copy_(torch.tensor([-1.0, 0.1]))
    both = climbed(module, "1:0,1", channels=1, steps=30)
    for place, made in enumerate(both):
        (alone,) = climbed(module, f"1:{place}", channels=1, steps=30)
        # Some processors round a batch of two otherwise than one.
        np.testing.assert_allclose(made.pictures, alone.pictures, rtol=0, atol=1e-5)
    assert [bool(made.woken[0]) for made in both] == [True, False]


def test_a_picture_that_has_settled_is_done() -> None:
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sigmoid()).eval()
    with torch.no_grad():
        module[0].weight.fill_(60.0)
        module[0].bias.fill_(-30.0)
    (made,) = climbed(module, "1:0", channels=1, size=(8, 8), steps=140)
    assert made.steps[0] < 140
    (all_of_it,) = climbed(module, "1:0", channels=1, size=(8, 8), steps=140, early=False)
    assert all_of_it.steps[0] == 140
    assert made.end[0] > 0.95 * all_of_it.end[0]


def test_diverse_pictures_are_less_alike_than_seeds() -> None:
    def similarity(made: OptimisedPictures) -> float:
        x = torch.from_numpy(made.pictures) * 2 - 1
        with torch.no_grad():
            maps = module(x).flatten(2)
        gram = torch.nn.functional.normalize((maps @ maps.transpose(1, 2)).flatten(1), dim=1)
        return float((gram @ gram.T)[0, 1:].mean())

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 8, 5), nn.Tanh(), nn.Conv2d(8, 8, 5), nn.Tanh()).eval()
    apart, plain = (
        climbed(module, "3:2", steps=60, diverse=3, diversity=weight)[0] for weight in (1.0, 0.0)
    )
    assert apart.pictures.shape[0] == 3
    assert similarity(apart) < similarity(plain)


def test_coarse_steps_come_first() -> None:
    settings = AscentSettings("fourier", 10, 0, (128, 160))
    assert [settings.side_at(step) for step in (0, 3, 4, 9)] == [(64, 80)] * 2 + [(128, 160)] * 2
    assert AscentSettings("fourier", 10, 0, (32, 32)).side_at(0) == (32, 32)


def test_one_channel_and_many_channels_and_32_px_give_contrast() -> None:
    for channels in (1, 5):
        (made,) = climbed(tiny_network(channels), "3:1", channels, size=(32, 32), steps=60)
        assert made.pictures.std() > 0.1
        assert made.end[0] > made.start[0]
