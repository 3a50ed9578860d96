from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnviz.datasets.shapes import CHALLENGES, DIFFICULTIES, LIMITS, TEXTURES, Factors, Shapes
from cnnviz.datasets.shapes.factors import NAMES, pick
from cnnviz.errors import UsageError
from tests.helpers.each_case import each_case


def test_every_factor_belongs_to_one_challenge():
    grouped = [name for names in CHALLENGES.values() for name in names]
    assert sorted(grouped) == sorted(NAMES)
    assert len(grouped) == len(set(grouped))
    assert list(CHALLENGES) == [
        "illumination",
        "pose",
        "clutter",
        "occlusion",
        "intra-class appearance",
        "viewpoint",
    ]


def test_every_difficulty_sets_every_factor_within_its_limits():
    for settings in DIFFICULTIES.values():
        assert sorted(settings) == sorted(NAMES)
        for name, setting in settings.items():
            if name == "texture":
                assert setting == TEXTURES
                continue
            ends = setting if isinstance(setting, tuple) else (setting,)
            assert all(LIMITS[name][0] <= end <= LIMITS[name][1] for end in ends)


@pytest.mark.parametrize("difficulty", list(DIFFICULTIES))
@given(uniforms=st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=17, max_size=17))
def test_drawn_factors_lie_in_the_ranges_of_the_difficulty(difficulty, uniforms):
    factors = pick(DIFFICULTIES[difficulty], np.array(uniforms))
    for name, setting in DIFFICULTIES[difficulty].items():
        value = getattr(factors, name)
        if name == "texture":
            assert value in TEXTURES
        elif isinstance(setting, tuple):
            assert setting[0] - 1e-9 <= value <= setting[1] + 1e-9
        else:
            assert value == setting


def test_about_half_of_the_samples_are_not_occluded_and_the_rest_fill_the_range():
    shapes = Shapes(0)
    hidden = np.array([shapes.factors(i).occlusion for i in range(1000)])
    assert 0.43 < (hidden == 0).mean() < 0.57
    assert hidden.max() > 0.19
    assert hidden.max() <= 0.2


@each_case(
    ("name", "value"),
    [
        ("rotation", "left"),
        ("rotation", math.nan),
        ("scale", math.inf),
        ("scale", 0.0),
        ("occlusion", 1.0),
        ("occlusion", -0.1),
        ("clutter", 2.5),
        ("clutter", True),
        ("brightness", None),
        ("x", np.bool_(1)),
    ],
)
def test_a_value_out_of_its_limits_is_refused_with_the_limits(name, value):
    with pytest.raises(UsageError, match=rf"factor '{name}' cannot be .* from .* to "):
        Factors(**{name: value})
    with pytest.raises(UsageError, match=rf"factor '{name}' cannot be"):
        Shapes(0, **{name: value})


def test_numpy_numbers_become_plain_ones():
    factors = Factors(rotation=np.float32(30.0), clutter=np.int64(4))
    assert type(factors.rotation) is float
    assert type(factors.clutter) is int


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UsageError, match=r"'rotatoin' is not a factor.*'rotation'"):
        Shapes(0, rotatoin=1.0)
    with pytest.raises(UsageError, match=r"'stripe' is not a texture.*'stripes'"):
        Shapes(0, texture="stripe")
    with pytest.raises(UsageError, match=r"'hue_' is not a factor.*'hue'"):
        Shapes(0).sweep("hue_", [1.0])


@each_case(
    ("setting", "message"),
    [
        ((3.0, 1.0), "upside down"),
        ((1.0,), "does not have two ends"),
        ((1.0, 2.0, 3.0), "does not have two ends"),
        ((0.0, 500.0), "cannot be 500.0"),
    ],
)
def test_a_bad_range_is_refused(setting, message):
    with pytest.raises(UsageError, match=message):
        Shapes(0, rotation=setting)


def test_an_empty_choice_of_textures_is_refused():
    with pytest.raises(UsageError, match="choice of textures is empty"):
        Shapes(0, texture=())
