"""The k strongest positions of each channel, held against sorting everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cnnviz.errors import UsageError
from cnnviz.units.top_k import TopK, first_largest, first_where_they_lie
from tests.helpers.each_case import each_case

NAMES = ("values", "images", "rows", "columns", "least", "not_finite")


def brute(maps: np.ndarray, indices: list[int], k: int) -> dict[str, np.ndarray]:
    """Sort every position of every image in plain Python."""
    count, channels, height, width = maps.shape
    found = {
        "values": np.full((channels, k), -np.inf),
        **{name: np.full((channels, k), -1) for name in ("images", "rows", "columns")},
    }
    for channel in range(channels):
        best: dict[int, tuple[float, int, int, int]] = {}
        for place in range(count):
            for row in range(height):
                for column in range(width):
                    value = float(maps[place, channel, row, column])
                    if np.isnan(value) or value == -np.inf:
                        continue
                    entry = (-value, indices[place], row, column)
                    best[indices[place]] = min(best.get(indices[place], entry), entry)
        for slot, (value, image, row, column) in enumerate(sorted(best.values())[:k]):
            found["values"][channel, slot] = -value
            found["images"][channel, slot] = image
            found["rows"][channel, slot], found["columns"][channel, slot] = row, column
    return found


def same(one: TopK, other: TopK) -> None:
    for name in NAMES:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


# Few different values, so that there are ties; and what is no number, or endless.
values = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, 1.0, 2.0, np.nan, np.inf, -np.inf])
shapes = st.tuples(st.integers(1, 7), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
many_maps = shapes.flatmap(lambda shape: arrays.arrays(np.float32, shape, elements=values))


@given(many_maps, st.integers(1, 4), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_sharding_gives_what_sorting_everything_gives(maps, k, random) -> None:
    count = len(maps)
    indices = [random.randrange(count + 2) for _ in range(count)]  # some twice
    wanted = brute(maps, indices, k)
    order = random.sample(range(count), count)
    shards = [TopK(k) for _ in range(random.randint(1, 4))]
    while order:
        batch = [order.pop() for _ in range(min(len(order), random.randint(1, 3)))]
        given_to = random.choice(shards)
        given_to.update(torch.from_numpy(maps[batch]), [indices[place] for place in batch])
    while len(shards) > 1:  # merged in any order, as a tree
        one = shards.pop(random.randrange(len(shards)))
        shards[random.randrange(len(shards))].merge(one)
    for name, expected in wanted.items():
        np.testing.assert_array_equal(getattr(shards[0], name), expected, name)
    assert shards[0].images_seen == count
    lost = np.isnan(maps).any((2, 3)).sum(0)
    np.testing.assert_array_equal(shards[0].not_finite, lost)


@given(arrays.arrays(np.float32, (6, 2, 2, 2), elements=values), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_merging_is_associative_and_commutative_to_the_bit(maps, k) -> None:
    def shard(*places: int) -> TopK:
        made = TopK(k)
        made.update(torch.from_numpy(maps[list(places)]), places)
        return made

    one = shard(0, 3)
    one.merge(shard(1, 4))
    one.merge(shard(2, 5))
    other, inner = shard(2, 5), shard(1, 4)
    inner.merge(shard(0, 3))
    other.merge(inner)
    same(one, other)


def test_a_long_stream_is_that_of_sorting() -> None:
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((300, 70, 4, 5)).astype(np.float32)
    found = TopK(9)
    for start in range(0, 300, 32):
        found.update(torch.from_numpy(maps[start : start + 32]), range(300)[start : start + 32])
    tops = maps.reshape(300, 70, -1).max(2).T
    order = np.argsort(-tops, axis=1, kind="stable")[:, :9]
    np.testing.assert_array_equal(found.images, order)
    np.testing.assert_array_equal(found.values, np.take_along_axis(tops, order, 1))
    at = maps[order, np.arange(70)[:, None], found.rows, found.columns]
    np.testing.assert_array_equal(found.values, at)
    np.testing.assert_array_equal(found.least, tops.min(1))


@each_case("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_every_floating_type_is_kept_exactly(dtype) -> None:
    maps = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = TopK(2)
    found.update(maps, range(5))
    wanted = maps.double().amax((2, 3)).T.sort(descending=True).values[:, :2]
    np.testing.assert_array_equal(found.values, wanted.numpy())


def test_maps_may_lie_in_memory_in_any_order_and_require_gradients() -> None:
    maps = torch.randn(4, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    plain, other = TopK(3), TopK(3)
    plain.update(maps, range(4))
    other.update(maps.to(memory_format=torch.channels_last).requires_grad_(), range(4))
    same(plain, other)


def test_a_dead_channel_keeps_the_first_images_and_costs_no_search(monkeypatch) -> None:
    found = TopK(2)
    found.update(torch.zeros(3, 1, 2, 2), range(3))
    assert found.images.tolist() == [[0, 1]]
    monkeypatch.setattr("cnnviz.units.top_k.first_strongest", None)
    found.update(torch.zeros(3, 1, 2, 2), range(3, 6))
    assert found.images.tolist() == [[0, 1]]
    assert found.least.tolist() == [0.0]


@each_case("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_what_is_found_on_a_gpu_is_what_is_found_on_the_processor(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    # Whole numbers, so that many are equal.
    maps = torch.randint(-3, 3, (300, 5, 7), generator=generator).to(dtype)
    maps[::7, 2, 3], maps[::5, 1, 1], maps[::11] = torch.nan, torch.inf, -torch.inf
    maps[13], maps[14, 0, 0] = torch.nan, torch.nan
    here = first_largest(maps)
    flat = maps.flatten(1).to(torch.promote_types(dtype, torch.float32))
    there = first_where_they_lie(flat, 7, with_nan=True)
    for one, two in zip(here, there, strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.dtype == two.dtype
    numbers = torch.nan_to_num(maps, 0.0)
    there = first_where_they_lie(numbers.flatten(1).to(flat.dtype), 7, with_nan=False)
    for one, two in zip(first_largest(numbers), there, strict=True):
        np.testing.assert_array_equal(one, two)


def test_too_few_images_leave_places_empty() -> None:
    found = TopK(3)
    found.update(torch.full((1, 1, 2, 2), 4.0), [7])
    assert found.images.tolist() == [[7, -1, -1]]
    assert found.values.tolist() == [[4.0, -np.inf, -np.inf]]
    assert found.rows.tolist() == [[0, -1, -1]]


def test_it_is_made_again_from_its_arrays() -> None:
    maps = torch.randn(6, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    whole, first = TopK(2), TopK(2)
    whole.update(maps, range(6))
    first.update(maps[:4], range(4))
    again = TopK.from_state(first.state())
    again.update(maps[4:], range(4, 6))
    same(again, whole)
    assert again.images_seen == 6
    assert first.images_seen == 4
    assert int(first.images.max()) < 4, "the copy is a copy"


def test_wrong_arguments_are_sentences() -> None:
    with pytest.raises(UsageError, match="0 positions cannot be kept"):
        TopK(0)
    found = TopK(2)
    with pytest.raises(UsageError, match="No image was looked at"):
        _ = found.values
    with pytest.raises(UsageError, match=r"Activations \[2, 3\] do not fit"):
        found.update(torch.zeros(2, 3), [0, 1])
    with pytest.raises(UsageError, match="do not fit"):
        found.update(torch.zeros(2, 3, 1, 1), [0])
    found.update(torch.zeros(1, 3, 1, 1), [0])
    with pytest.raises(UsageError, match="3 channels before, and now 4"):
        found.update(torch.zeros(1, 4, 1, 1), [0])
    with pytest.raises(UsageError, match="strongest 2 and the strongest 3"):
        found.merge(TopK(3))
    found.merge(TopK(2))
    assert found.images_seen == 1


@given(many_maps, st.integers(1, 4), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_places_that_were_found_elsewhere_are_let_in_in_any_order(maps, k, random) -> None:
    whole, half, other = TopK(k), TopK(k), TopK(k)
    whole.update(torch.from_numpy(maps), range(len(maps)))
    for part, found in ((half, range(0, len(maps), 2)), (other, range(1, len(maps), 2))):
        if len(found):
            part.update(torch.from_numpy(maps[list(found)]), found)
    if len(maps) == 1:
        return
    order = np.array(random.sample(range(k), k))
    half.put(*(getattr(other, name)[:, order] for name in NAMES[:4]))
    for name in NAMES[:4]:
        np.testing.assert_array_equal(getattr(half, name), getattr(whole, name), name)
