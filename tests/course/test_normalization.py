"""Ways to normalise, against torch's own in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnviz.course.normalization import METHODS, normalized, statistics, usual_groups
from tests.helpers.each_case import each_case

MAPS = np.random.default_rng(0).normal(3.0, 20.0, size=(3, 8, 5, 6))


def _by_torch(method: str) -> torch.Tensor:
    maps = torch.from_numpy(MAPS)
    made = {
        "batch": lambda: F.batch_norm(maps, None, None, training=True),
        "layer": lambda: F.layer_norm(maps, maps.shape[1:]),
        "instance": lambda: F.instance_norm(maps),
        "group": lambda: F.group_norm(maps, 4),
        # torch divides alpha by the number of neighbours, and the paper does not.
        "local response": lambda: F.local_response_norm(maps, 5, alpha=5e-4, beta=0.75, k=2.0),
    }
    return made[method]()


@each_case("method", METHODS)
def test_every_method_is_that_of_torch(method: str) -> None:
    np.testing.assert_allclose(normalized(MAPS, method, 4), _by_torch(method).numpy(), atol=1e-9)


@pytest.mark.parametrize(
    ("method", "shape"),
    [("batch", (8,)), ("layer", (3,)), ("instance", (3, 8)), ("group", (3, 4))],
)
def test_statistics_are_those_of_the_sets(method: str, shape: tuple[int, ...]) -> None:
    mean, deviation = statistics(MAPS, method, 4)
    assert mean.shape == deviation.shape == shape
    place = tuple(length - 1 for length in shape)
    chosen = {
        "batch": MAPS[:, -1], "layer": MAPS[-1], "instance": MAPS[-1, -1], "group": MAPS[-1, -2:],
    }[method]  # fmt: skip
    assert mean[place] == pytest.approx(np.mean(chosen))
    assert deviation[place] == pytest.approx(np.std(chosen))
    after, spread = statistics(normalized(MAPS, method, 4), method, 4)
    np.testing.assert_allclose(after, 0, atol=1e-12)
    np.testing.assert_allclose(spread, 1, atol=1e-6)


def test_special_cases_are_one_another() -> None:
    one = MAPS[:1]
    np.testing.assert_allclose(normalized(one, "batch", 1), normalized(one, "instance", 1))
    np.testing.assert_allclose(normalized(MAPS, "group", 1), normalized(MAPS, "layer", 1))
    np.testing.assert_allclose(normalized(MAPS, "group", 8), normalized(MAPS, "instance", 1))
    assert not normalized(np.full((1, 2, 3, 3), 7.0), "instance", 1).any()


@each_case(("channels", "groups"), [(64, 32), (32, 16), (48, 24), (6, 3), (7, 1), (1, 1)])
def test_the_usual_groups_divide_the_channels(channels: int, groups: int) -> None:
    assert usual_groups(channels) == groups
