from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from cnnviz.datasets.shapes import CLASSES, TEXTURES, Factors, Shapes, draw
from cnnviz.datasets.shapes.outlines import VIEWING_DISTANCE, homography, outline, project
from cnnviz.errors import UsageError
from tests.helpers.each_case import each_case

PLAIN = Factors(scale=0.6)
ASKEW = Factors(scale=0.6, rotation=13.0)  # no edge runs along a row of pixels


def differing(one, other):
    return (one.image != other.image).any(2)


def dilated(mask, pixels):
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1,) * 2, np.uint8)) > 0


def test_draw_makes_a_sample_of_a_set_again():
    sample = Shapes(3, split="held-out")[21]
    again = draw(sample.label, sample.factors, seed=3, index=21, split="held-out")
    assert np.array_equal(again.image, sample.image)
    assert np.array_equal(again.mask, sample.mask)
    by_name = draw(sample.name, sample.factors, seed=3, index=21, split="held-out")
    assert np.array_equal(by_name.image, sample.image)


def test_unknown_classes_are_refused():
    with pytest.raises(UsageError, match=r"'hart' is not a class of shapes.*'heart'"):
        draw("hart")
    with pytest.raises(UsageError, match="no class 10"):
        draw(10)


def test_masks_have_the_area_that_geometry_says():
    radius = 0.3 * 96
    areas = {
        "circle": np.pi * radius**2,
        "ring": np.pi * radius**2 * (1 - 0.56**2),
        "star": 10 * 0.5 * radius**2 * 0.47 * np.sin(np.pi / 5),
        "cross": radius**2 * (8 * 0.29 * np.sqrt(1 - 0.29**2) - 4 * 0.29**2),
        "arrow": radius**2 * (1.0 * 2 * 0.2 + 0.5 * 0.95 * 2 * 0.68),
    }
    for name, area in areas.items():
        assert draw(name, ASKEW).full_mask.sum() == pytest.approx(area, rel=0.02), name


def test_the_hexagon_and_the_square_have_sharp_forms_at_form_minus_one():
    factors = dataclasses.replace(ASKEW, form=-1.0)
    radius = 0.3 * 96
    assert draw("square", factors).full_mask.sum() == pytest.approx(2 * radius**2, rel=0.02)
    assert draw("hexagon", factors).full_mask.sum() == pytest.approx(
        1.5 * np.sqrt(3) * radius**2, rel=0.02
    )
    assert draw("triangle", factors).full_mask.sum() == pytest.approx(
        0.75 * np.sqrt(3) * radius**2, rel=0.02
    )


@each_case("label", range(len(CLASSES)))
@each_case("form", [-1.0, 0.0, 1.0])
def test_outlines_lie_in_the_unit_circle_and_fill_it_in_some_direction(label, form):
    points = np.concatenate(outline(label, form))
    reach = np.hypot(*points.T).max()
    assert 0.87 < reach < 1.0 + 1e-9


def test_the_classes_have_different_masks():
    masks = [draw(label, PLAIN).full_mask for label in range(len(CLASSES))]
    for i, one in enumerate(masks):
        for other in masks[:i]:
            assert (one & other).sum() / (one | other).sum() < 0.93


def test_the_mask_is_where_the_object_is_painted():
    """The mask comes from geometry; the picture says the same when only the object's hue moves."""
    for index, label in enumerate(CLASSES):
        factors = Factors(scale=0.6, rotation=20.0, perspective=25.0, saturation=1.0, hue=30.0)
        one = draw(label, factors, index=index)
        other = draw(label, dataclasses.replace(factors, hue=210.0), index=index)
        changed = np.abs(one.image.astype(int) - other.image).max(2)
        assert (changed[~dilated(one.mask, 2)] == 0).all()
        eroded = ~dilated(~one.mask, 1)
        assert (changed[eroded] > 8).mean() > 0.99
        strong = changed > 0.5 * np.median(changed[eroded])
        assert (strong != one.mask).mean() < 0.02


def test_position_and_scale_are_where_they_say():
    sample = draw("circle", Factors(x=0.4, y=0.55, scale=0.5))
    rows, columns = np.nonzero(sample.mask)
    assert (columns + 0.5).mean() / 96 == pytest.approx(0.4, abs=0.005)
    assert (rows + 0.5).mean() / 96 == pytest.approx(0.55, abs=0.005)
    assert np.ptp(rows) + 1 == pytest.approx(48, abs=1.5)


def test_rotation_is_counter_clockwise():
    sizes = {}
    for degrees in (0.0, 90.0):
        rows, columns = np.nonzero(draw("arrow", Factors(rotation=degrees, scale=0.6)).mask)
        sizes[degrees] = (np.ptp(columns), np.ptp(rows))
        if degrees == 90.0:
            by_row = np.bincount(rows, minlength=96)
            assert np.argmax(by_row) < 52  # the barbs, near the tip that points up
    assert sizes[0.0][0] > sizes[0.0][1]
    assert sizes[90.0][0] < sizes[90.0][1]


def test_aspect_keeps_the_area():
    areas = [draw("circle", Factors(aspect=a)).mask.sum() for a in (0.6, 1.0, 1.6)]
    assert max(areas) / min(areas) < 1.03


