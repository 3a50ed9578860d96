"""The view of optimizers: what it chose and tells, and what it draws, still and moving."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import cnnviz
from cnnviz.course.optimizers import descend as run
from cnnviz.course.optimizers import table
from cnnviz.course.surfaces import valley
from cnnviz.errors import UsageError
from cnnviz.views.optimizers import TRIED, OptimizerPaths
from tests.helpers.architectures import tiny_network
from tests.helpers.each_case import each_case


@pytest.fixture(scope="module")
def found() -> OptimizerPaths:
    return cnnviz.optimizers(optimizers="gd, adam", steps=25)


def test_three_rates_of_each_are_shown_with_what_they_did(found: OptimizerPaths) -> None:
    assert found.optimizers == ("gd", "adam")
    assert (np.diff(found.rates, axis=1) > 0.0).all()
    assert np.isin(found.rates, TRIED).all()
    again = run(valley(), table()["gd"], found.rates[0].tolist(), 25)
    np.testing.assert_array_equal(found.paths[0], again.paths)
    np.testing.assert_array_equal(found.losses[0], again.losses)
    assert (found.losses[:, 0, -1] > 0.25 * found.first).all(), "too small leaves much"
    assert (found.losses[:, 2].mean(1) > found.first).all(), "too large is worse than nothing"
    best = found.mean_losses.argmin(1)
    np.testing.assert_array_equal(found.rates[:, 1], TRIED[best])


def test_the_limit_of_gradient_descent_lies_where_it_began_to_climb(found: OptimizerPaths) -> None:
    edge = found.edge()
    assert found.limit == pytest.approx(0.08)
    assert edge is not None
    assert TRIED[np.searchsorted(TRIED, edge) - 1] < found.limit < edge
    assert "2 / L = 0.08" in found.caption()
    assert cnnviz.optimizers(optimizers="adam", steps=1).edge() is None


def test_a_descent_is_through_when_it_stays_below_a_hundredth(found: OptimizerPaths) -> None:
    losses = found.losses.copy()
    losses[0, 1] = found.first
    losses[0, 1, 3] = 0.0  # On its way through the minimum.
    losses[0, 1, 20:] = 0.0
    changed = dataclasses.replace(found, losses=losses)
    assert changed.steps_needed[0, 1] == 20
    losses[0, 1, 25] = found.first
    assert np.isnan(changed.steps_needed[0, 1])
    assert "gradient descent over 25" in changed.summary()


def test_the_plane_of_a_network_is_descended_where_it_was_measured() -> None:
    network, images = tiny_network(), torch.rand(2, 3, 12, 12, generator=torch.manual_seed(0))
    plane = cnnviz.loss_landscape(network, images, [0, 1], points=7)
    result = cnnviz.optimizers(plane, optimizers="gd", steps=5)
    np.testing.assert_allclose(result.heights, plane.losses, rtol=1e-9)
    assert result.least == pytest.approx(plane.losses.min())
    assert result.provenance.weights_sha256 == plane.provenance.weights_sha256
    assert np.isnan(result.limit)
    assert result.figure().axes[0].get_xlabel() == "along the first direction"
    assert result.error > 0.0
    assert "measured at 49 points" in result.caption()
    assert "2 / L" not in result.caption()
    line = cnnviz.loss_landscape(network, images, [0, 1], points=7, dimensions=1)
    with pytest.raises(UsageError, match="No surface of finite losses"):
        cnnviz.optimizers(line)


def test_the_picture_draws_the_paths_and_the_losses(found: OptimizerPaths) -> None:
    axes = found.figure().axes
    assert len(axes) == 7
    for column in range(3):
        paths = [one for one in axes[column].lines if len(one.get_xdata()) == 26]
        np.testing.assert_array_equal(paths[1].get_xdata(), found.paths[1, column, :, 0])
    curves = [one for one in axes[4].lines if len(one.get_xdata()) == 26]
    np.testing.assert_array_equal(curves[0].get_ydata(), found.losses[0, 1])
    legend = [text.get_text() for text in axes[6].get_legend().get_texts()]
    assert legend[0].startswith("gradient descent: ")
    marks = {text.get_text(): text.xy for text in axes[0].texts}
    assert marks == {"start": tuple(found.paths[0, 0, 0]), "least loss": found.minimum}
    assert (axes[0].get_xlabel(), axes[0].get_ylabel()) == ("x", "y")


def test_the_paths_grow_from_frame_to_frame() -> None:
    lengths, titles = [], []
    for frame in cnnviz.optimizers(steps=3).frames():
        lengths.append(len(frame.canvas.axes[1].lines[2].get_xdata()))
        titles.append(frame.canvas.axes[3].texts[0].get_text())
    assert lengths == list(range(1, 5))
    assert titles == [f"step {step} of 3" for step in range(4)]
    assert len(list(cnnviz.optimizers(optimizers="gd", steps=1).frames())) == 2


@each_case(
    ("given", "message"),
    [
        ({"surface": "vally"}, r"no surface 'vally'.*Did you mean 'valley'"),
        ({"optimizers": ","}, "No optimizer was named"),
        ({"optimizers": "lion"}, "no optimizer 'lion'"),
        ({"steps": 0}, "steps cannot be 0"),
        ({"seed": -1}, "seed cannot be -1"),
    ],
)
def test_bad_arguments_are_sentences(given, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cnnviz.optimizers(**given)
