"""Maps of signals and volumes: those of the same network of images, by hand, and captum's."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnviz.heatmaps.array_heatmaps import overlaid
from cnnviz.heatmaps.attribution_methods import ATTRIBUTION_METHODS
from cnnviz.heatmaps.cam_methods import CAM_METHODS
from cnnviz.heatmaps.checks.random_maps import random_maps
from cnnviz.heatmaps.checks.similarity import ssim
from cnnviz.heatmaps.occlusion import block_grid
from cnnviz.heatmaps.stretching import stretch
from cnnviz.images import ArrayPreprocessing, Preprocessing
from cnnviz.models import Model
from cnnviz.passes.captures import Capture, capture
from cnnviz.results.space import space_of
from cnnviz.views.attribute import attribute
from cnnviz.views.cam import cam
from cnnviz.views.occlusion import occlusion
from tests.helpers.array_networks import flattened, seeded, signal_classifier
from tests.helpers.each_case import each_case

CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def volume_of_slices() -> nn.Module:
    """Return a classifier of volumes of one slice: its pooling leaves the slices alone."""
    return nn.Sequential(
        nn.Conv3d(2, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d((1, 2, 2)),
        nn.Conv3d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


@cache
def pair(axes: int) -> tuple[Model, Model, torch.Tensor, torch.Tensor]:
    """Return a network of signals or volumes, the same of images, and an input of each.

    They are the same each time: what is found out of them by tracing serves again.
    """
    array = seeded(signal_classifier if axes == 1 else volume_of_slices)
    image = flattened(array, axes)
    channels = (0.0, 0.0), (1.0, 1.0)
    size = (24,) if axes == 1 else (1, 12, 14)
    x = torch.rand(2, 2, *size, generator=torch.Generator().manual_seed(3))
    other = x[:, :, None] if axes == 1 else x[:, :, 0]
    mean, std = channels
    one = Model(array, preprocessing=ArrayPreprocessing(mean=mean, std=std, axes=axes))
    two = Model(image, preprocessing=Preprocessing(None, None, mean, std))
    return one, two, x, other


@cache
def captures(axes: int) -> tuple[Capture, Capture]:
    """Return what both networks of a pair hold of it in two layers."""
    one, two, x, other = pair(axes)
    return capture(one, x, layers=["1", "4"]), capture(two, other, layers=["1", "4"])


@pytest.mark.parametrize("axes", [1, 3])
@each_case("method", CAM_METHODS)
def test_a_cam_is_that_of_the_network_written_for_images(axes: int, method: str) -> None:
    one, two = captures(axes)
    for layer in ("1", "4"):
        mine, theirs = cam(one, layer, method).maps[0], cam(two, layer, method).maps[0]
        np.testing.assert_allclose(mine.reshape(theirs.shape), theirs, **CLOSE)


@pytest.mark.parametrize("axes", [1, 3])
@each_case("method", [name for name in ATTRIBUTION_METHODS if name != "gradient_shap"])
def test_an_attribution_is_that_of_the_network_written_for_images(axes: int, method: str) -> None:
    one, two, x, other = pair(axes)
    mine = attribute(one, x, method, baseline="black", steps=4).maps[0]
    theirs = attribute(two, other, method, baseline="black", steps=4).maps[0]
    np.testing.assert_allclose(mine.reshape(theirs.shape), theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("axes", [1, 3])
def test_fused_maps_are_those_of_the_network_written_for_images(axes: int) -> None:
    mine, theirs = (cam(held, fuse=True).maps[0] for held in captures(axes))
    np.testing.assert_allclose(mine.reshape(theirs.shape), theirs, **CLOSE)


def test_gradcam_of_a_signal_is_the_formula_in_double_precision() -> None:
    network, x = seeded(signal_classifier).double(), torch.rand(1, 2, 30).double()
    below, above = network[:5], network[5:]
    held = below(x).detach().requires_grad_()
    (slope,) = torch.autograd.grad(above(held)[0, 2], held)
    weights = slope.sum(2) / slope.shape[2]
    expected = torch.einsum("nc,ncl->nl", weights, held)
    found = cam(capture(network, x, layers="4", target=2), "4").maps[0]
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5, atol=1e-8)
    theirs = LayerGradCam(network, network[4]).attribute(x, target=2)
    np.testing.assert_allclose(found[0], theirs[0, 0].detach().numpy(), rtol=1e-5, atol=1e-8)


def test_integrated_gradients_of_a_volume_are_those_of_captum() -> None:
    network, x = seeded(volume_of_slices), torch.rand(1, 2, 1, 6, 8)
    mine = attribute(network, x, target=1, baseline="black", steps=8).maps[0]
    theirs = IntegratedGradients(network).attribute(x, target=1, n_steps=8, baselines=0.0)
    np.testing.assert_allclose(mine, theirs.sum(1).detach().numpy(), rtol=1e-4, atol=1e-6)


@settings(max_examples=12)
@given(
    size=st.lists(st.integers(4, 9), min_size=1, max_size=3).filter(lambda given: len(given) != 2),
    window=st.integers(1, 4),
    data=st.data(),
)
def test_occlusion_is_that_of_captum(size: list[int], window: int, data: st.DataObject) -> None:
    assume(window < max(size[-2:]))  # One that hides everything is made smaller, and that is told.
    stride = data.draw(st.integers(1, window))
    grid = block_grid(tuple(size), window, stride)
    axes = len(size)
    conv = nn.Conv1d(2, 3, 3, padding=1) if axes == 1 else nn.Conv3d(2, 3, 3, padding=1)
    network = seeded(lambda: nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)))
    x = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(5))
    network(x)
    takes = ArrayPreprocessing(None, None, (0.0,) * 2, (1.0,) * 2, axes=axes, shape=tuple(size))
    mine = occlusion(Model(network, preprocessing=takes), x, window, stride, "black", target=1)
    theirs = Occlusion(network).attribute(
        x,
        sliding_window_shapes=(2, *grid.windows),
        strides=(2, *grid.strides),
        target=1,
        baselines=0.0,
    )
    np.testing.assert_allclose(mine.maps[0][0], theirs[0, 0].numpy(), rtol=1e-4, atol=1e-6)


@settings(max_examples=25)
@given(
    cells=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    factor=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_stretching_is_what_torch_interpolates(cells: list[int], factor: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(cells).astype(np.float32)
    size = tuple(factor * length + 1 for length in cells)
    mode = space_of(len(cells)).interpolation
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], size, mode=mode, align_corners=False
    )
    np.testing.assert_allclose(stretch(values, size), expected[0, 0].numpy(), rtol=1e-4, atol=1e-5)


def test_a_long_signal_takes_no_matrix() -> None:
    values = np.arange(50_000, dtype=np.float32)
    found = stretch(values, (100_000,))
    np.testing.assert_allclose(found[1:-1], np.arange(1, 99_999) / 2 - 0.25, rtol=1e-6)
    grid = block_grid((100_000,), 40, 20)
    np.testing.assert_allclose(grid.spread(np.ones(grid.shape)), 1.0)


@pytest.mark.parametrize("size", [(40,), (4, 6, 8)])
def test_random_maps_hold_the_same_values(size: tuple[int, ...]) -> None:
    maps = np.random.default_rng(0).standard_normal((2, *size)).astype(np.float32)
    found = random_maps(maps, 3, 0)
    assert found.shape == (2, 3, *size)
    for image, several in zip(maps, found, strict=True):
        for each in several:
            np.testing.assert_array_equal(np.sort(each, axis=None), np.sort(image, axis=None))
            assert not np.array_equal(each, image)


def test_the_similarity_of_a_volume_of_one_slice_is_that_of_a_picture() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 20, 24))
    stacked = [np.stack([each] * 11) for each in (one, other)]
    assert ssim(stacked[0], stacked[1], 1.0) == pytest.approx(ssim(one, other, 1.0), abs=1e-9)
    assert ssim(one[0], one[0], 1.0) == pytest.approx(1.0)


def test_a_bright_body_does_not_outshine_the_map_on_it() -> None:
    model = Model(seeded(volume_of_slices))
    values = torch.zeros(1, 2, 3, 12, 12)
    values[..., 3:9, 3:9] = 1.0
    found = cam(capture(model, values, layers="3"))
    drawn = overlaid(found, 0, "3", (1,))[0].astype(int)
    heat = found.on_photo(0, "3")[1]
    body = np.s_[4:8, 4:8]
    assert np.isfinite(heat[body]).all()
    assert drawn[body].sum(-1).max() < 2 * 255
    assert "Below a map slices are darkened." in found.caption()