def test_perspective_is_the_view_of_a_tilted_plane():
    factors = Factors(perspective=50.0, view_angle=35.0, rotation=20.0, aspect=1.2, scale=0.6)
    points = np.array([[0.7, 0.1], [-0.4, 0.6], [0.0, -0.9], [0.2, 0.3]])
    stretched = points * np.sqrt([1.2, 1 / 1.2])
    a, t, v = np.radians([20.0, 50.0, 35.0])
    turned = stretched @ np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    axis = np.array([np.cos(v), -np.sin(v)])
    along = turned @ axis
    in_space = turned - along[:, None] * axis * (1 - np.cos(t))
    depth = VIEWING_DISTANCE + along * np.sin(t)
    expected = 48 + 0.3 * 96 * in_space * (VIEWING_DISTANCE / depth)[:, None]
    assert np.allclose(project(points, homography(factors, 96)), expected)


@pytest.mark.parametrize("label", [0, 2, 4, 5, 6])
@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.8])
def test_the_hidden_fraction_is_the_one_that_was_asked_for(label, fraction):
    for index in range(6):
        sample = draw(label, Factors(occlusion=fraction, scale=0.6), index=index)
        assert sample.hidden == pytest.approx(fraction, abs=0.04)
        assert not (sample.mask & ~sample.full_mask).any()


def test_nothing_is_hidden_without_occlusion():
    sample = draw("star", PLAIN)
    assert sample.hidden == 0.0
    assert np.array_equal(sample.mask, sample.full_mask)


def test_an_occlusion_sweep_changes_only_the_occluder_and_its_shadow():
    for index in range(6):
        bare, some, more = Shapes(0).sweep("occlusion", [0.0, 0.2, 0.5], index=index)
        hidden_some, hidden_more = (s.full_mask & ~s.mask for s in (some, more))
        assert (hidden_some & ~hidden_more).sum() <= 3
        assert np.array_equal(bare.full_mask, more.full_mask)
        assert differing(bare, some)[hidden_some].mean() > 0.98
        visible = bare.mask & ~dilated(hidden_more, 9)
        assert not (differing(bare, more) & visible).any()


def test_a_rotation_sweep_leaves_the_background_alone():
    samples = Shapes(0).sweep("rotation", [0.0, 45.0, 90.0], index=4, label="star")
    away = ~dilated(np.logical_or.reduce([s.full_mask for s in samples]), 12)
    assert away.sum() > 500
    for sample in samples[1:]:
        assert not np.array_equal(sample.mask, samples[0].mask)
        assert not (differing(samples[0], sample) & away).any()


def test_a_clutter_sweep_adds_distractors_and_leaves_the_object_alone():
    shapes = Shapes(0, occlusion=0.0)
    none, few, many = shapes.sweep("clutter", [0, 5, 15], index=2)
    inside = ~dilated(~none.mask, 2)
    assert not differing(none, many)[inside].any()
    assert differing(none, few).sum() < differing(none, many).sum()
    assert np.array_equal(none.mask, many.mask)


@pytest.mark.parametrize(
    ("factor", "values"),
    [("hue", [0.0, 120.0]), ("texture", list(TEXTURES)), ("saturation", [0.3, 1.0])],
)
def test_a_sweep_of_appearance_changes_only_the_object(factor, values):
    samples = Shapes(0).sweep(factor, values, index=6)
    for sample in samples[1:]:
        assert np.array_equal(sample.mask, samples[0].mask)
        assert differing(samples[0], sample).any()
        assert not differing(samples[0], sample)[~dilated(samples[0].full_mask, 1)].any()


def test_light_changes_pixels_and_not_geometry():
    for factor, values in [
        ("brightness", [0.7, 1.1]),
        ("contrast", [0.7, 1.1]),
        ("light_strength", [0.0, 0.5]),
        ("light_angle", [0.0, 180.0]),
    ]:
        one, other = Shapes(0).sweep(factor, values, index=1)
        assert np.array_equal(one.mask, other.mask)
        assert differing(one, other).mean() > 0.3


def test_light_comes_from_where_it_says():
    lit_left, lit_top = (
        draw("circle", Factors(light_angle=angle, light_strength=0.6)).image.mean(2)
        for angle in (180.0, 90.0)
    )
    assert lit_left[:, :20].mean() > 1.5 * lit_left[:, -20:].mean()
    assert lit_top[:20].mean() > 1.5 * lit_top[-20:].mean()


def test_an_object_that_reaches_out_of_the_picture_is_cut():
    sample = draw("square", Factors(scale=1.5, x=0.0, occlusion=0.3, perspective=70.0))
    assert sample.mask.any()
    assert sample.hidden == pytest.approx(0.3, abs=0.04)


def test_other_sizes_show_the_same_picture():
    small, large = draw("heart", PLAIN, size=96), draw("heart", PLAIN, size=192)
    reduced = cv2.resize(large.image, (96, 96), interpolation=cv2.INTER_AREA)
    assert np.abs(reduced.astype(int) - small.image).mean() < 4.0
    assert large.mask.sum() / 4 == pytest.approx(small.mask.sum(), rel=0.02)


def test_every_extreme_of_every_factor_can_be_drawn():
    from cnnviz.datasets.shapes import LIMITS

    for name, ends in LIMITS.items():
        for end in ends:
            sample = draw("star", Factors(**{name: end}))
            assert sample.image.shape == (96, 96, 3)
