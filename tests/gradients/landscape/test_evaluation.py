"""Losses around the weights against networks whose weights were moved by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.default_device import made_on_the_processor
from cnnviz.errors import ModelError
from cnnviz.gradients.landscape import LossSurroundings, random_direction
from cnnviz.gradients.landscape.objective import loss_objective
from cnnviz.introspection.hooks import preserve_state
from cnnviz.models import Model, as_model
from cnnviz.results.progress import silent
from cnnviz.results.resume_store import ResumeStore
from tests.helpers.architectures import tiny_network
from tests.helpers.state import state

LABELS = (1, 0, 3, 2, 1)
POINTS = torch.tensor([[0.0, 0.0], [0.4, 0.0], [-0.7, 1.1], [1.0, -1.0]], dtype=torch.float64)


def network() -> nn.Sequential:
    module = tiny_network().double()
    module[4].running_mean.normal_(generator=torch.Generator().manual_seed(5))
    return module


def images(count: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, 12, 12, generator=generator, dtype=torch.float64)


def around(module: nn.Module, *, calibrated: bool = False, rows: int = 8, at_once: int = 0):
    x = images()
    with torch.no_grad():
        objective = loss_objective(Model(module), module(x.clone()), LABELS, None)
    directions = tuple(random_direction(module, seed) for seed in (0, 1))
    return LossSurroundings(as_model(module), x, objective, directions, calibrated, rows, at_once)


def by_hand(module: nn.Module, point: torch.Tensor, *, calibrated: bool, rows: int = 5) -> float:
    """Return the loss of a copy that was moved, normalised by statistics found by hand."""
    moved, x = copy.deepcopy(module), images()
    directions = [random_direction(module, seed) for seed in (0, 1)]
    with torch.no_grad():
        for place, direction in zip(point.tolist(), directions, strict=True):
            for name, step in direction.steps.items():
                moved.get_parameter(name).add_(place * step)
        if calibrated:
            before = moved[:4]
            parts = [before(part.clone()) for part in x.split(rows)]
            values = torch.cat([part.transpose(0, 1).flatten(1) for part in parts], 1)
            moved[4].running_mean.copy_(values.mean(1))
            moved[4].running_var.copy_(values.var(1, correction=0))
        return float(F.cross_entropy(moved(x), torch.tensor(LABELS)))


@pytest.mark.parametrize("at_once", [1, 2, 4])
@pytest.mark.parametrize("rows", [2, 5])
@pytest.mark.parametrize("calibrated", [False, True])
def test_losses_are_those_of_a_copy_that_was_moved(calibrated: bool, rows: int, at_once: int):
    module = network()
    before = state(module)
    with torch.no_grad(), preserve_state(module):
        surroundings = around(module, calibrated=calibrated, rows=rows, at_once=at_once)
        found = surroundings.run(POINTS, ResumeStore(None, {}), silent)
    assert state(module) == before
    wanted = [by_hand(module, point, calibrated=calibrated, rows=rows) for point in POINTS]
    np.testing.assert_allclose(found.losses, wanted, rtol=1e-9)
    assert np.ptp(wanted) > 0.01
    assert surroundings.notes == []


def test_points_together_are_those_one_at_a_time() -> None:
    module = network()
    with torch.no_grad(), preserve_state(module):
        together = around(module, calibrated=True, at_once=4).measure(POINTS)
        alone = [around(module, calibrated=True, at_once=1).measure(one[None]) for one in POINTS]
    np.testing.assert_allclose(together.losses, [one.losses[0] for one in alone], rtol=1e-12)
    np.testing.assert_array_equal(together.shares, [one.shares[0] for one in alone])


class Slow(nn.Module):
    """Calls an operator that vmap has no rule for, of which torch warns."""

    def __init__(self) -> None:
        super().__init__()
        self.body = network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.body(x)
        return scores + 1e-3 * torch.histc(scores.detach(), bins=4)


def test_points_go_together_without_a_word_where_vmap_has_no_rule() -> None:
    module = Slow().eval()
    with torch.no_grad(), preserve_state(module):
        together = around(module, at_once=4)
        found = together.measure(POINTS)
        alone = around(module, at_once=1).measure(POINTS[1:2])
    assert together.notes == []
    assert together.at_once == 4
    np.testing.assert_allclose(found.losses[1], alone.losses[0], rtol=1e-9)


class Stubborn(nn.Module):
    """Values decide its path, which no vmap can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.body = network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        return 2.0 * y if bool(y.sum() > 0.0) else y


