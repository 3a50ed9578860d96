"""Losses and their slopes against torch.nn.functional and autograd, in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnviz.course.losses import descend, saturation, table
from tests.helpers.each_case import each_case

PLACES = torch.tensor([-40.0, -6.0, -1.5, -0.3, 0.4, 0.9, 1.7, 6.0, 40.0], dtype=torch.float64)
CLASSES, DELTA = 7, 0.8


def reference(name: str, x: torch.Tensor) -> torch.Tensor:
    """Return a loss for each place by the function of torch that has its name."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    logits = torch.cat([x[:, None], torch.zeros(len(x), CLASSES - 1, dtype=x.dtype)], 1)
    return {
        "mse": lambda: F.mse_loss(x, zero, reduction="none"),
        "mae": lambda: F.l1_loss(x, zero, reduction="none"),
        "huber": lambda: F.huber_loss(x, zero, reduction="none", delta=DELTA),
        # The hinge of two classes, whose logits differ by the margin.
        "hinge": lambda: 2.0 * F.multi_margin_loss(
            torch.stack([x, zero], 1), torch.zeros(len(x), dtype=torch.long), reduction="none"
        ),
        "bce": lambda: F.binary_cross_entropy_with_logits(x, one, reduction="none"),
        "cross_entropy": lambda: F.cross_entropy(
            logits, torch.zeros(len(x), dtype=torch.long), reduction="none"
        ),
        "brier": lambda: F.mse_loss(torch.sigmoid(x), one, reduction="none"),
    }[name]()  # fmt: skip


@each_case("name", [name for name in table() if name != "zero_one"])
def test_values_and_slopes_are_those_of_torch(name: str) -> None:
    loss = table(DELTA, CLASSES)[name]
    x = PLACES.clone().requires_grad_()
    expected = reference(name, x)
    (slopes,) = torch.autograd.grad(expected.sum(), x)
    # softplus in torch is a line past 20, which loses 2e-9.
    torch.testing.assert_close(loss.value(PLACES), expected.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(loss.slope(PLACES), slopes, rtol=1e-9, atol=1e-12)


def test_losses_of_a_margin_are_what_is_written_beside_them() -> None:
    known = table(classes=10)
    for m in (-2.0, 0.25, 3.0):
        x = torch.tensor(m, dtype=torch.float64)
        p = 1.0 / (1.0 + math.exp(-m))
        assert known["bce"].value(x).item() == pytest.approx(-math.log(p))
        assert known["hinge"].value(x).item() == max(0.0, 1.0 - m)
        assert known["brier"].value(x).item() == pytest.approx((1.0 - p) ** 2)
        of_ten = math.exp(m) / (math.exp(m) + 9.0)
        assert known["cross_entropy"].value(x).item() == pytest.approx(-math.log(of_ten))


def test_zero_one_counts_wrong_answers_and_has_no_slope() -> None:
    x = torch.tensor([-3.0, -1e-9, 0.0, 1e-9, 2.0], dtype=torch.float64)
    loss = table()["zero_one"]
    assert loss.value(x).tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert loss.slope(x).nan_to_num(-1.0).tolist() == [0.0, 0.0, -1.0, 0.0, 0.0]
    assert (descend(loss.slope, -1.0, 0.5, 5) == -1.0).all()


def test_it_saturates_where_the_slope_stays_below_a_share_of_the_greatest() -> None:
    places = np.linspace(-6.0, 6.0, 1201)

    def ends(name: str) -> tuple[float, float]:
        slopes = table(classes=10)[name].slope(torch.from_numpy(places)).numpy()
        return saturation(places, slopes, 0.05)

    assert np.isnan(ends("mse")).all()
    assert np.isnan(ends("mae")).all()
    assert ends("hinge")[1] == pytest.approx(1.0)
    greatest = 1.0 / (1.0 + math.exp(-6.0))
    assert ends("bce")[1] == pytest.approx(math.log(1.0 / (0.05 * greatest) - 1.0), abs=0.01)
    left, right = ends("brier")
    assert -6.0 < left < -4.0 < 2.0 < right < 3.0
    assert ends("zero_one") == (6.0, -6.0)


def test_a_descent_is_the_formula_of_it() -> None:
    path = descend(table()["mse"].slope, 4.0, 0.1, 3)
    np.testing.assert_allclose(path, [4.0, 3.2, 2.56, 2.048])
