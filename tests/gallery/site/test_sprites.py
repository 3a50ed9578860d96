"""Tiles, sheets, kernels and histograms: nothing is moved, lost or cropped."""

import base64
import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cnnviz.results.drawing import FLAT
from cnnviz_gallery.scan.quantised_sums import BINS, bin_of, unit_for
from cnnviz_gallery.site.histograms import HEIGHT, WIDTH, histogram
from cnnviz_gallery.site.sprites import face, kernel_uri, read_sheet, sheet, tile, webp
from tests.helpers.each_case import each_case


def test_small_patches_grow_whole_and_wide_ones_keep_their_shape():
    patch = np.arange(3 * 3 * 3, dtype=np.uint8).reshape(3, 3, 3) * 9
    assert np.array_equal(tile(patch, 96), patch.repeat(32, 0).repeat(32, 1))
    wide = tile(np.full((10, 40, 3), 7, np.uint8), 96)
    assert (wide[36:60] == 7).all()
    assert (wide[:36] == FLAT).all()
    assert (wide[60:] == FLAT).all()


def test_sheets_are_read_back_in_order():
    tiles = [np.full((72, 72, 3), 9 * at, np.uint8) for at in range(19)]
    data = webp(sheet(tiles, 16))
    for wanted, found in zip(tiles, read_sheet(data, 72, 19), strict=True):
        assert np.abs(found[8:-8, 8:-8].astype(int) - wanted[8:-8, 8:-8]).max() <= 4


def test_a_picture_keeps_within_its_bytes_where_it_can():
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    assert len(webp(noise, 5000)) <= 5000 < len(webp(noise))


def test_a_face_without_a_patch_is_grey():
    assert (face([]) == FLAT).all()


def _pixels(uri):
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_kernels_are_red_above_zero_blue_below_and_white_at_zero():
    pixels = _pixels(kernel_uri(np.array([[2.0, 0.0], [-2.0, 1.0]], np.float32)))
    assert pixels[0, 0, 0] > pixels[0, 0, 2] + 50
    assert pixels[1, 0, 2] > pixels[1, 0, 0] + 50
    assert pixels[0, 1].min() >= 245
    assert pixels[1, 1, 1] > pixels[0, 0, 1]
    colour = np.zeros((3, 1, 2), np.float32)
    colour[0, 0, 0] = 1.0
    assert _pixels(kernel_uri(colour))[0].tolist() == [[255, 128, 128], [128, 128, 128]]


VALUES = st.lists(
    # What lies as near to zero as this, of a layer of such values, may be said to be above it.
    st.floats(-300, 300, width=32).filter(lambda value: not -(2.0**-5) < value < 0.0),
    min_size=1,
    max_size=60,
)


def _drawn(values, unit):
    values = np.array(values, np.float32)
    counts = np.bincount(bin_of(torch.from_numpy(values), unit).numpy(), minlength=BINS)
    low, high = float(values.min()), float(values.max())
    return histogram(counts, unit, low, high, {"strongest": values.tolist()})


@given(VALUES)
def test_a_histogram_loses_no_image_and_keeps_every_mark_inside(values):
    found = _drawn(values, unit_for(300.0))
    heights = np.array([bar.height for bar in found.bars])
    highest = int(found.highest.split()[0])
    assert round(float((heights / HEIGHT * highest).sum()), 0) == pytest.approx(len(values), abs=2)
    assert all(0 <= bar.x <= WIDTH and bar.width >= 1 for bar in found.bars)
    for at in found.marks[0][1]:
        assert 0 <= at <= WIDTH
        # Each value stands over a bar.
        assert any(bar.x - 0.2 <= at <= bar.x + bar.width + 1.3 for bar in found.bars)


def test_the_numbers_below_a_histogram_go_to_one_place():
    for low, high, wanted in (
        (0.3, 2.78, "0.5 1.0 1.5 2.0 2.5"),
        (700.0, 2112.0, "1000 1500 2000"),
    ):
        assert " ".join(tick.text for tick in _drawn([low, high], unit_for(high)).ticks) == wanted


def test_a_histogram_of_one_value_and_of_what_lies_beyond_the_bins():
    for value, beyond in ((0.0, False), (1e-9, False), (-5.0, False), (1e7, True), (-np.inf, True)):
        found = _drawn([value], unit_for(1.0))
        assert len(found.bars) == 1
        assert bool(found.beyond) == beyond


@each_case("octave", [-60, -20, 14, 60])
def test_a_histogram_of_a_layer_of_any_size_has_the_same_bars(octave):
    """Values below 2 ** -12 once all lay in one bar that ended far below them, likewise large."""
    values, size = np.array([0.3, 0.31, 0.5, -0.7, 0.9]), 2.0**octave
    assert _drawn(values * size, unit_for(size)).bars == _drawn(values, unit_for(1.0)).bars


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_bar_of_a_unit_far_weaker_than_its_layer_reaches_as_far_as_its_values(sign):
    found = _drawn([sign * 1e-6, sign * 3e-5], unit_for(1.0))
    assert len(found.bars) == 1
    furthest = max(found.ticks, key=lambda tick: tick.x * sign).text
    assert furthest == ("6.0 × 10⁻⁵" if sign > 0 else "−6.0 × 10⁻⁵")
