"""A class is named where it stands out, and rarely where it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cnnviz_gallery.scan import quantised_sums
from cnnviz_gallery.scan.class_contrast import ENOUGH, ClassContrast, class_contrast
from cnnviz_gallery.scan.layer_result import LayerResult
from tests.helpers.each_case import each_case
from tests.helpers.gallery.empty_layer import empty_layer

UNIT = quantised_sums.unit_for(4.0)


def counted(
    peaks: NDArray[np.float64],
    groups: NDArray[np.int64],
    classes: int,
    units: float | NDArray[np.float64] = UNIT,
) -> LayerResult:
    """Return what a scan finds where the channels have these peaks, [images, C]."""
    found = empty_layer("layer", (peaks.shape[1], 1, 1), units, classes, 1, 1)
    first = torch.tensor(peaks[:1].max(0, initial=0.0))
    found.centres[:] = quantised_sums.centres_for(first, found.units)
    finer = quantised_sums.finer_than(found.units)
    for row, group in zip(torch.tensor(peaks, dtype=torch.float32), groups, strict=True):
        above = quantised_sums.in_units(row.clamp(min=0), torch.from_numpy(found.units)).numpy()
        found.group_sums[:, group] += above
        found.group_squares[:, group] += quantised_sums.squares_of(above - found.centres, finer)
    highest = peaks.max(axis=0, initial=-np.inf)[:, None].astype(np.float32)
    strongest = replace(found.strongest, values=highest)
    lowest = peaks.min(axis=0, initial=np.inf).astype(np.float32)
    return replace(found, strongest=strongest, lowest=lowest)


def contrasted(peaks: NDArray[np.float64], groups: NDArray[np.int64]) -> ClassContrast:
    classes = int(groups.max()) + 1
    counts = np.bincount(groups, minlength=classes)
    return class_contrast(counted(peaks, groups, classes), counts)


def drawn(seed: int, channels: int, images: int, lead: float = 0.0, classes: int = 5):
    """Return peaks of which class 2 is ahead by so many deviations, and the classes."""
    groups = np.repeat(np.arange(classes), images)
    peaks = 5.0 + np.random.default_rng(seed).standard_normal((len(groups), channels))
    peaks[groups == 2] += lead
    return peaks, groups


def test_means_variances_and_selectivity_are_those_of_the_peaks() -> None:
    peaks, groups = drawn(0, 3, 12, lead=2.0)
    peaks[:, 1] -= 5.0  # half of its peaks are below zero, and count as zero
    found = contrasted(peaks, groups)
    above = peaks.clip(0.0)
    of_class = [above[groups == place] for place in range(5)]
    means = np.array([each.mean(axis=0) for each in of_class]).T
    np.testing.assert_allclose(found.means, means, rtol=1e-6)
    halves = [2.201 * each.std(axis=0, ddof=1) / np.sqrt(12) for each in of_class]
    # On a logarithmic scale, on which the ends lie as far above as below.
    factor = np.exp(np.array(halves).T / means)
    np.testing.assert_allclose(found.least, means / factor, rtol=1e-3)
    np.testing.assert_allclose(found.most, means * factor, rtol=1e-3)
    assert found.top.tolist() == [2, 2, 2]
    m, o = means[:, 2], means[:, [0, 1, 3, 4]].mean(axis=1)
    np.testing.assert_allclose(found.selectivity, (m - o) / (m + o), rtol=1e-6)
    assert (found.low < found.selectivity).all()
    assert (found.selectivity < found.high).all()
    assert found.seen == 60
    assert found.images.tolist() == [12] * 5


def test_with_enough_images_a_class_that_stands_out_is_named() -> None:
    found = contrasted(*drawn(1, 200, 30, lead=2.0))
    assert (found.top == 2).mean() > 0.99
    assert found.clear.mean() > 0.95


@pytest.mark.parametrize("images", [10, 50])
def test_where_no_class_stands_out_one_in_twenty_is_named_at_most(images: int) -> None:
    found = contrasted(*drawn(2, 2000, images))
    assert found.clear.mean() < 0.06
    # The greatest of five means always leads, which is no finding.
    assert (found.selectivity > 0.0).all()


@each_case("active", [0, 1, 3, 40])
def test_no_interval_of_a_mean_reaches_below_zero_where_few_images_excite_a_unit(
    active: int,
) -> None:
    peaks, groups = drawn(6, 1, 40)
    peaks[groups == 1] = -1.0
    peaks[np.flatnonzero(groups == 1)[:active]] = 3.0
    found = contrasted(peaks, groups)
    mean, least, most = found.means[0, 1], found.least[0, 1], found.most[0, 1]
    assert mean == pytest.approx(3.0 * active / 40, rel=1e-6)
    if active in (0, 40):
        assert np.isnan([least, most]).all(), "equal peaks tell nothing of others"
    else:
        assert 0.0 < least < mean < most


def test_of_classes_whose_peaks_are_all_equal_the_interval_is_not_known() -> None:
    """It had no width, as if the selectivity of endless images were known for certain."""
    groups = np.repeat(np.arange(3), 12)
    peaks = np.stack([np.array([1.0, 4.0, 1.0]), np.array([2.0, 1.0, 0.0])], axis=1)[groups]
    # Of no round numbers, and to within the rounding of single precision.
    peaks *= 0.7 * np.random.default_rng(7).uniform(1.0 - 1e-7, 1.0 + 1e-7, peaks.shape)
    found = contrasted(peaks, groups)
    assert found.top.tolist() == [1, 0]
    assert found.selectivity == pytest.approx([0.6, 0.6])
    assert np.isnan([found.low, found.high, found.least[:, 0], found.most[:, 0]]).all()
    peaks[0, 0] = 1.5
    found = contrasted(peaks, groups)
    assert found.low[0] < found.selectivity[0] < found.high[0]


@pytest.mark.parametrize("images", [10, 40])
def test_the_interval_holds_the_selectivity_of_endless_images(images: int) -> None:
    found = contrasted(*drawn(3, 1000, images, lead=2.0))
    true = 2.0 / (7.0 + 5.0)
    assert ((found.low <= true) & (true <= found.high)).mean() > 0.95


def test_a_class_with_few_images_counts_nowhere() -> None:
    peaks, groups = drawn(4, 4, 20)
    few = np.full(ENOUGH - 1, 5)
    found = contrasted(
        np.concatenate([peaks, np.full((len(few), 4), 50.0)]), np.concatenate([groups, few])
    )
    assert found.classes.tolist() == [0, 1, 2, 3, 4]
    assert 5 not in found.top
    assert np.isnan(found.means[:, 5]).all()
    assert np.isnan([found.least[:, 5], found.most[:, 5]]).all()
    assert found.seen == 100
    assert found.images[5] == ENOUGH - 1


@each_case("counts", [[9, 9, 9], [200, 9, 3], [0, 0], []])
def test_with_fewer_than_two_classes_nothing_is_claimed(counts: list[int]) -> None:
    groups = np.repeat(np.arange(len(counts)), counts)
    peaks = np.random.default_rng(5).random((len(groups), 3)) + groups[:, None]
    found = class_contrast(counted(peaks, groups, len(counts)), np.array(counts, np.int64))
    assert not found.known
    assert found.top.tolist() == [-1, -1, -1]
    assert np.isnan([found.selectivity, found.low, found.high]).all()
    assert not found.clear.any()


def test_a_silent_channel_and_one_without_any_spread() -> None:
    groups = np.repeat([0, 1], 10)
    peaks = np.stack([np.full(20, -1.0), np.where(groups == 1, 3.0, 0.0)], axis=1)
    found = contrasted(peaks, groups)
    assert found.top.tolist() == [-1, 1]
    assert np.isnan(found.selectivity[0])
    assert not found.clear[0]
    assert found.selectivity[1] == 1.0
    assert found.clear[1]


@each_case("active", [1, 3, 20])
def test_where_one_class_alone_excites_a_unit_the_interval_is_not_known(active: int) -> None:
    """However few its images are: from 1 to 1 would be surer than of any other unit."""
    groups = np.repeat([0, 1, 2], 20)
    peaks = np.full((60, 1), -1.0)
    peaks[20 : 20 + active, 0] = np.linspace(1.0, 2.0, active)
    found = contrasted(peaks, groups)
    assert found.selectivity[0] == 1.0
    assert np.isnan([found.low[0], found.high[0]]).all()
    assert bool(found.clear[0]) == (active == 20)


def test_a_channel_that_is_weak_in_the_first_image_alone_has_the_same_intervals() -> None:
    """Its unit is finer than that of its layer, to which squares and their limit go on to keep."""
    peaks, groups = drawn(0, 1, 12, lead=2.0)
    counts = np.bincount(groups)
    units = quantised_sums.units_for(np.array([8.0, 0.001]))
    assert units[1] == units[0] / 2**12
    layer = counted(np.repeat(peaks, 2, axis=1), groups, 5, units)
    found = class_contrast(layer, counts)
    for each in (found.means, found.least, found.most, found.low, found.high):
        assert np.isfinite(each).all()
        np.testing.assert_allclose(each[1], each[0], rtol=1e-6)


@each_case(("size", "deviation"), [(4.0, 0.04), (4.0, 0.004), (0.4, 0.004), (0.04, 0.004)])
def test_a_channel_that_hardly_varies_has_the_interval_of_its_peaks(
    size: float, deviation: float
) -> None:
    """Its squares were rounded by more than it varied: the interval was several times as wide."""
    peaks, groups = drawn(8, 3, 40)
    peaks = size + deviation * (peaks - 5.0)
    found = contrasted(peaks, groups)
    several = peaks.reshape(5, 40, 3)
    wanted = 2.0227 * several.std(axis=1, ddof=1).T / np.sqrt(40) / found.means
    reaches = np.log(found.most / found.means) / wanted
    assert reaches.min() > 0.97
    assert reaches.max() < 1.1


def test_squares_of_huge_values_do_not_overflow_and_small_ones_are_not_lost() -> None:
    huge = quantised_sums.squares_of(np.array([2**40, 2**30]))
    assert (huge == 2**40).all()
    assert int(huge[0]) * 2**22 < 2**63
    units = quantised_sums.in_units(torch.tensor([0.01]), UNIT).numpy()
    found = quantised_sums.squares_of(units) * quantised_sums.square_unit(UNIT)
    assert found == pytest.approx(1e-4, rel=0.05)


def test_rounding_of_small_peaks_makes_no_class_stand_out() -> None:
    # All are less than a thousandth of the peaks that the unit was chosen for.
    peaks, groups = drawn(0, 200, 10)
    found = contrasted(peaks * 2e-5, groups)
    exact = contrasted(peaks, groups)
    assert exact.clear.mean() <= 0.1
    assert found.clear.sum() <= exact.clear.sum()
    # Of some classes all peaks come out equal, and nothing is said.
    known = np.isfinite(found.least)
    assert known.mean() > 0.5
    widths = [(each.most / each.least)[known] for each in (exact, found)]
    np.testing.assert_array_less(*widths)


def test_of_peaks_too_large_to_be_summed_no_interval_and_no_mean_is_told() -> None:
    peaks, groups = drawn(0, 3, 10)
    scale = np.array([1.0, 2.0**10, 2.0**20])
    found = counted(peaks * scale, groups, 5)
    found.strongest.values[:, 0] = (peaks * scale).max(0)
    counts = np.full(5, 10)
    assert np.isnan(found.group_variances(counts)).all(1).tolist() == [False, True, True]
    assert np.isnan(found.group_means(counts)).all(1).tolist() == [False, False, True]
    assert np.isnan(found.activity).tolist()[2]
    contrast = class_contrast(found, counts)
    assert contrast.top[2] == -1
    assert not contrast.clear[1:].any()
    assert np.isnan(contrast.low[1])
