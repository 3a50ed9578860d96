"""Batch sizes follow from what the layers hold, the free memory and a processor's cache."""

from __future__ import annotations

import pytest
import torch

import cnnviz
from cnnviz.heatmaps import cam_methods
from cnnviz.models import as_model
from cnnviz.passes import batch_size
from tests.helpers.architectures import tiny_network
from tests.helpers.state import state


@pytest.fixture
def each(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return what one image takes, with memory for ten such images free."""
    size = batch_size._bytes(as_model(tiny_network()), torch.zeros(1, 3, 16, 16))
    monkeypatch.setattr(
        batch_size, "_free_bytes", lambda device: int(10.5 * size / batch_size._SHARE)
    )
    return size


def test_no_more_than_fit_into_the_free_memory(each: int) -> None:
    model, images = as_model(tiny_network()), torch.zeros(1, 3, 16, 16)
    before = state(model.module)
    assert batch_size.rows_that_fit(model, images) == 10
    # Images of twice the side hold about four times as much.
    assert batch_size.rows_that_fit(model, torch.zeros(1, 3, 32, 32)) == 2
    assert batch_size.rows_that_fit(model, torch.zeros(1, 3, 256, 256)) == 1
    assert state(model.module) == before


def test_no_more_than_stay_near_a_processor(each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = as_model(tiny_network()), torch.zeros(1, 3, 16, 16)
    monkeypatch.setattr(batch_size, "_NEAR", 4 * each)
    assert batch_size.rows_at_once(model, images) == 4
    monkeypatch.setattr(batch_size, "_NEAR", 40 * each)
    assert batch_size.rows_at_once(model, images) == 10


def test_past_64_a_batch_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "_free_bytes", lambda device: 1 << 40)
    assert batch_size.rows_that_fit(as_model(tiny_network()), torch.zeros(1, 3, 8, 8)) == 64


def test_the_free_memory_of_this_machine_is_known() -> None:
    assert batch_size._free_bytes(torch.device("cpu")) > 1 << 20


def test_the_largest_layer_fills_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = as_model(tiny_network()), torch.zeros(1, 3, 16, 16)
    calls = batch_size.trace(model.module, (3, 16, 16)).calls
    largest = max(call.output_bytes for call in calls)
    monkeypatch.setattr(batch_size, "_free_bytes", lambda device: 1 << 40)
    monkeypatch.setattr(batch_size, "_shared_cache", lambda: 5 * largest + 1)
    assert batch_size.rows_in_cache(model, images) == 5
    monkeypatch.setattr(batch_size, "_shared_cache", lambda: largest // 2)
    assert batch_size.rows_in_cache(model, images) == 1
    monkeypatch.setattr(batch_size, "_shared_cache", lambda: 1 << 40)
    assert batch_size.rows_in_cache(model, images) == 64


def test_a_machine_that_does_not_tell_its_cache_has_a_usual_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for told in (0, -1):
        monkeypatch.setattr(batch_size.os, "sysconf", lambda _, told=told: told)
        assert batch_size._shared_cache() == batch_size._USUAL_CACHE


@pytest.mark.parametrize("method", ["scorecam", "ablationcam"])
def test_maps_are_the_same_for_any_batch(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # In float32 rounding by another order of sums is as large as what is asked below.
    images = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    model = as_model(tiny_network().double())
    found = []
    for rows in (1, 3, 64):
        monkeypatch.setattr(cam_methods, "rows_in_cache", lambda *_, rows=rows: rows)
        held = cnnviz.capture(model, images)
        found.append(cnnviz.cam(held, method=method).maps[0])
    for other in found[1:]:
        torch.testing.assert_close(
            torch.from_numpy(other),
            torch.from_numpy(found[0]),
            rtol=0,
            atol=1e-6 * float(abs(found[0]).max()),
        )
