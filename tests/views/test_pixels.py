"""Pixels as numbers: against the photo, the network's input and NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cnnviz.course.pixel_statistics import busiest_window, neighbour_correlations, shuffled
from cnnviz.errors import UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.results.legibility import crowded
from cnnviz.testing import small_network
from cnnviz.views.pixels import pixels

PREPARED = Preprocessing(24, (20, 20), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    grid = np.random.default_rng(0).integers(0, 256, (9, 13, 3)).astype(np.float32)
    import cv2

    return np.asarray(cv2.resize(grid, (52, 36)).clip(0, 255), np.uint8)


@pytest.fixture
def model() -> Model:
    return Model(small_network(), preprocessing=PREPARED)


def test_correlations_are_those_of_numpy(photo: NDArray[np.uint8]) -> None:
    channels = photo.transpose(2, 0, 1)
    distances = (0, 1, 2, 5, 12)
    found = neighbour_correlations(channels, distances)
    for place, channel in enumerate(channels):
        for at, distance in enumerate(distances):
            width, height = channel.shape[1] - distance, channel.shape[0] - distance
            across = np.corrcoef(channel[:, :width].ravel(), channel[:, distance:].ravel())
            down = np.corrcoef(channel[:height].ravel(), channel[distance:].ravel())
            np.testing.assert_allclose(found[place, :, at], (across[0, 1], down[0, 1]), atol=1e-12)
    assert (found[:, :, 1] > 0.8).all(), "an enlarged image is smooth"
    apart = neighbour_correlations(shuffled(channels, 0), distances)
    assert np.abs(apart[:, :, 1:]).max() < 0.15


def test_what_does_not_vary_has_no_correlation() -> None:
    found = neighbour_correlations(np.full((1, 6, 6), 200, np.uint8), (0, 1))
    assert np.isnan(found).all()


def test_shuffled_pixels_are_the_same_pixels(photo: NDArray[np.uint8]) -> None:
    channels = photo.transpose(2, 0, 1)
    mixed = shuffled(channels, 3)
    together = {tuple(each) for each in channels.reshape(3, -1).T.tolist()}
    assert {tuple(each) for each in mixed.reshape(3, -1).T.tolist()} == together
    assert not np.array_equal(mixed, channels)


def test_the_busiest_window_is_the_one_of_the_largest_variance(photo: NDArray[np.uint8]) -> None:
    grey = photo[..., 0]
    spreads = {
        (row, column): grey[row : row + 5, column : column + 5].astype(float).var()
        for row in range(grey.shape[0] - 4)
        for column in range(grey.shape[1] - 4)
    }
    assert busiest_window(grey, 5) == max(spreads, key=spreads.__getitem__)


def test_patches_and_histograms_are_of_the_photo_and_of_the_input(
    model: Model, photo: NDArray[np.uint8]
) -> None:
    found = pixels(model, photo, patch=(20, 10), side=6)
    assert (found.patch_at, found.size, found.prepared_size) == ((10, 20), (36, 52), (20, 20))
    np.testing.assert_array_equal(found.patch, photo[10:16, 20:26].transpose(2, 0, 1))
    prepared = model.prepare(photo).tensor[0].numpy()
    row, column = found.prepared_at
    np.testing.assert_array_equal(
        found.prepared_patch, prepared[:, row : row + 6, column : column + 6]
    )
    # Resized to 24 x 34 and cut at row 2 and column 7: the middle at 13, 23 is at 8.67-2, 15.0-7.
    assert (row, column) == (4, 5)
    for place in range(3):
        counted = [(photo[..., place] == value).sum() for value in range(256)]
        np.testing.assert_array_equal(found.histogram[place], counted)
        expected = np.histogram(prepared[place], found.prepared_edges)[0]
        np.testing.assert_array_equal(found.prepared_histogram[place], expected)
    assert found.prepared_histogram.sum() == prepared.size, "none lies outside of the bins"
    np.testing.assert_allclose(found.prepared_means, prepared.mean((1, 2)), rtol=1e-5)


def test_the_patch_is_not_at_the_edge_where_something_is_in_the_middle(model: Model) -> None:
    photo = np.full((40, 40, 3), 128, np.uint8)
    photo[:, :8:2] = 255  # Most varied at the left edge, and a little so in the middle.
    photo[:, 18:22] = 100
    found = pixels(model, photo, side=6)
    row, column = found.patch_at
    assert 10 <= row <= 30 - 6
    assert 13 <= column <= 22
    assert "where pixels vary most in the middle half of what the network is given" in (
        found.caption()
    )
    photo[:, 18:22] = 128
    assert pixels(model, photo, side=6).patch_at[1] < 8
    assert "as asked" in pixels(model, photo, side=6, patch=(3, 3)).caption()


def test_the_patch_is_one_that_the_network_sees(model: Model) -> None:
    ends = np.full((40, 120, 3), 128, np.uint8)
    ends[:, ::2] = 0  # The busiest places are at the far ends, which are cut off.
    ends[:, 30:90] = 128
    ends[20:, 60:90] = 90
    row, column = pixels(model, ends).patch_at
    assert 40 <= column + 4 <= 80
    assert 10 <= row <= 20


def test_networks_of_five_channels() -> None:
    channels = 5  # Of 1 and of 4 it is a law that they are drawn.
    values = torch.rand(1, channels, 16, 16, generator=torch.Generator().manual_seed(0))
    found = pixels(small_network(channels), values, side=4)
    assert len(found.prepared_channels) == channels
    assert found.prepared_patch.shape == (channels, 4, 4)
    found.figure().draw_without_rendering()


def test_channels_that_a_network_takes_from_blue_to_red_are_named_so(
    model: Model, photo: NDArray[np.uint8]
) -> None:
    turned = pixels(Model(small_network(), preprocessing=replace(PREPARED, colour="bgr")), photo)
    assert turned.prepared_channels == ("blue", "green", "red")
    plain = pixels(model, photo)
    assert plain.prepared_channels == ("red", "green", "blue")
    # Each channel is still divided by the mean and deviation of its place.
    mean, std = (np.array(each)[:, None, None] for each in (PREPARED.mean, PREPARED.std))
    values = (each.prepared_patch * std + mean for each in (plain, turned))
    np.testing.assert_allclose(next(values)[::-1], next(values), atol=1e-6)


def test_three_equal_channels_are_one(model: Model) -> None:
    grey = np.arange(40 * 40, dtype=np.uint16).reshape(40, 40).astype(np.uint8)
    found = pixels(model, grey)
    assert found.channels == ("grey",)
    assert found.patch.shape == (1, 8, 8)
    assert "three channels are equal" in found.caption()


def test_an_image_of_one_colour_is_said_to_be_one(model: Model) -> None:
    found = pixels(model, np.full((30, 30, 3), 7, np.uint8))
    assert "do not vary" in found.summary()
    assert found.to_json()["correlations"][0][0][1] is None
    found.figure().draw_without_rendering()


def test_what_cannot_be_shown_is_a_sentence(
    model: Model, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="One image is shown, and 2 are given"):
        pixels(model, [photo, photo])
    with pytest.raises(UsageError, match=r"patch of 8 x 8 px at 50, 0 is not in the photo"):
        pixels(model, photo, patch=(50, 0))
    with pytest.raises(UsageError, match="side cannot be 40"):
        pixels(model, photo, side=40)
    with pytest.raises(UsageError, match=r"does not fit|could not be read"):
        pixels(model, photo).save(tmp_path / "a.png", size=(3, 2))


def test_neighbours_are_said_to_be_alike_only_where_they_are(model: Model) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    assert "neighbours are much alike" not in pixels(model, noise).caption()
    steps = np.add.outer(np.arange(0, 120, 3), np.arange(0, 120, 3)).astype(np.uint8)
    ramp = pixels(model, np.repeat(steps[..., None], 3, 2))
    assert ramp.correlations[0, :, 1].min() > 0.9
    assert "neighbours are much alike" in ramp.caption()
    assert "hardly anything is left" in ramp.caption()


def test_the_picture_says_the_order_of_sides_and_what_each_histogram_is_of(
    model: Model, photo: NDArray[np.uint8]
) -> None:
    found = pixels(model, photo, patch=(20, 10), side=6)
    assert "36 px high and 52 px wide" in found.summary()
    assert found.cropped
    assert found.box == model.prepare(photo).boxes[0]
    board, above, _, below = found.figure().axes
    words = {text.get_text() for text in board.texts}
    assert {"the photo: 36 px high, 52 wide", "6 x 6 px at column 20, row 10"} <= words
    assert "whole photo" in above.get_title("left")
    assert "the part that" in below.get_title("left")
    whole = Model(small_network(), preprocessing=replace(PREPARED, resize=None, crop=None))
    assert not pixels(whole, photo).cropped


def test_numbers_in_cells_are_large_enough_or_those_of_the_middle_are(model: Model) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (36, 52, 3)).astype(np.uint8)
    found = pixels(model, noise, side=16)
    board = found.figure().axes[0]
    cells = [text for text in board.texts if text.get_ha() == "center"]
    assert min(text.get_fontsize() for text in cells) >= 8.0
    # 9 of 16 cells fit, and 5 of them with a minus, two digits and a point.
    assert len(cells) == 3 * (9 * 9 + 5 * 5)
    words = [text.get_text() for text in board.texts]
    assert "red, in numbers: middle 9 x 9" in words
    assert "red, prepared: middle 5 x 5" in words
    middle = found.patch[0][3:12, 3:12].ravel()
    assert [int(text.get_text()) for text in cells[:81]] == middle.tolist()


@pytest.mark.parametrize("spike", [None, 0, 255])
def test_no_histogram_runs_through_its_legend(model: Model, spike: int | None) -> None:
    grid = np.random.default_rng(1).integers(0, 256, (36, 52, 3)).astype(np.uint8)
    if spike is not None:
        grid[:20] = spike
    figure = pixels(model, grid, side=8 if spike is None else 2).figure()
    assert crowded(figure) == ""
    for axes in (figure.axes[1], figure.axes[3]):
        box = axes.get_legend().get_window_extent().transformed(axes.transData.inverted())
        for step in axes.patches:
            values, edges, _ = step.get_data()
            under = (edges[1:] > box.x0) & (edges[:-1] < box.x1)
            assert values[under].max(initial=0.0) < box.y0