def test_a_network_whose_values_decide_goes_point_by_point_and_says_so() -> None:
    module = Stubborn().eval()
    with torch.no_grad(), preserve_state(module):
        together = around(module, at_once=4)
        found = together.run(POINTS, ResumeStore(None, {}), silent)
        alone = around(module, at_once=1).run(POINTS, ResumeStore(None, {}), silent)
    np.testing.assert_array_equal(found.losses, alone.losses)
    assert together.notes == ["The network can be evaluated at one point only at a time."]


MADE: list[str] = []
"""Outside of the network, which is put back."""


class Elsewhere(nn.Module):
    """Notes where it makes tensors, and fails once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.body = network()
        self.error: Exception | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        MADE.append(torch.empty(0).device.type)
        if self.error is not None:
            raise self.error
        found: torch.Tensor = self.body(x)
        return found


def test_the_network_runs_at_a_point_as_it_does_anywhere_else() -> None:
    module = Elsewhere().eval()
    surroundings = around(module, at_once=1)
    with torch.no_grad(), torch.device("meta"), made_on_the_processor():
        surroundings.measure(POINTS[:1])
    assert MADE[-1] == "meta"
    module.error = KeyError("class")
    with pytest.raises(ModelError, match="fails on weights near its own: KeyError: 'class'"):
        surroundings.measure(POINTS[:1])


def test_a_run_that_was_ended_goes_on_and_gives_the_very_same(tmp_path) -> None:
    module = network()

    def stops(done: int, total: int, what: str) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with torch.no_grad(), preserve_state(module):
        whole = around(module, at_once=1).run(POINTS, ResumeStore(None, {}), silent)
        with pytest.raises(KeyboardInterrupt):
            around(module, at_once=1).run(POINTS, ResumeStore(tmp_path, {}), stops)
        kept = ResumeStore(tmp_path, {})
        assert len(list(kept.folder.glob("0*.json"))) == 2
        # What is kept is not evaluated again: it could be anything.
        kept.put("000000", {"losses": [123.0], "shares": [0.5]})
        calls: list[int] = []
        resumed = around(module, at_once=1)
        measure = resumed.measure
        resumed.measure = lambda points: calls.append(1) or measure(points)
        found = resumed.run(POINTS, ResumeStore(tmp_path, {}), silent)
    assert len(calls) == 2
    assert found.losses[0] == 123.0
    np.testing.assert_array_equal(found.losses[1:], whole.losses[1:])


def test_a_part_that_was_kept_broken_is_measured_again(tmp_path) -> None:
    module = network()
    kept = ResumeStore(tmp_path, {})
    for number, data in enumerate(
        [{"losses": [1.0]}, {"losses": [1.0, 2.0], "shares": [1.0, 1.0]}, {"losses": "x"}]
    ):
        kept.put(f"{number:06d}", data)
    with torch.no_grad(), preserve_state(module):
        found = around(module, at_once=1).run(POINTS, ResumeStore(tmp_path, {}), silent)
        whole = around(module, at_once=1).run(POINTS, ResumeStore(None, {}), silent)
    np.testing.assert_array_equal(found.losses, whole.losses)


def test_losses_that_are_not_finite_are_kept_as_such(tmp_path) -> None:
    module = network()
    far = torch.tensor([[0.0, 0.0], [1e300, 1e300]], dtype=torch.float64)
    with torch.no_grad(), preserve_state(module):
        first = around(module, at_once=1).run(far, ResumeStore(tmp_path, {}), silent)
        again = around(module, at_once=1).run(far, ResumeStore(tmp_path, {}), silent)
    assert not np.isfinite(first.losses[1])
    np.testing.assert_array_equal(first.losses, again.losses)


def test_few_images_go_through_with_several_points_and_many_alone() -> None:
    module = network()
    assert around(module).at_once == 1
    few = around(module)
    assert (
        LossSurroundings(few.model, few.inputs[:1], few.objective, few.directions, False, 8).at_once
        == 8
    )
