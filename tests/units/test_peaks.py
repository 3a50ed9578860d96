"""The largest values of maps, and how many are above zero, however the maps lie in memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnviz.units.peaks import _first_is_found, above_zero, peaks, peaks_and_active
from cnnviz.units.top_k import TopK
from tests.helpers.each_case import each_case

LAYOUTS = ("as they are", "channels-last", "transposed", "part of a batch")
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def laid_out(maps: torch.Tensor, layout: str) -> torch.Tensor:
    """Return the same maps, in another order in memory."""
    if layout == "channels-last":
        return maps.contiguous(memory_format=torch.channels_last)
    if layout == "transposed":
        return maps.transpose(2, 3).contiguous().transpose(2, 3)
    if layout == "part of a batch":
        more = torch.cat([maps, maps]).contiguous(memory_format=torch.channels_last)
        return more[: len(maps)]
    return maps


def loops(maps: torch.Tensor) -> tuple[list[list[float]], list[int]]:
    """Return the same in double precision, value by value."""
    values = maps.double().flatten(2).tolist()
    tops = [[max(channel) for channel in image] for image in values]
    above = [
        sum(value > 0.0 for image in values for value in image[channel])
        for channel in range(maps.shape[1])
    ]
    return tops, above


@given(
    *(st.integers(1, 3), st.integers(1, 20), st.integers(1, 6), st.integers(1, 6)),
    *(st.sampled_from(LAYOUTS), st.sampled_from(DTYPES), st.integers(0, 9)),
)
def test_they_are_those_of_a_loop_over_all_values(
    images, channels, height, width, layout, dtype, seed
) -> None:
    made = torch.Generator().manual_seed(seed)
    maps = torch.randn(images, channels, height, width, generator=made).to(dtype)
    tops, active = peaks_and_active(laid_out(maps, layout))
    wanted, above = loops(maps)
    assert tops.values.tolist() == wanted
    assert active.tolist() == above
    assert peaks(laid_out(maps, layout)).values.tolist() == wanted
    assert above_zero(laid_out(maps, layout)).tolist() == above


@each_case("layout", LAYOUTS)
@each_case("side", [15, 16, 17, 23])
def test_more_values_are_counted_than_a_byte_holds(layout, side) -> None:
    maps = torch.ones(3, 9, side, side)
    maps[:, 4] = -1.0
    _, active = peaks_and_active(laid_out(maps, layout))
    assert active.tolist() == [3 * side * side * (channel != 4) for channel in range(9)]


@each_case("layout", LAYOUTS)
def test_what_is_no_number_is_seen_and_not_above_zero(layout) -> None:
    maps = torch.ones(2, 8, 3, 3)
    maps[1, 2, 0, 1], maps[0, 5, 2, 2], maps[0, 6] = torch.nan, torch.inf, -torch.inf
    found, active = peaks_and_active(laid_out(maps, layout))
    tops = found.values
    assert np.isnan(tops[1, 2])
    assert np.isnan(tops).sum() == 1
    assert np.isposinf(tops[0, 5])
    assert np.isneginf(tops[0, 6])
    assert active.tolist() == [18, 18, 17, 18, 18, 18, 9, 18]


@each_case("spoilt", [False, True])
@each_case("dtype", DTYPES)
def test_the_strongest_positions_do_not_depend_on_the_order_in_memory(dtype, spoilt) -> None:
    made = torch.Generator().manual_seed(0)
    # Few different values, so that there are ties.
    maps = torch.randint(-3, 4, (6, 5, 4, 7), generator=made).to(dtype)
    if spoilt:
        maps[2, 1, 0, 0], maps[3, 1], maps[4, :, 1] = torch.nan, torch.nan, torch.nan
    found = []
    for layout in LAYOUTS:
        kept = TopK(3)
        kept.update(laid_out(maps, layout), np.arange(6))
        found.append([each.tolist() for each in kept.state().values()])
    assert all(each == found[0] for each in found)


@each_case("dtype", DTYPES[1:])
def test_of_equal_values_side_by_side_the_first_place_comes_with_them(dtype) -> None:
    made = torch.Generator().manual_seed(0)
    maps = torch.randint(-3, 2, (4, 37, 5, 7), generator=made).to(dtype)
    maps[1, 3], maps[2, 36] = -torch.inf, 2.0
    found = peaks(laid_out(maps, "channels-last"))
    assert found.places is not None
    assert found.places.tolist() == maps.double().flatten(2).numpy().argmax(2).tolist()


@pytest.mark.parametrize("wrong", ["last place", "no pooling"])
def test_a_torch_that_finds_another_place_is_not_asked_for_any(monkeypatch, wrong) -> None:
    def last(maps: torch.Tensor, size: torch.Size, **_: bool) -> tuple[torch.Tensor, torch.Tensor]:
        if wrong == "no pooling":
            raise RuntimeError
        values, places = max_pool2d(maps.flip(2, 3), size, return_indices=True)
        return values, maps[0, 0].numel() - 1 - places

    max_pool2d = torch.nn.functional.max_pool2d
    made = torch.Generator().manual_seed(0)
    maps = laid_out(torch.randint(-3, 2, (4, 9, 5, 7), generator=made).float(), "channels-last")
    wanted, other = TopK(3), TopK(3)
    wanted.update(maps, range(4))
    monkeypatch.setattr("cnnviz.units.peaks.F.max_pool2d", last)
    _first_is_found.cache_clear()
    try:
        assert peaks(maps).places is None
        assert peaks_and_active(maps)[1].tolist() == (maps > 0).sum((0, 2, 3)).tolist()
        other.update(maps, range(4))
    finally:
        _first_is_found.cache_clear()
    assert all(np.array_equal(each, other.state()[name]) for name, each in wanted.state().items())
