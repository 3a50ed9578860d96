"""Derivatives against closed forms, and chains against layers built by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnviz.introspection.activation_functions import (
    SOFTMAX_UNITS,
    chain_gradients,
    sampled,
    second_moment,
    table,
)
from tests.helpers.each_case import each_case

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def _normal_cdf(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def _normal_density(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def _softmax_share(x: float) -> float:
    return math.exp(x) / (math.exp(x) + SOFTMAX_UNITS - 1)


# Value and derivative, written out by hand; at a kink the slope of either side would do.
CLOSED_FORMS = {
    "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * (1.0 - _sigmoid(x))),
    "tanh": (math.tanh, lambda x: 1.0 / math.cosh(x) ** 2),
    "relu": (lambda x: max(0.0, x), lambda x: float(x > 0.0)),
    "leaky_relu": (lambda x: x if x > 0.0 else 0.01 * x, lambda x: 1.0 if x > 0.0 else 0.01),
    "elu": (lambda x: x if x > 0.0 else math.expm1(x), lambda x: 1.0 if x > 0.0 else math.exp(x)),
    "selu": (
        lambda x: SELU_SCALE * (x if x > 0.0 else SELU_ALPHA * math.expm1(x)),
        lambda x: SELU_SCALE * (1.0 if x > 0.0 else SELU_ALPHA * math.exp(x)),
    ),
    "gelu": (lambda x: x * _normal_cdf(x), lambda x: _normal_cdf(x) + x * _normal_density(x)),
    "silu": (
        lambda x: x * _sigmoid(x),
        lambda x: _sigmoid(x) * (1.0 + x * (1.0 - _sigmoid(x))),
    ),
    "maxout": (lambda x: max(x, -0.5 * x), lambda x: 1.0 if x > 0.0 else -0.5),
    "softmax": (_softmax_share, lambda x: _softmax_share(x) * (1.0 - _softmax_share(x))),
}
CHAIN = {"layers": 10, "width": 128, "images": 32, "seed": 3}


def test_there_is_a_closed_form_for_every_function() -> None:
    assert set(CLOSED_FORMS) == set(table())


@pytest.mark.parametrize("name", CLOSED_FORMS)
@settings(max_examples=60, deadline=None)
@given(x=st.floats(-30.0, 30.0).filter(lambda x: abs(x) > 1e-9))
def test_values_and_derivatives_are_the_closed_forms(name: str, x: float) -> None:
    values, slopes = sampled(table()[name], torch.tensor([x], dtype=torch.float64))
    value, slope = (form(x) for form in CLOSED_FORMS[name])
    assert float(values) == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert float(slopes) == pytest.approx(slope, rel=1e-9, abs=1e-12)


def test_a_derivative_is_taken_inside_no_grad_and_inference_mode_too() -> None:
    x = torch.linspace(-1.0, 1.0, 5, dtype=torch.float64)
    wanted = sampled(table()["tanh"], x)[1]
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(sampled(table()["tanh"], x)[1], wanted)


@pytest.mark.parametrize(
    ("name", "gain"),
    [("relu", math.sqrt(2.0)), ("leaky_relu", nn.init.calculate_gain("leaky_relu", 0.01))],
)
def test_a_gain_is_the_one_of_torch(name: str, gain: float) -> None:
    assert table()[name].gain == pytest.approx(gain, rel=1e-12)


@each_case("name", ["elu", "gelu", "silu", "relu", "leaky_relu", "selu", "maxout"])
def test_suited_weights_keep_the_second_moment(name: str) -> None:
    found = table()[name]
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(200_000, found.pieces, generator=generator, dtype=torch.float64)
    drawn = found.layer(z).square().mean()
    assert float(drawn) * found.gain**2 == pytest.approx(1.0, abs=0.02)


def test_a_second_moment_is_an_integral_over_the_normal_density() -> None:
    assert float(second_moment(torch.square)) == pytest.approx(3.0, rel=1e-9)  # the kurtosis


@pytest.mark.parametrize("start", ["suited", "default"])
@pytest.mark.parametrize("name", ["sigmoid", "relu", "gelu", "softmax"])
def test_a_chain_sends_back_what_jacobians_multiplied_by_hand_give(name: str, start) -> None:
    width, images, layers = 6, 3, 4
    found = table()[name]
    generator = torch.Generator().manual_seed(1)
    draw = {"generator": generator, "dtype": torch.float64}
    h = torch.randn(images, width, **draw).numpy()
    jacobians = []
    for _ in range(layers):
        bias = np.zeros(width)
        if start == "suited":
            weight = (found.gain / width**0.5 * torch.randn(width, width, **draw)).numpy()
        else:
            weight, bias = (
                ((2.0 * torch.rand(shape, **draw) - 1.0) / width**0.5).numpy()
                for shape in ((width, width), (width,))
            )
        z = h @ weight.T + bias
        if name == "softmax":
            h = np.exp(z) / np.exp(z).sum(1, keepdims=True)
            slopes = [np.diag(row) - np.outer(row, row) for row in h]
        else:
            value, slope = CLOSED_FORMS[name]
            h = np.vectorize(value)(z)
            slopes = [np.diag(np.vectorize(slope)(row)) for row in z]
        jacobians.append([each @ weight for each in slopes])
    gradient = torch.randn(images, width, **draw).sign().numpy()
    norms = [np.sqrt((gradient**2).sum(1).mean())]
    for each in reversed(jacobians):
        gradient = np.stack([row @ jacobian for row, jacobian in zip(gradient, each, strict=True)])
        norms.append(np.sqrt((gradient**2).sum(1).mean()))
    measured = chain_gradients(found, start, layers=layers, width=width, images=images, seed=1)
    np.testing.assert_allclose(measured.numpy(), np.array(norms[::-1]) / norms[0], rtol=1e-9)


@each_case("name", ["relu", "leaky_relu", "elu", "selu", "maxout"])
def test_ten_layers_with_suited_weights_keep_a_gradient_of_rectifiers(name: str) -> None:
    assert 0.5 < float(chain_gradients(table()[name], "suited", **CHAIN)[0]) < 2.0


def test_ten_layers_of_sigmoids_lose_it_however_they_start() -> None:
    suited, default = (
        chain_gradients(table()["sigmoid"], s, **CHAIN) for s in ("suited", "default")
    )
    assert float(suited[0]) < 0.05
    # At best a quarter of each weight's share comes through: Glorot and Bengio 2010.
    assert float(default[0]) < 0.25**10
    assert bool((default.diff() > 0.0).all())


@each_case("name", ["relu", "leaky_relu", "gelu", "silu", "tanh"])
def test_default_weights_lose_it_where_suited_ones_keep_it(name: str) -> None:
    """Torch's default has a third of the variance that keeps a linear layer's scale."""
    suited, default = (chain_gradients(table()[name], s, **CHAIN) for s in ("suited", "default"))
    assert float(default[0]) < 0.1 * float(suited[0])
    linear = 3.0**-5
    assert float(default[0]) < 2.0 * linear


def test_a_chain_is_the_same_each_time_and_leaves_the_random_state() -> None:
    before = torch.random.get_rng_state()
    one, other = (chain_gradients(table()["gelu"], "default", **CHAIN) for _ in range(2))
    assert torch.equal(one, other)
    assert torch.equal(before, torch.random.get_rng_state())
    assert float(one[-1]) == 1.0
