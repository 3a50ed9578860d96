"""How far maps move, against shifts written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cnnviz.course.equivariance import (
    Track,
    compared_positions,
    consistency,
    found_shift,
    mismatch,
    moved_map,
)
from cnnviz.introspection.receptive_fields import Axis
from tests.helpers.each_case import each_case

ROUND = Track(count=12, stride=2, inside=range(2, 10), round=True)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def axis(size: int, stride: int | None, start: int | None, extent: int = 24) -> Axis:
    none = np.zeros((1, 1), np.int32)
    return Axis(extent, none, none, size, stride, start)


def test_positions_inside_are_those_whose_field_lies_in_the_image() -> None:
    # A convolution 5 x 5 of stride 2 and padding 2: fields start at -2, 0, 2, ...
    track = Track.of(axis(5, 2, -2), 12, local=True)
    assert track is not None
    wanted = [k for k in range(12) if 2 * k - 2 >= 0 and 2 * k - 2 + 5 <= 24]
    assert list(track.inside) == wanted
    assert track.round
    assert not Track.of(axis(5, 2, 0), 10, local=True).round
    assert not Track.of(axis(5, 2, -2), 12, local=False).inside
    assert not Track.of(axis(99, 2, -40), 12, local=True).inside
    assert Track.of(axis(5, None, None), 12, local=True) == Track(12, 2, range(0), True)
    assert Track.of(axis(5, None, None), 10, local=True) is None


@each_case("by", [0.0, 1.0, 2.5, -1.0, -0.25])
def test_a_moved_map_goes_straight_between_its_positions(by: float) -> None:
    maps = noise(2, 3, 9).double()
    moved = moved_map(maps, by)
    for place in range(9):
        wanted = np.interp(place - by, np.arange(9), maps[1, 2].numpy(), left=np.nan, right=np.nan)
        np.testing.assert_allclose(float(moved[1, 2, place]), wanted, atol=1e-12)
    around = moved_map(maps, by, round_=True)
    for place in range(9):
        wanted = np.interp(place - by, np.arange(9), maps[0, 1].numpy(), period=9)
        np.testing.assert_allclose(float(around[0, 1, place]), wanted, atol=1e-12)


@each_case("by", [0.0, 1.0, 1.5, -1.5])
def test_the_mismatch_is_the_distance_over_the_deviation(by: float) -> None:
    here, there = noise(2, 3, 12), noise(4, 3, 12)[2:]
    track = Track(count=12, stride=2, inside=range(12), round=False)
    within = compared_positions(track, by, inside=True)
    wanted = moved_map(here, by)
    known = [k for k in range(12) if torch.isfinite(wanted[0, 0, k])]
    assert list(within) == known
    gap, spread = 0.0, 0.0
    for channel in range(2):
        part = there[channel][:, known].double()
        gap += float(((part - wanted[channel][:, known]) ** 2).sum())
        spread += float(((part - part.mean()) ** 2).sum())
    assert mismatch(here, there, by, within) == pytest.approx(math.sqrt(gap / spread), rel=1e-6)


def test_unrelated_maps_miss_by_about_the_root_of_two_and_constant_ones_tell_nothing() -> None:
    here, there = noise(32, 20, 20), noise(64, 20, 20)[32:]
    assert mismatch(here, there, 0.0, range(20)) == pytest.approx(math.sqrt(2.0), abs=0.05)
    flat = torch.full((2, 5, 5), 3.0)
    assert math.isnan(mismatch(flat, flat, 0.0, range(5)))
    assert math.isnan(mismatch(here, there, 0.0, range(0)))


@each_case("round_", [False, True])
@each_case("pixels", [-2, 0, 2, 4, 6])
def test_the_shift_of_a_map_that_moved_is_found(pixels: int, round_: bool) -> None:
    whole = noise(3, 4, 20)
    here = whole[..., 4:16]
    there = here.roll(pixels // 2, -1) if round_ else whole[..., 4 - pixels // 2 : 16 - pixels // 2]
    found = found_shift(here, there, ROUND, range(-4, 9), pixels, inside=False, round_=round_)
    assert found == pixels


def test_the_best_shift_is_that_of_the_least_distance_tried_one_by_one() -> None:
    here, there = noise(3, 4, 12), noise(6, 4, 12)[3:]
    best, least = None, math.inf
    means = here.mean((1, 2), keepdim=True)
    for pixels in range(-3, 8):
        moved = moved_map((here - means).double(), pixels / 2)
        known = torch.isfinite(moved[0, 0])
        a, b = moved[..., known], (there - means).double()[..., known]
        error = float(((a - b) ** 2).sum() / ((a**2).sum() + (b**2).sum()))
        if int(known.sum()) >= 6 and error < least:
            best, least = pixels, error
    assert found_shift(here, there, ROUND, range(-3, 8), 0, inside=False) == best


def test_a_shift_that_leaves_too_little_to_compare_is_not_told() -> None:
    here = noise(3, 4, 12)
    there = moved_map(here, 7.0, round_=True)
    assert math.isnan(found_shift(here, there, ROUND, range(-2, 17), 14, inside=False))
    assert (
        found_shift(here, moved_map(here, 5.0, round_=True), ROUND, range(-2, 17), 10, inside=False)
        == 10
    )


def test_consistency_counts_pairs() -> None:
    answers = [1, 1, 2, 1]
    pairs = [(a, b) for i, a in enumerate(answers) for b in answers[i + 1 :]]
    assert consistency(answers) == sum(a == b for a, b in pairs) / len(pairs) == 0.5
    assert math.isnan(consistency([3]))


def test_a_map_in_which_every_shift_matches_alike_tells_no_movement() -> None:
    """As that of a black image, whose edges alone differ: rounding would choose among shifts."""
    torch.manual_seed(0)
    rows = torch.randn(3, 8, 1).expand(3, 8, ROUND.count)
    here, there = (rows + 1e-7 * torch.randn(3, 8, ROUND.count) for _ in range(2))
    assert math.isnan(found_shift(here, there, ROUND, range(-3, 8), 2, inside=False))
