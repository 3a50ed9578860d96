"""Scores that have no probability: curves of them are as exact as the score's own precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.images.baselines import baseline_images

STEPS = 5


def _regression(offset: float) -> nn.Module:
    torch.manual_seed(1)
    ends = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 1))
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), *ends).eval()
    with torch.no_grad():
        ends[-1].bias += offset
    return network


def _image() -> torch.Tensor:
    return torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(2)) * 2 - 1


def _found(offset: float, dtype: torch.dtype) -> tuple[cnnviz.Faithfulness, np.ndarray]:
    model = cnnviz.load(_regression(offset).to(dtype), output="value")
    image = _image().to(dtype)
    heatmap = cnnviz.attribute(model, image, method="saliency")
    options = {"measures": ("curves",), "random": 1, "steps": STEPS, "baselines": ("mean",)}
    return cnnviz.faithfulness(model, image, heatmap, **options), heatmap.maps[0][0]


def _wanted(offset: float, heatmap: np.ndarray) -> tuple[np.ndarray, float]:
    """Delete pixel after pixel in double precision; return the curve, and 1 ulp of the score."""
    network, image = _regression(offset).double(), _image().double()
    blank = baseline_images(cnnviz.Model(network).preprocessing, image, "mean", 0)
    order = np.argsort(np.argsort(-heatmap.ravel(), kind="stable"), kind="stable")
    trials = []
    for step in range(STEPS + 1):
        gone = torch.from_numpy(order < round(step * order.size / STEPS)).view(image.shape[2:])
        trials.append(torch.where(gone, blank[0], image[0]))
    with torch.no_grad():
        scores = network(torch.stack(trials))[:, 0].numpy()
    span = abs(scores[0] - scores[-1])
    return (scores - scores[-1]) / span, float(np.finfo(np.float32).eps * abs(scores).max() / span)


@pytest.mark.parametrize("offset", [0.0, 10.0, 1000.0])
def test_curves_of_scores_differ_from_double_precision_by_the_rounding_of_the_score(offset):
    found, heatmap = _found(offset, torch.float64)
    wanted, _ = _wanted(offset, heatmap)
    np.testing.assert_allclose(found.curves.deletion[0, 0], wanted, atol=1e-9)
    found, heatmap = _found(offset, torch.float32)
    wanted, rounding = _wanted(offset, heatmap)
    np.testing.assert_allclose(found.curves.deletion[0, 0], wanted, atol=2.0 * rounding)
    assert any("rounding reaches" in note for note in found.notes) == (rounding > 1e-3)
    assert (rounding > 1e-3) == (offset == 1000.0)


def test_a_change_within_rounding_is_not_scaled_up():
    found, _ = _found(1e6, torch.float32)
    assert any("1 of 1 photo the score is that of a blank one" in note for note in found.notes)
    # An eighth is what two of these numbers are apart at most.
    assert np.abs(found.curves.deletion).max() <= 0.25
    assert found.curves.deletion[0, 0, 0] == 0.0
    exact, _ = _found(1e6, torch.float64)
    assert not exact.notes
    assert exact.curves.deletion[0, 0, 0] in (1.0, -1.0)


def test_nothing_is_said_of_curves_where_none_is_measured():
    model, image = cnnviz.load(_regression(1000.0), output="value"), _image()
    heatmap = cnnviz.attribute(model, image, method="saliency")
    for measures, told in ((("stability",), False), (("drop", "stability"), True)):
        found = cnnviz.faithfulness(model, image, heatmap, measures=measures, random=1)
        assert any("rounding" in note for note in found.notes) is told
