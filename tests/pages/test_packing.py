"""What is packed is told by whole steps, and nothing is lost beside half of one."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cnnviz.pages.packing import Packed, by_channel, by_channel_for_sums, by_row, predicted

_LETTERS = bytes.maketrans(b".,:[", b"<&>`")


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b85decode(text.encode().translate(_LETTERS)), -15)


def test_arrays_come_back_as_they_were_and_the_text_says_nothing_to_html() -> None:
    chance = np.random.default_rng(0)
    arrays = [
        chance.integers(0, 255, (3, 5)).astype(np.uint8),
        chance.normal(size=7).astype(np.float32),
        np.arange(-4, 4, dtype=np.int16).reshape(2, 2, 2),
    ]
    packed = Packed()
    places = [packed.add(array) for array in arrays]
    text = packed.text()
    assert not set(text) & set("<&>\"'`\\")
    data = unpacked(text)
    for array, place in zip(arrays, places, strict=True):
        assert place["at"] % 4 == 0
        found = np.frombuffer(data, f"<{place['type']}", array.size, place["at"])
        assert (found.reshape(place["shape"]) == array).all()


def test_a_type_that_a_page_does_not_read_is_refused() -> None:
    with pytest.raises(TypeError, match="float64"):
        Packed().add(np.zeros(2))


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-1e6, 1e6, width=32)))
def test_no_value_is_off_by_more_than_half_a_step(values: np.ndarray) -> None:
    for levels in (127, 15, np.array([127, 31, 1])):
        whole, step = by_row(values, levels)
        off = np.abs(whole * step[:, None].astype(np.float64) - values)
        assert (off <= 0.501 * step[:, None] + 1e-30).all()
    channels, low, step = by_channel(values[:, None])
    kept = channels * step[:, None, None].astype(np.float64) + low[:, None, None]
    assert (np.abs(kept - values[:, None]) <= 0.51 * step[:, None, None] + 0.1).all()


def test_what_is_zero_stays_zero() -> None:
    maps = np.maximum(np.random.default_rng(0).normal(size=(4, 3, 3)), 0).astype(np.float32)
    whole, low, step = by_channel(maps)
    kept = whole * step[:, None, None] + low[:, None, None]
    assert (kept[maps == 0] == 0).all()
    assert by_row(np.zeros((2, 3), np.float32))[0].tolist() == [[0, 0, 0], [0, 0, 0]]


@given(hnp.arrays(np.uint8, (2, 4, 5)))
def test_pixels_come_back_from_what_is_left_beside_the_guess(pixels: np.ndarray) -> None:
    left = predicted(pixels)
    found = np.zeros_like(pixels)
    for c, y, x in np.ndindex(*pixels.shape):
        before = int(found[c, y, x - 1]) if x else 0
        above = int(found[c, y - 1, x]) if y else 0
        corner = int(found[c, y - 1, x - 1]) if x and y else 0
        guess = sorted((before, above, before + above - corner))[1]
        found[c, y, x] = (int(left[c, y, x]) + guess) % 256
    assert (found == pixels).all()


@pytest.mark.parametrize("levels", [15, 95, 255])
def test_steps_up_or_down_let_errors_cancel_in_sums_and_are_off_by_less_than_one(levels) -> None:
    chance = np.random.default_rng(levels)
    maps = np.maximum(chance.normal(size=(48, 9, 11)), 0.0).astype(np.float32)
    maps[5] = 0.25
    weights = chance.normal(size=(6, 48)).astype(np.float32)

    def errors(whole, low, step):
        kept = whole * step[:, None, None].astype(np.float64) + low[:, None, None]
        return kept, np.abs(np.tensordot(weights, kept - maps, 1)).reshape(6, -1).max(1)

    kept, mine = errors(*by_channel_for_sums(maps, weights, levels))
    _, nearest = errors(*by_channel(maps, levels))
    step = np.ptp(maps.reshape(48, -1), 1) / levels
    assert (np.abs(kept - maps) <= 1.0001 * step[:, None, None] + 1e-6).all()
    assert (kept[5] == 0.25).all()
    assert mine.mean() < nearest.mean() / 2
