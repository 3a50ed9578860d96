"""The view of gradient whiteness: the estimate itself, and gradients taken one at a time."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import ModelError, UsageError
from cnnviz.views.gradient_whiteness import autocorrelation, gradient_whiteness
from tests.helpers.architectures import feed, lasting_network, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state


def test_white_noise_has_none_and_a_slow_walk_nearly_all() -> None:
    drawn = np.random.default_rng(0).normal(size=(2000, 40))
    white = autocorrelation(drawn, 5)
    assert white[0] == 1.0
    assert np.abs(white[1:]).max() < 0.01
    assert autocorrelation(drawn.cumsum(axis=0), 5)[1] > 0.98


def test_a_moving_average_has_the_autocorrelation_that_it_must_have() -> None:
    drawn = np.random.default_rng(1).normal(size=(4000, 40))
    mean = sum(drawn[shift : 3998 + shift] for shift in range(3)) / 3.0
    np.testing.assert_allclose(autocorrelation(mean, 4), [1.0, 2 / 3, 1 / 3, 0, 0], atol=0.01)


def test_it_is_written_out_as_a_double_sum() -> None:
    vectors = np.random.default_rng(2).normal(size=(9, 3))
    mean = vectors.sum(axis=0) / 9.0
    total = sum((vector - mean) @ (vector - mean) for vector in vectors)
    wanted = sum((vectors[t] - mean) @ (vectors[t + 2] - mean) for t in range(7)) / total
    assert autocorrelation(vectors, 2)[2] == pytest.approx(wanted, rel=1e-12)


def test_gradients_that_do_not_change_have_no_autocorrelation() -> None:
    constant = np.broadcast_to(np.random.default_rng(3).normal(size=5), (10, 5))
    assert np.isnan(autocorrelation(constant)).all()
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    found = gradient_whiteness(linear, torch.rand(2, 3, 8, 8), points=6)
    assert "Sequential has a constant gradient" in found.summary()
    found.figure().draw_without_rendering()


def fed() -> nn.Sequential:
    module = tiny_network().double()
    feed(module, torch.randn(8, 3, 12, 12, dtype=torch.float64))
    return module


def test_the_gradients_are_those_of_single_images() -> None:
    torch.manual_seed(0)
    module = fed()
    ends = torch.rand(2, 3, 12, 12, dtype=torch.float64)
    found = gradient_whiteness(module, ends, points=12, seed=7)
    generator = torch.Generator().manual_seed(7)
    signs = torch.randn(4, generator=generator).sign().double()
    rows = []
    for share in np.linspace(0.0, 1.0, 12):
        leaf = ((1.0 - share) * ends[:1] + share * ends[1:]).requires_grad_()
        (row,) = torch.autograd.grad((copy.deepcopy(module)(leaf) * signs).sum(), leaf)
        rows.append(row.flatten())
    wanted = autocorrelation(torch.stack(rows).numpy())
    np.testing.assert_allclose(found.correlations[0, 0], wanted, rtol=1e-6, atol=1e-9)
    assert found.lags.tolist() == [0, 1, 2]
    assert found.series.shape == (1, 12)
    assert found.series[0].std() == pytest.approx(1.0)


def test_parts_of_a_line_give_the_same_as_the_whole(monkeypatch) -> None:
    torch.manual_seed(0)
    module, ends = fed(), torch.rand(2, 3, 12, 12, dtype=torch.float64)
    whole = gradient_whiteness(module, ends, points=11)
    monkeypatch.setattr("cnnviz.views.gradient_whiteness.rows_that_fit", lambda model, x: 4)
    parts = gradient_whiteness(module, ends, points=11)
    np.testing.assert_allclose(parts.correlations, whole.correlations, rtol=1e-9, atol=1e-12)


def test_depth_without_skips_makes_gradients_white_and_skips_keep_them_smooth() -> None:
    """At 56 layers the plain network is white and the ResNet is not (Balduzzi et al. 2017)."""
    found = gradient_whiteness(
        cnnviz.load("plain-56:width=8"), compare="resnet-56:width=8", lines=1, points=20
    )
    plain, residual = found.lag_one.values()
    assert abs(plain) < 0.15
    assert residual > plain + 0.15


def test_networks_are_compared_by_name_and_as_themselves() -> None:
    first, other = tiny_network(), tiny_network(seed=1)
    told: list[tuple[int, int]] = []
    found = gradient_whiteness(
        first, compare=["mlp-3, conv-3", other], points=8, lines=2,
        progress=lambda done, total, _: told.append((done, total)),
    )  # fmt: skip
    assert told == [(line, 8) for line in range(9)], "each line of each network"
    assert found.names == ("Sequential, 1", "mlp-3", "conv-3", "Sequential, 4")
    assert len(found.lag_one) == 4, "two of one name are two"
    assert found.correlations.shape == (4, 2, 2)
    assert sum(note.startswith("compared with") for note in found.provenance.notes) == 3
    left, right = found.figure().axes
    assert [text.get_text() for text in left.texts] == list(found.names)
    drawn = [line for line in right.lines if len(line.get_xdata()) == len(found.lags)]
    curves = [line.get_ydata() for line in drawn if line.get_marker() == "o"]
    np.testing.assert_array_equal(curves, found.mean)


def test_the_names_stand_clear_of_the_curves() -> None:
    found = gradient_whiteness(lasting_network(), compare=[tiny_network(seed=1)], points=8, lines=1)
    figure = found.figure()
    figure.draw_without_rendering()
    left = figure.axes[0]
    for text in left.texts:
        box = text.get_window_extent()
        for line in left.lines:
            ends = line.get_transform().transform(line.get_xydata())
            assert not ((ends[:, 1] > box.y0) & (ends[:, 1] < box.y1)).any()


def test_lines_lead_through_images_to_the_mirror_or_through_noise() -> None:
    module, x = lasting_network(), torch.rand(3, 3, 12, 12)
    assert gradient_whiteness(module, x, points=5).correlations.shape[1] == 2
    lone = gradient_whiteness(module, x[:1], points=5)
    mirrored = gradient_whiteness(module, torch.stack([x[0], x[0].flip(-1)]), points=5)
    np.testing.assert_array_equal(lone.correlations, mirrored.correlations)
    assert "to its mirror image" in lone.caption()
    drawn = gradient_whiteness(module, x, along="noise", points=5)
    np.testing.assert_array_equal(drawn.series, gradient_whiteness(module, points=5).series)
    assert drawn.provenance.images == ()


def test_the_model_is_left_alone_and_the_same_is_found_each_time() -> None:
    module = tiny_network().train()
    before = state(module)
    with torch.inference_mode():
        found = gradient_whiteness(module, points=6, lines=2)
    assert state(module) == before
    again = gradient_whiteness(module, points=6, lines=2)
    np.testing.assert_array_equal(found.series, again.series)
    assert "1 batch norm had seen no data" in found.caption()


@each_case("arguments", [{"points": 2}, {"lines": 0}, {"seed": -1}, {"along": "photos"}])
def test_bad_arguments_are_sentences(arguments) -> None:
    with pytest.raises(UsageError, match=r"cannot be|no lines along"):
        gradient_whiteness(lasting_network(), **arguments)


def test_a_network_under_no_grad_is_refused() -> None:
    class Frozen(nn.Sequential):
        @torch.no_grad()
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs)

    with pytest.raises(ModelError, match="in a differentiable way"):
        gradient_whiteness(Frozen(nn.Flatten(), nn.Linear(192, 4)), torch.rand(2, 3, 8, 8))
