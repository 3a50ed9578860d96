"""What layers are called in a drawing: poolings that no pooling layer does."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from cnnviz.course.layer_labels import layer_label
from cnnviz.introspection.tracing import trace
from tests.helpers.each_case import each_case


class Pooled(nn.Module):
    """A convolution and a function of its maps."""

    def __init__(self, axes: int, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.conv = (nn.Conv1d, nn.Conv2d)[axes - 1](2, 3, 3)
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self.conv(x))


GLOBAL: dict[str, tuple[int, Callable[[torch.Tensor], torch.Tensor], str]] = {
    "mean": (1, lambda x: x.mean(2), "average"),
    "largest": (1, lambda x: x.amax(-1), "max"),
    "largest with its place": (1, lambda x: x.max(-1, keepdim=True).values, "max"),
    "sum": (1, lambda x: torch.sum(x, -1) / 4, "sum"),
    "adaptive": (1, lambda x: F.adaptive_avg_pool1d(x, 1), "average"),
    "steps": (1, lambda x: x.mT.mean(1, keepdim=True), "average"),
    "in a row": (2, lambda x: x.flatten(2).mean(2), "average"),
    "both axes": (2, lambda x: x.sum((2, 3)), "sum"),
    "soft": (2, lambda x: x.logsumexp((2, 3)), "log-sum-exp"),
}


@each_case("name", GLOBAL)
def test_a_map_summed_up_over_its_places_is_pooled(name: str) -> None:
    axes, function, what = GLOBAL[name]
    (pool,) = (
        call
        for call in trace(Pooled(axes, function).eval(), (2, 6, 7)[: 1 + axes]).calls
        if call.kind == "pool"
    )
    assert layer_label(pool) == f"global {what} pool"


@each_case("function", (lambda x: x.mean(1), lambda x: F.normalize(x, dim=1)))
def test_a_sum_over_channels_is_no_pooling(
    function: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    calls = trace(Pooled(2, function).eval(), (2, 6, 7)).calls
    assert not [call for call in calls if call.kind == "pool"]
