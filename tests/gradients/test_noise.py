"""The input that stands for data: standard normal, the same each time, and nobody else's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnviz.gradients.noise import NOISE_SEED, noise
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from tests.helpers.architectures import tiny_network


def model(side: int, dtype: torch.dtype = torch.float32) -> Model:
    size = Preprocessing(side, (side, side), (0.5,) * 3, (0.25,) * 3)
    return Model(tiny_network().to(dtype), preprocessing=size)


@pytest.mark.parametrize(("side", "count"), [(96, 32), (97, 8)])
def test_large_images_come_in_smaller_batches(side: int, count: int) -> None:
    assert noise(model(side)).shape == (count, 3, side, side)


def test_values_are_standard_normal() -> None:
    values = np.sort(noise(model(64)).double().numpy().ravel())
    assert abs(values.mean()) < 4.0 / len(values) ** 0.5
    assert values.std() == pytest.approx(1.0, abs=4.0 / (2.0 * len(values)) ** 0.5)
    # Shares below -1.96, 0 and 1.96, as any table of the normal distribution has them.
    shares = np.searchsorted(values, [-1.96, 0.0, 1.96]) / len(values)
    np.testing.assert_allclose(shares, [0.025, 0.5, 0.975], atol=0.003)


def test_it_is_the_same_each_time_and_draws_from_no_generator_but_its_own() -> None:
    before = torch.random.get_rng_state()
    first = noise(model(8))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(5)
    assert torch.equal(noise(model(8)), first)
    assert torch.equal(noise(model(8), NOISE_SEED), first)
    assert not torch.equal(noise(model(8), NOISE_SEED + 1), first)


def test_it_is_of_the_network_s_type() -> None:
    found = noise(model(8, torch.float64))
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, noise(model(8)).double())
