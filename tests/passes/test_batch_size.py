"""Batch sizes follow from what the layers hold, the free memory and a processor's cache."""

from __future__ import annotations

import pytest
import torch

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
