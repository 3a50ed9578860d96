import numpy as np
import pytest
import torch

from cnnviz.heatmaps.checks.drop_increase import drop_increase
from cnnviz.heatmaps.checks.random_maps import random_maps
from tests.helpers.reference_scores import probability


def test_drop_and_increase_are_those_of_the_paper(subject, maps):
    chance = random_maps(maps, 3, seed=2)
    found = drop_increase(subject, maps, chance)
    drop, increase, brightness = found.measures()
    for image in range(2):
        whole = probability(subject, image, subject.inputs[image])
        for values, dropped, rose, bright in [
            (maps[image], drop.values[image], increase.values[image], brightness.values[image]),
            *zip(
                chance[image],
                drop.random[image],
                increase.random[image],
                brightness.random[image],
                strict=True,
            ),
        ]:
            kept = torch.from_numpy(np.maximum(values, 0) / values.max())
            answer = probability(subject, image, subject.inputs[image] * kept)
            assert dropped == pytest.approx(max(0.0, whole - answer) / whole, abs=1e-6)
            assert rose == (answer > whole)
            assert bright == pytest.approx(float(kept.mean()), abs=1e-6)


def test_a_map_that_is_bright_everywhere_loses_nothing_and_says_so(subject):
    flat = np.ones((2, 3, 4), np.float32)
    drop, _, brightness = drop_increase(subject, flat, random_maps(flat, 1, seed=0)).measures()
    np.testing.assert_allclose(drop.values, 0.0, atol=1e-6)
    assert brightness.values.tolist() == [1.0, 1.0]
    assert drop.beaten == 0.5, "a tie with the random map, which is as flat"


def test_random_maps_are_exactly_as_bright_at_the_size_of_the_input(subject, maps):
    found = drop_increase(subject, maps, random_maps(maps, 4, seed=0))
    expected = np.broadcast_to(found.brightness[:, None], (2, 4))
    np.testing.assert_allclose(found.random_brightness, expected, rtol=1e-5)
