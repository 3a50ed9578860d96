"""Where memory is short, batches are halved until they fit, and what comes out is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import CnnvizError
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.testing.trial import small_network
from tests.helpers.state import state

SHORTAGES: list[Callable[[], Exception]] = [
    MemoryError,
    lambda: torch.OutOfMemoryError("CUDA out of memory"),
    lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
]
_SEEN: list[int] = []


class Small(nn.Module):
    """A network that has memory for so many images."""

    def __init__(self, most: int, shortage: Callable[[], Exception]) -> None:
        super().__init__()
        self.network = small_network()
        self.most, self.shortage = most, shortage

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _SEEN.append(len(x))
        if len(x) > self.most:
            raise self.shortage()
        return self.network(x)


def image(count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def cams(network: nn.Module) -> Any:
    held = cnnviz.capture(network, image(), layers="network.3", target=1)
    return cnnviz.cam(held, method="scorecam").maps[0]


ASKS: dict[str, Callable[[nn.Module], Any]] = {
    "Score-CAM": cams,
    "SmoothGrad": lambda net: cnnviz.attribute(net, image(), "smoothgrad", target=1, steps=8).maps[
        0
    ],
    "occlusion": lambda net: cnnviz.occlusion(net, image(), 4, 4, target=1).maps[0],
    "invariance": lambda net: cnnviz.invariance(net, image()).arrays(),
}


@pytest.mark.parametrize("shortage", SHORTAGES[:1])
@pytest.mark.parametrize("ask", ASKS)
def test_batches_are_halved_and_the_result_is_the_same(
    ask: str, shortage: Callable[[], Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "0")
    _SEEN.clear()
    expected = ASKS[ask](Small(1000, shortage))
    assert max(_SEEN) > 3
    network = Small(3, shortage).train()
    before = state(network)
    _SEEN.clear()
    found = ASKS[ask](network)
    assert max(_SEEN) > 3, "it was short of memory"
    assert state(network) == before
    pairs = (
        [(found[name], expected[name]) for name in expected]
        if isinstance(expected, dict)
        else [(found, expected)]
    )
    for one, other in pairs:
        if one.dtype.kind == "f":
            most = float(np.nanmax(np.abs(other), initial=0.0))
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * most)


@pytest.mark.parametrize("shortage", SHORTAGES)
def test_shortage_is_told_where_one_image_is_too_many(
    shortage: Callable[[], Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "0")
    network = Small(0, shortage).train()
    before = state(network)
    with pytest.raises((CnnvizError, MemoryError, torch.OutOfMemoryError), match=r"memory|^$"):
        cnnviz.attribute(network, image(), "smoothgrad", target=1)
    assert state(network) == before


def test_what_is_no_shortage_is_raised_at_once() -> None:
    calls = []

    @in_smaller_batches
    def fails() -> None:
        calls.append(1)
        raise RuntimeError("another fault")

    with pytest.raises(RuntimeError, match="another fault"):
        fails()
    assert len(calls) == 1
