"""Grad-CAM lies on the object: the map's maximum against the exact mask of 50 drawn scenes."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.datasets.shapes import Sample, Shapes
from cnnviz.models import load
from cnnviz.passes.captures import capture
from cnnviz.views.cam import cam

COUNT = 50


@pytest.fixture(scope="module")
def scenes() -> list[Sample]:
    return Shapes(split="held-out")[:COUNT]


def test_the_maximum_falls_inside_the_object(scenes: list[Sample]) -> None:
    model = load("shapes-residual")
    hits, right = [], []
    for begin in range(0, COUNT, 25):
        part = scenes[begin : begin + 25]
        held = capture(model, [scene.image for scene in part], layers="stages", gradients="layers")
        maps = cam(held)
        for place, scene in enumerate(part):
            hits.append(bool(scene.mask[maps.peak(place)]))
            right.append(held.target_classes[place] == scene.label)
    assert np.mean(right) >= 0.95
    # The top-1 class is what is explained, so its few errors count as well.
    assert np.mean(hits) >= 0.85


def test_a_chance_peak_would_not_pass(scenes: list[Sample]) -> None:
    assert np.mean([scene.mask.mean() for scene in scenes]) < 0.35
