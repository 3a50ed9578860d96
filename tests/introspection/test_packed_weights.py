"""Packed weights are as oneDNN reads them: it lays none out anew in calls that are repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from cnnviz.introspection.fast_copy import packed_weights
from cnnviz.introspection.fast_copy.input_gradient import InputGradient
from cnnviz.introspection.fast_copy.packed import PackedConvolution, packs
from cnnviz.introspection.fast_copy.packed_weights import PackedWeights

Call = Callable[[int], torch.Tensor]


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_what_is_met_twice_is_packed_for_and_kept_once_for_each_layout(monkeypatch, threads):
    monkeypatch.setattr(packed_weights, "_layout", lambda made: bytes([made % 10]))
    found, made = PackedWeights(), iter((11, 21, 32, 12))
    asked = [found((batch, 3), lambda: next(made)) for batch in (2, 2, 1, 1, 1, 3, 3)]
    assert asked == [11, 11, 11, 11, 11, 11, 32]
    assert len(found) == 2, "21 is laid out as 11 is"
    threads(torch.get_num_threads() + 1)
    assert [found((3, 3), lambda: next(made)) for _ in range(3)] == [11, 32, 32]


def test_which_weights_serve_is_known_of_no_more_than_some_shapes(monkeypatch):
    monkeypatch.setattr(packed_weights, "_layout", lambda made: b"")
    found = PackedWeights()
    for batch in range(3 * packed_weights._MOST):
        assert [found((batch,), lambda: 1) for _ in range(2)] == [1, 1]
        assert len(found._serving) <= packed_weights._MOST


def forward() -> Call:
    layer = nn.Conv2d(256, 1024, 1).requires_grad_(False)
    packed = PackedConvolution(layer, again=lambda: layer)
    return lambda count: packed(maps(count, 256))


def gradient() -> Call:
    layer = nn.Conv2d(1024, 256, 1).requires_grad_(False)
    back = InputGradient()
    return lambda count: back(maps(count, 256), torch.Size((count, 1024, 14, 14)), lambda: layer)


def maps(count: int, channels: int) -> torch.Tensor:
    torch.manual_seed(count)
    return torch.randn(count, channels, 14, 14).contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(not packs(), reason="this processor or torch packs no weights")
@pytest.mark.parametrize("make", [forward, gradient])
def test_weights_are_laid_out_anew_for_no_batch_that_is_repeated(make, threads, capfd):
    threads(2)
    call = make()
    first = [call(count) for count in (2, 1) for _ in range(2)][::2]
    capfd.readouterr()
    with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
        again = [call(count) for count in (2, 1)]
    done = capfd.readouterr().out
    assert "convolution" in done
    assert ",reorder," not in done, done
    assert all(map(torch.equal, first, again)), "the layout changes no bit"
