"""What of the process is set for a pass, and put back after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

import cnnviz

CUDNN = torch.backends.cudnn


class Asked(nn.Module):
    """A network that notes how cuDNN was told to compute, and tells it otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen.add((CUDNN.deterministic, CUDNN.benchmark))
        out = self.conv(x).mean((2, 3))
        if out.requires_grad:
            out.register_hook(lambda _: seen.add((CUDNN.deterministic, CUDNN.benchmark)))
        return out


seen: set[tuple[bool, bool]] = set()


@pytest.fixture(params=[(False, False), (False, True), (True, False)])
def told(request: pytest.FixtureRequest) -> Iterator[tuple[bool, bool]]:
    """Tell cuDNN how to compute, as the caller of a view may have done."""
    before = CUDNN.deterministic, CUDNN.benchmark
    CUDNN.deterministic, CUDNN.benchmark = request.param
    seen.clear()
    yield request.param
    CUDNN.deterministic, CUDNN.benchmark = before


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "guided_backprop"])
def test_forward_and_backward_passes_are_repeatable_on_a_gpu(
    told: tuple[bool, bool], method: str
) -> None:
    cnnviz.attribute(Asked(), torch.rand(1, 3, 8, 8), method, 0, steps=3)
    assert seen == {(True, False)}
    assert (CUDNN.deterministic, CUDNN.benchmark) == told


def test_ascents_are_repeatable_too(told: tuple[bool, bool]) -> None:
    cnnviz.feature_visualization(Asked(), "conv:0", steps=2, size=8)
    assert seen == {(True, False)}
    assert (CUDNN.deterministic, CUDNN.benchmark) == told


def test_what_a_network_tells_cudnn_is_put_back(told: tuple[bool, bool]) -> None:
    class Fast(Asked):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            CUDNN.deterministic, CUDNN.benchmark = False, True
            return super().forward(x)

    cnnviz.capture(Fast(), torch.rand(1, 3, 8, 8))
    assert (CUDNN.deterministic, CUDNN.benchmark) == told
