"""Scenes that other tests are given without being painted anew are the same ones."""

import numpy as np

from cnnviz.datasets.shapes import Factors, Shapes, dataset
from tests.helpers.each_case import each_case
from tests.helpers.painted_scenes import painted_once


def test_a_scene_painted_before_is_the_same_and_nobody_writes_into_it(monkeypatch):
    anew = Shapes(seed=3)[7]
    drawn = []
    real = dataset.draw
    monkeypatch.setattr(dataset, "draw", lambda *a, **k: drawn.append(a) or real(*a, **k))
    with painted_once():
        first = Shapes(seed=3)[7]
        first.image[:] = 0
        first.mask[:] = first.full_mask[:] = True
        again = Shapes(seed=3)[7]
    assert len(drawn) == 1
    for name in ("image", "mask", "full_mask"):
        np.testing.assert_array_equal(getattr(again, name), getattr(anew, name))
    assert (again.label, again.factors, again.index) == (anew.label, anew.factors, anew.index)


@each_case(
    "other",
    [
        lambda: Shapes(seed=1).draw(2, Factors(), 5),
        lambda: Shapes(split="held-out").draw(2, Factors(), 5),
        lambda: Shapes(size=64).draw(2, Factors(), 5),
        lambda: Shapes().draw(3, Factors(), 5),
        lambda: Shapes().draw(2, Factors(), 6),
        lambda: Shapes().draw(2, Factors(hue=7.0), 5),
    ],
)
def test_scenes_that_differ_in_anything_are_told_apart(other):
    anew = other().image
    with painted_once():
        one = Shapes().draw(2, Factors(), 5).image
        found = other().image
    np.testing.assert_array_equal(found, anew)
    assert found.shape != one.shape or (found != one).any()
