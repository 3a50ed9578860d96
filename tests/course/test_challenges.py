"""Sweeps over photos and scenes: the first amount is the image as it is, and one factor changes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from cnnviz.course.challenges import SweptPhoto, SweptSample, share_inside, similarity
from cnnviz.datasets.shapes import LIMITS, Shapes, draw
from cnnviz.images import PhotoBox, Preprocessing
from cnnviz.images.transforms import Scene, turned, whole_matrix
from tests.helpers.each_case import each_case

SHAPES = Shapes(split="held-out", size=64)


def swept_sample(index: int = 19) -> SweptSample:
    def preprocess(picture: np.ndarray) -> tuple[np.ndarray, PhotoBox]:
        return picture.transpose(2, 0, 1).astype(np.float32), PhotoBox(0, 0, 64, 64)

    return SweptSample(SHAPES[index], preprocess)


def swept_photo() -> SweptPhoto:
    values = np.random.default_rng(0).normal(0.0, 1.0, (3, 40, 50)).astype(np.float32)
    preprocessing = Preprocessing(None, (32, 32), (0.5,) * 3, (0.2,) * 3)
    return SweptPhoto(Scene(values, (9, 4), (32, 32)), preprocessing)


@pytest.mark.parametrize("swept", [swept_sample(), swept_photo()], ids=["scene", "photo"])
def test_every_sweep_starts_at_the_image_as_it_is(swept) -> None:
    first = swept.variant(swept.sweeps[0], swept.sweeps[0].start)
    for sweep in swept.sweeps:
        amounts = sweep.amounts(5)
        assert amounts[0] == (round(sweep.start) if sweep.whole else sweep.start)
        one = swept.variant(sweep, float(amounts[0]))
        np.testing.assert_array_equal(one.values, first.values)
        np.testing.assert_allclose(one.back, np.eye(3), atol=1e-9)
        last = swept.variant(sweep, float(amounts[-1]))
        assert np.abs(last.values - first.values).max() > 0.0, sweep.name


def test_a_scene_is_rendered_with_one_factor_changed() -> None:
    swept, own = swept_sample(), SHAPES[19]
    factors = {
        "darker": "brightness",
        "turned": "rotation",
        "hidden": "occlusion",
        "more clutter": "clutter",
        "another form": "form",
        "seen from the side": "perspective",
    }
    for sweep in swept.sweeps:
        if sweep.name not in factors:
            continue
        amount = float(sweep.amounts(4)[2])
        changed = dataclasses.replace(own.factors, **{factors[sweep.name]: amount})
        wanted = draw(own.label, changed, seed=own.seed, index=own.index, split=own.split, size=64)
        found = swept.variant(sweep, amount)
        np.testing.assert_array_equal(found.values, wanted.image.transpose(2, 0, 1))
        np.testing.assert_array_equal(found.mask, wanted.mask)


@each_case("index", range(6))
def test_all_amounts_of_a_scene_lie_within_the_limits(index: int) -> None:
    for sweep in swept_sample(index).sweeps:
        assert math.isfinite(sweep.start)
        assert math.isfinite(sweep.end)
    limits = {name: limit for name, limit in LIMITS.items() if name in ("rotation", "hue")}
    for sweep in swept_sample(index).sweeps:
        if sweep.name in ("turned", "another hue"):
            low, high = limits["rotation"]
            assert low <= sweep.end <= high
            assert abs(sweep.end - sweep.start) == 180.0


@each_case("name", ["turned", "smaller", "seen from the side", "moved to the edge"])
def test_the_way_back_of_a_scene_leads_from_the_moved_object_to_where_it_was(name: str) -> None:
    swept = swept_sample()
    sweep = next(one for one in swept.sweeps if one.name == name)
    first = swept.variant(sweep, sweep.start)
    # A third of the way: most of the object is still in the picture.
    moved = swept.variant(sweep, sweep.start + (sweep.end - sweep.start) / 3)
    rows, columns = np.nonzero(moved.mask)
    across, down, depth = moved.back @ np.stack([columns, rows, np.ones_like(rows)])
    places = np.rint(np.stack([down / depth, across / depth])).astype(int)
    inside = (places >= 0).all(0) & (places < 64).all(0)
    assert first.mask[places[0, inside], places[1, inside]].mean() > 0.9


def test_what_a_photo_cannot_show_is_not_swept() -> None:
    swept = swept_photo()
    assert set(swept.unswept) == {"clutter", "intra-class appearance"}
    assert not {sweep.challenge for sweep in swept.sweeps} & set(swept.unswept)
    assert not swept_sample().unswept


def test_a_heatmap_that_moved_along_is_similar_and_one_that_stayed_is_not() -> None:
    heat = np.zeros((33, 33), np.float32)
    heat[3:9, 14:18] = np.random.default_rng(0).random((6, 4))
    back = whole_matrix(turned(90.0, heat.shape))
    assert similarity(heat, np.rot90(heat).copy(), back) == pytest.approx(1.0, abs=1e-3)
    assert similarity(heat, heat, back) < 0.1
    assert similarity(heat, heat, np.eye(3)) == pytest.approx(1.0)
    other = np.random.default_rng(1).random((33, 33)).astype(np.float32)
    wanted = np.corrcoef(heat.ravel(), other.ravel())[0, 1]
    assert similarity(heat, other, np.eye(3)) == pytest.approx(wanted, abs=1e-6)
    assert math.isnan(similarity(heat, np.ones_like(heat), np.eye(3)))


def test_the_share_on_the_object_is_of_the_evidence_for_the_class() -> None:
    heat = np.array([[3.0, 1.0], [-5.0, 0.0]], np.float32)
    mask = np.array([[True, False], [True, False]])
    assert share_inside(heat, mask) == 0.75
    assert math.isnan(share_inside(np.zeros((2, 2), np.float32), mask))


def test_a_map_goes_on_as_it_ends_up_to_the_edge_of_its_outermost_pixels() -> None:
    line = np.array([1.0, 5.0, 2.0, 7.0], np.float32)
    # Seen a quarter of a pixel further left, where the first value goes on.
    wanted = 0.75 * line + 0.25 * np.array([1.0, 1.0, 5.0, 2.0], np.float32)
    back = np.array([[1.0, 0.0, -0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = similarity(np.stack([line] * 2), np.stack([wanted] * 2), back)
    assert found == pytest.approx(1.0, abs=1e-12)
