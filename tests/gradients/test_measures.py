"""Each measure against a plain one in NumPy's double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnviz.gradients import measures
from tests.helpers.each_case import each_case


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(-40, 30))
def test_norms_are_those_of_double_precision_at_any_size(n, c, side, decade) -> None:
    values = noise(n, c, side, side) * 10.0**decade
    wanted = np.sqrt((values.double().numpy() ** 2).sum((1, 2, 3)))
    np.testing.assert_allclose(measures.sample_norms(values).numpy(), wanted, rtol=1e-5)
    found = measures.rms_norm(values).item()
    assert found == pytest.approx(np.sqrt((wanted**2).mean()), rel=1e-5)


@each_case("decade", [-300, -170, 0, 160, 290])
def test_norms_of_doubles_whose_squares_leave_their_range(decade: int) -> None:
    plain = noise(3, 2, 4).double()
    values = plain * 10.0**decade
    wanted = plain.flatten(1).norm(dim=1)
    found = measures.sample_norms(values) / 10.0**decade
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0.0)
    whole = measures.rms_norm(values) / 10.0**decade
    assert whole.item() == pytest.approx(wanted.square().mean().sqrt().item(), rel=1e-12)


@each_case("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_norms_of_other_types(dtype: torch.dtype) -> None:
    values = (noise(3, 2, 4) * 100).to(dtype)
    wanted = values.double().flatten(1).norm(dim=1)
    torch.testing.assert_close(measures.sample_norms(values).double(), wanted)


def test_norms_on_other_devices_are_summed_in_double_precision() -> None:
    found = measures.sample_norms(torch.empty(3, 2, 4, device="meta"))
    assert (found.shape, found.dtype, found.device.type) == ((3,), torch.float64, "meta")


def test_a_norm_grows_with_the_batch_only_if_the_samples_do() -> None:
    values = noise(4, 3, 5)
    twice = torch.cat([values, values])
    assert measures.rms_norm(twice).item() == pytest.approx(measures.rms_norm(values).item())
    assert measures.rms_norm(torch.tensor(3.0)).item() == pytest.approx(3.0)


def test_nonfinite_values_are_counted_and_reach_the_norm() -> None:
    values = noise(2, 5)
    assert measures.nonfinite(values).item() == 0
    values[0, 1], values[1, 2], values[1, 3] = float("nan"), float("inf"), -float("inf")
    assert measures.nonfinite(values).item() == 3
    assert not torch.isfinite(measures.rms_norm(values))


def test_a_channel_is_dead_only_if_it_rests_everywhere() -> None:
    slope = torch.zeros(3, 4, 5, 5)
    slope[2, 1, 4, 4] = 1.0
    slope[:, 3] = 1.0
    assert measures.dead_channels(slope).tolist() == [True, False, True, False]
    tokens = slope.permute(0, 2, 3, 1)
    assert measures.dead_channels(tokens, axis=-1).tolist() == [True, False, True, False]
    assert measures.dead_channels(slope > 0).tolist() == [True, False, True, False]
    assert measures.dead_channels(torch.tensor([[0.0, 1.0]])).tolist() == [True, False]
    falling = torch.tensor([[0.0, -0.1], [0.0, 0.0]])  # as on the left of a GELU
    assert measures.dead_channels(falling).tolist() == [True, False]


def test_half_the_zeros_of_a_relu_are_no_dead_channel() -> None:
    x = noise(4, 8, 6, 6)
    assert ((x > 0).float().mean() - 0.5).abs() < 0.05
    assert not measures.dead_channels(x > 0).any()


def test_saturation_of_a_sigmoid_is_where_its_slope_is_small() -> None:
    x = torch.linspace(-10, 10, 2001, dtype=torch.float64)
    slope = x.sigmoid() * (1 - x.sigmoid())
    # s (1 - s) = 0.05 / 4 at s = (1 + sqrt(0.95)) / 2, that is at |x| = 4.357.
    edge = np.log((1 + np.sqrt(0.95)) / (1 - np.sqrt(0.95)))
    wanted = (np.abs(x.numpy()) > edge).mean()
    assert measures.saturated_fraction(slope, 0.25).item() == pytest.approx(wanted)


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-3, 1e3))
def test_weights_before_a_normalisation_have_a_figure_without_scale(scale: float) -> None:
    def figures(factor: float) -> tuple[float, float]:
        layer, norm = nn.Linear(6, 5, bias=False).double(), nn.BatchNorm1d(5, eps=1e-30).double()
        layer.weight.data = noise(5, 6).double() * factor
        output = norm(layer(noise(8, 6, seed=1).double()))
        target = noise(8, 5, seed=2).double()
        (gradient,) = torch.autograd.grad((output * target).sum(), layer.weight)
        norms = measures.joint_norm([gradient]), measures.joint_norm([layer.weight])
        return tuple(
            measures.weight_figure(*norms, scale_invariant=free).item() for free in (True, False)
        )

    (kept, relative), (other, moved) = figures(1.0), figures(scale)
    assert other == pytest.approx(kept, rel=1e-6)
    assert moved == pytest.approx(relative / scale**2, rel=1e-6)


def test_the_figure_of_weights_of_zero_is_no_number_that_misleads() -> None:
    zero, one = torch.tensor(0.0), torch.tensor(1.0)
    assert measures.weight_figure(zero, zero, scale_invariant=False).item() == 0.0
    assert measures.weight_figure(one, zero, scale_invariant=False).item() == float("inf")


def test_a_joint_norm_is_that_of_one_vector() -> None:
    parts = [noise(3, 4), noise(2, 2, 2, seed=1)]
    wanted = torch.cat([part.flatten() for part in parts]).double().norm()
    torch.testing.assert_close(measures.joint_norm(parts), wanted)


def test_a_histogram_counts_every_finite_value_once() -> None:
    values = torch.tensor([0.0, -0.0, 1e-30, 1.0, -1.5, 3.2, 1e9, 1e12, float("nan"), float("inf")])
    counts = measures.log_histogram(values)
    edges = np.array(measures.HISTOGRAM_EDGES)
    assert len(counts) == len(edges) + 1
    assert counts.sum().item() == 8
    assert (counts[0].item(), counts[1].item(), counts[-1].item()) == (2, 1, 1)
    wanted, _ = np.histogram(np.log10([1.0, 1.5, 3.2, 1e9]), edges)
    assert counts[2:-1].tolist() == wanted[:-1].tolist()


@settings(max_examples=25, deadline=None)
@given(st.integers(-19, 9), st.integers(1, 200))
def test_a_histogram_is_that_of_numpy(decade: int, count: int) -> None:
    values = noise(count, seed=count) * 10.0**decade
    edges = np.array([-np.inf, *measures.HISTOGRAM_EDGES[:-1], np.inf])
    wanted, _ = np.histogram(np.log10(values.abs().numpy()), edges)
    assert measures.log_histogram(values)[1:].tolist() == wanted.tolist()
