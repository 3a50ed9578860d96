"""The cosine between the gradients of two steps, beside that of all numbers in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cnnviz.gradients.monitor.gradient_agreement import MOST, Agreement
from tests.helpers.each_case import each_case


def _drawn(seed: int, *sizes: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(size, generator=random, dtype=torch.float64).to(dtype) for size in sizes]


def _flat(gradients: list[torch.Tensor]) -> np.ndarray:
    real = [torch.view_as_real(one) if one.is_complex() else one for one in gradients]
    return np.concatenate([one.double().numpy().ravel() for one in real])


@each_case(
    ("scale", "dtype"),
    [(1.0, torch.float32), (1e-30, torch.float32), (1e30, torch.float32), (1e-3, torch.float16),
     (1.0, torch.bfloat16), (1e-200, torch.float64), (1e200, torch.float64)],
)  # fmt: skip
def test_it_is_the_cosine_at_every_size_of_the_gradients(scale: float, dtype: torch.dtype) -> None:
    before, after = _drawn(0, 30, 7, dtype=dtype), _drawn(1, 30, 7, dtype=dtype)
    one, other = _flat(before), _flat(after)
    wanted = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    agreement = Agreement()
    assert agreement.take("layer", [gradient * scale for gradient in before]) is None
    found = agreement.take("layer", [gradient * scale for gradient in after])
    assert found.item() == pytest.approx(wanted, abs=1e-3 if dtype.itemsize == 2 else 1e-6)


def test_complex_gradients_count_with_both_their_parts() -> None:
    agreement = Agreement()
    agreement.take("layer", [torch.tensor([1.0 + 0.0j, 0.0])])
    assert agreement.take("layer", [torch.tensor([0.0 + 1.0j, 0.0])]).item() == 0.0
    assert agreement.take("layer", [torch.tensor([1.0 + 1.0j, 0.0])]).item() == pytest.approx(
        math.sqrt(0.5)
    )


def test_of_many_weights_an_even_part_is_looked_at() -> None:
    agreement = Agreement()
    several = [_drawn(seed, 3 * MOST, MOST) for seed in (0, 1)]
    for gradients in several:
        found = agreement.take("layer", gradients)
    one, other = (_flat([large[::6], small[::2]]) for large, small in several)
    assert len(one) == MOST
    wanted = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert found.item() == pytest.approx(wanted, abs=1e-6)


def test_there_is_none_the_first_time_and_none_to_a_layer_that_has_changed() -> None:
    agreement = Agreement()
    assert agreement.take("a", [torch.ones(3)]) is None
    assert agreement.take("b", [torch.ones(3)]) is None
    assert agreement.take("a", [torch.ones(4)]) is None
    assert agreement.take("a", [torch.ones(4)]).item() == pytest.approx(1.0)
    assert math.isnan(agreement.take("a", [torch.zeros(4)]).item())
    assert math.isnan(agreement.take("a", [torch.ones(4)]).item())
