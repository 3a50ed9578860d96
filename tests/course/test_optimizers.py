"""Optimizers and surfaces against the formulas of their papers, in plain double precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from cnnviz.course.optimizers import choose_rates, descend, table
from cnnviz.course.surfaces import (
    ANALYTIC,
    beale,
    interpolation_error,
    measured,
    rosenbrock,
    valley,
)
from cnnviz.errors import UsageError
from tests.helpers.each_case import each_case

Step = Callable[[list[float]], list[float]]


def gradient(name: str, x: float, y: float) -> tuple[float, float]:
    """Return the gradient of a surface, worked out by hand."""
    if name == "valley":
        return x, 25.0 * y
    if name == "rosenbrock":
        return -2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)
    terms = [(a - x + x * y**k, k) for k, a in enumerate((1.5, 2.25, 2.625), 1)]
    down = sum(2.0 * term * (y**k - 1.0) for term, k in terms)
    return down, sum(2.0 * term * x * k * y ** (k - 1) for term, k in terms)


def by_hand(name: str, rate: float) -> Iterator[Callable[[float], float]]:
    """Yield for each of the two numbers a function from its gradient to its step."""

    def momentum(nesterov: bool) -> Callable[[float], float]:
        held = [0.0]

        def step(g: float) -> float:
            held[0] = 0.9 * held[0] + g
            return -rate * (g + 0.9 * held[0] if nesterov else held[0])

        return step

    def adagrad() -> Callable[[float], float]:
        total = [0.0]

        def step(g: float) -> float:
            total[0] += g * g
            return -rate * g / (math.sqrt(total[0]) + 1e-10)

        return step

    def rmsprop() -> Callable[[float], float]:
        mean = [0.0]

        def step(g: float) -> float:
            mean[0] = 0.9 * mean[0] + 0.1 * g * g
            return -rate * g / (math.sqrt(mean[0]) + 1e-8)

        return step

    def adadelta() -> Callable[[float], float]:
        of_g, of_step = [0.0], [0.0]

        def step(g: float) -> float:
            of_g[0] = 0.95 * of_g[0] + 0.05 * g * g
            found = -math.sqrt(of_step[0] + 1e-6) / math.sqrt(of_g[0] + 1e-6) * g
            of_step[0] = 0.95 * of_step[0] + 0.05 * found * found
            return rate * found

        return step

    def adam() -> Callable[[float], float]:
        m, v, t = [0.0], [0.0], [0]

        def step(g: float) -> float:
            t[0] += 1
            m[0] = 0.9 * m[0] + 0.1 * g
            v[0] = 0.999 * v[0] + 0.001 * g * g
            right = m[0] / (1.0 - 0.9 ** t[0]), v[0] / (1.0 - 0.999 ** t[0])
            return -rate * right[0] / (math.sqrt(right[1]) + 1e-8)

        return step

    kinds = {
        "gd": lambda: lambda g: -rate * g,
        "momentum": lambda: momentum(False),
        "nesterov": lambda: momentum(True),
        "adagrad": adagrad,
        "rmsprop": rmsprop,
        "adadelta": adadelta,
        "adam": adam,
    }
    for _ in range(2):
        yield kinds[name]()


@each_case("surface", ANALYTIC)
@each_case("name", table())
def test_a_path_is_the_formula_of_the_paper(name: str, surface: str) -> None:
    ground, rates = ANALYTIC[surface](), (1e-4, 2e-3)
    found = descend(ground, table()[name], rates, 12)
    assert found.paths.shape == (2, 13, 2)
    for rate, path, losses in zip(rates, found.paths, found.losses, strict=True):
        place, steps = list(ground.start), list(by_hand(name, rate))
        for at, loss in zip(path, losses, strict=True):
            np.testing.assert_allclose(at, place, rtol=1e-10)
            assert loss == pytest.approx(ground.at(tuple(place)), rel=1e-10)
            slopes = gradient(surface, *place)
            place = [
                number + step(slope)
                for number, step, slope in zip(place, steps, slopes, strict=True)
            ]


def test_gradient_descent_converges_below_two_over_the_curvature_and_diverges_above() -> None:
    ground = valley()
    limit = 2.0 / ground.curvature()
    assert limit == pytest.approx(2.0 / 25.0)
    found = descend(ground, table()["gd"], (0.99 * limit, 1.01 * limit), 600)
    assert found.losses[0, -1] < 1e-4 * found.losses[0, 0]
    assert found.losses[1, -1] > 100.0 * found.losses[1, 0]


def test_the_surfaces_are_those_of_their_papers() -> None:
    for surface in (one() for one in ANALYTIC.values()):
        assert surface.at(surface.minimum) == 0.0
        assert gradient(surface.name, *surface.minimum) == (0.0, 0.0)
        for place in (surface.start, surface.minimum):
            assert surface.x[0] < place[0] < surface.x[-1]
            assert surface.y[0] < place[1] < surface.y[-1]
    assert (rosenbrock().y[0], rosenbrock().y[-1]) == (-1.0, 3.0)
    assert rosenbrock().at((1.0, 1.0)) == 0.0
    assert rosenbrock().at((-1.2, 1.0)) == pytest.approx(24.2)
    # The Hessian at the minimum is [[802, -400], [-400, 200]].
    wanted = (1002 + math.sqrt(1002**2 - 4 * (802 * 200 - 400**2))) / 2
    assert rosenbrock().curvature() == pytest.approx(wanted)
    assert beale().at((1.0, 1.0)) == pytest.approx(1.5**2 + 2.25**2 + 2.625**2)
    heights = valley().heights()
    assert heights.shape == (61, 61)
    assert heights[0, -1] == pytest.approx((4.0**2 + 25.0 * 3.0**2) / 2.0)


def test_a_measured_surface_goes_through_its_points_and_ends_with_them() -> None:
    x, y = np.linspace(-1.0, 1.0, 9), np.linspace(-2.0, 2.0, 11)
    across, up = np.meshgrid(x, y)
    losses = np.exp(0.5 * across) + up**2
    ground = measured("a plane", x, y, losses)
    np.testing.assert_allclose(ground.heights(), losses, rtol=1e-12)
    assert ground.minimum == (-1.0, 0.0)
    between = ground.at((0.1, 0.37))
    assert between == pytest.approx(math.exp(0.05) + 0.37**2, abs=0.02)
    assert math.isnan(ground.at((1.2, 0.0)))
    assert ground.start[0] == pytest.approx(0.8)
    error = interpolation_error(x, y, losses)
    assert 0.02 < error < 0.1
    assert interpolation_error(x, y, np.ones_like(losses)) == pytest.approx(0.0, abs=1e-12)
    lost = descend(ground, table()["gd"], (10.0,), 3)
    assert np.isnan(lost.losses[0, -1])


@pytest.mark.parametrize("losses", [np.ones((1, 9)), np.full((9, 9), np.nan)])
def test_what_is_no_surface_is_refused(losses) -> None:
    with pytest.raises(UsageError, match="No surface of finite losses"):
        measured("none", np.arange(9.0), np.arange(float(len(losses))), losses)


def test_rates_are_chosen_by_what_they_did() -> None:
    start = 10.0
    ends = [9.0, 4.0, 1.0, 0.5, 0.6, 2.0]
    losses = np.array([[start, (start + end) / 2, end] for end in ends])
    assert choose_rates(losses, 0.0) == (1, 3, 5)
    losses[4, 1] = 11.0  # It climbs, though it comes down again.
    assert choose_rates(losses, 0.0) == (1, 3, 5)
    losses[4, 1] = 20.0  # It stays higher than it began for most of the way.
    assert choose_rates(losses, 0.0) == (1, 3, 4)
    losses[4, 1:] = np.nan
    assert choose_rates(losses, 0.0) == (1, 3, 4)
    assert choose_rates(losses[2:4], 0.0) == (0, 1, 1)


def test_nothing_is_drawn_at_random() -> None:
    before = torch.random.get_rng_state()
    descend(valley(), table()["adam"], (0.1,), 2)
    assert torch.equal(before, torch.random.get_rng_state())
