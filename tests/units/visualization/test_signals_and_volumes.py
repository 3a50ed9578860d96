"""Gradient ascent over signals and volumes: waves, moves, values and the optimum that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import LayerError, UsageError
from cnnviz.images import ArrayPreprocessing
from cnnviz.models import Model
from cnnviz.units.visualization.array_parametrisations import ArrayWaves, Places
from cnnviz.units.visualization.parametrisations import Waves, radii
from cnnviz.units.visualization.transforms import DRAWS, ArrayTransforms
from cnnviz.units.visualization.value_range import before_preprocessing, between_0_and_1, given
from tests.helpers.array_networks import seeded, volume_classifier
from tests.helpers.each_case import each_case

SIZES = [(40,), (7,), (4, 6, 8), (3, 5, 7)]


@each_case("size", SIZES)
@each_case("kind", [ArrayWaves, Places])
def test_what_is_written_reads_back(kind: type, size: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    canvas = kind(2, size)
    begun = canvas.picture(canvas.noise(generator)[None])
    assert begun.shape == (1, 2, *size)
    assert (begun - 0.5).abs().max() < 0.05
    wanted = 0.1 + 0.8 * torch.rand((2, *size), generator=generator)
    found = canvas.picture(canvas.values_of(wanted)[None])[0]
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


def test_a_wave_along_each_axis_is_the_sum_of_cosines() -> None:
    canvas = ArrayWaves(1, (6, 8))
    values = torch.zeros(1, 1, 6, 5, 2)
    values[0, 0, 2, 1, 0] = 1.0
    rows, columns = np.mgrid[:6, :8]
    turns = 2 * np.pi * (2 * rows / 6 + columns / 8)
    wave = 2 * float(canvas.scale()[2, 1]) / math.sqrt(48) * np.cos(turns)
    wanted = 1 / (1 + np.exp(-wave / 3**0.5))
    np.testing.assert_allclose(canvas.picture(values)[0, 0], wanted, atol=1e-6)


def test_octaves_have_the_power_that_those_of_photos_have() -> None:
    square = ArrayWaves(1, (32, 32)).scale()
    torch.testing.assert_close(square, Waves(1, 32, 32)._scale(), rtol=1e-5, atol=1e-6)
    assert radii(32, 32).shape == square.shape
    along = ArrayWaves(1, (4096,)).scale()
    power = [float(along[2**k : 2 ** (k + 1)].square().sum()) for k in range(4, 9)]
    # The first waves of an octave count for a little more than a share of it.
    assert max(power) / min(power) < 1.08


@pytest.mark.parametrize("size", [(40,), (6, 8, 10)])
def test_moves_shift_by_places_along_each_axis(size: tuple[int, ...]) -> None:
    x = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(0))
    still = torch.full((1, DRAWS), 0.5)
    torch.testing.assert_close(ArrayTransforms()(x, still), x, atol=1e-5, rtol=0)
    for axis in range(len(size)):
        draws = still.clone()
        draws[0, axis] = 1.0
        moved = ArrayTransforms(shift=2.0, scale=0.0)(x, draws)
        dim = -1 - axis
        kept = x.narrow(dim, 2, x.shape[dim] - 2)
        torch.testing.assert_close(moved.narrow(dim, 0, x.shape[dim] - 2), kept, atol=1e-4, rtol=0)


def test_values_are_those_that_the_preprocessing_takes() -> None:
    beats = ArrayPreprocessing(mean=(2.0, 5.0), std=(0.5, 4.0))
    pictures = torch.rand(3, 2, 9, generator=torch.Generator().manual_seed(0))
    shown = before_preprocessing(pictures, beats)
    torch.testing.assert_close(given(pictures, beats)[0], beats.prepared(shown[0].numpy()))
    torch.testing.assert_close(between_0_and_1(given(pictures, beats), beats), pictures)
    assert shown[:, 0].min() >= 0.5
    assert shown[:, 0].max() <= 3.5
    clip = ArrayPreprocessing(mean=(0.4,) * 3, std=(0.2,) * 3, axes=3)
    frames = torch.rand(1, 3, 2, 4, 4)
    torch.testing.assert_close(before_preprocessing(frames, clip), frames)
    torch.testing.assert_close(given(frames, clip), (frames - 0.4) / 0.2)


def matched_filter() -> tuple[Model, torch.Tensor]:
    kernel = torch.sin(torch.linspace(0, 4 * torch.pi, 33)) * torch.hann_window(33)
    network = seeded(lambda: nn.Sequential(nn.Conv1d(1, 1, 33, padding=16), nn.ReLU()))
    network[0].weight.data[0, 0], network[0].bias.data = kernel, torch.zeros(1)
    preprocessing = ArrayPreprocessing(mean=(1.0,), std=(2.0,), shape=(128,))
    return Model(network, preprocessing=preprocessing), kernel


@pytest.mark.parametrize("method", ["fourier", "pixel"])
def test_the_best_signal_for_a_filter_is_found(method: str) -> None:
    """Of signals within 3 deviations the sign of the kernel has the largest product with it."""
    model, kernel = matched_filter()
    found = cnnviz.feature_visualization(model, "1:0@64", 160, method=method)
    best = 3.0 * float(kernel.abs().sum())
    assert 0.85 * best < found.end[0, 0] <= best
    signal = (found.pictures[0][0] - 1.0) / 2.0
    score = model.module(torch.from_numpy(signal)[None])[0, 0, 64].detach()
    assert found.end[0, 0] == pytest.approx(float(score), rel=1e-4)
    counts = np.abs(kernel.numpy()) > 0.2
    assert (np.sign(signal[0, 48:81]) == np.sign(kernel.numpy()))[counts].all()
    told = found.caption()
    assert "each channel by itself" in told
    assert "within 3 deviations" in told
    assert "colours" not in told
    found.figure().draw_without_rendering()


def test_units_of_a_volume_rise_and_are_kept(tmp_path) -> None:
    network = seeded(volume_classifier)
    model = Model(network, preprocessing=ArrayPreprocessing(axes=3, shape=(6, 8, 10)))
    units = "1:0;4:1@1x2x3;4:2@middle;class:1"
    found = cnnviz.feature_visualization(model, units, 12, diverse=2, state=tmp_path)
    assert found.units == ("1:0", "4:1@1x2x3", "4:2@1x2x2", "class:1")
    assert (found.end > found.start).all()
    assert {each.shape for each in found.pictures} == {(2, 1, 6, 8, 10)}
    again = cnnviz.feature_visualization(model, units, 12, diverse=2, state=tmp_path)
    np.testing.assert_array_equal(again.pictures[0], found.pictures[0])
    begun = cnnviz.feature_visualization(model, "1:0", 2, start=torch.rand(1, 1, 6, 8, 10))
    assert begun.started_from == "volume 0"
    assert "from the volume volume 0" in begun.caption()
    wide = cnnviz.feature_visualization(model, "1:0", 2, size=12)
    assert wide.pictures[0].shape == (1, 1, 6, 12, 12)
    assert "The volumes have 6 x 12 x 12 voxels." in wide.notes
    for one in (found, begun, wide):
        one.figure().draw_without_rendering()


def test_what_there_is_not_is_refused() -> None:
    model, _ = matched_filter()
    with pytest.raises(UsageError, match="MaCo keeps the magnitudes of photos"):
        cnnviz.feature_visualization(model, "1:0", method="maco")
    with pytest.raises(UsageError, match="'4x5' is no position") as caught:
        cnnviz.feature_visualization(model, "1:0@4x5")
    assert "@40" in caught.value.remedy
    with pytest.raises(LayerError, match="no position 128"):
        cnnviz.feature_visualization(model, "1:0@128")
