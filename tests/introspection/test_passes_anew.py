"""A network that rewrites a buffer answers each of many passes as it does the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import cnnviz
from tests.helpers.each_case import each_case

IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Drifting(nn.Module):
    """Adds a buffer to its maps that grows with every pass, or stays."""

    def __init__(self, *, grows: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.grows = nn.Conv2d(3, 4, 3), nn.Linear(4, 5), grows
        self.register_buffer("shift", torch.zeros(1, 4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = (self.conv(x) + self.shift).relu()
        self.shift.add_(self.grows)
        return self.head(maps.mean((2, 3)))


def losses_of_several_batches(network: nn.Module) -> list[float]:
    data = [(IMAGES[place % 3], place % 5) for place in range(70)]
    return [one.loss for one in cnnviz.error_analysis(network, data, explain=0).mistakes]


VALUES: dict[str, Callable[[nn.Module], Any]] = {
    "occlusion": lambda n: cnnviz.occlusion(n, IMAGES, window=3, stride=2).maps,
    "integrated gradients": lambda n: cnnviz.attribute(n, IMAGES, steps=3).maps,
    "smoothgrad": lambda n: cnnviz.attribute(n, IMAGES, "smoothgrad", steps=3).maps,
    "gradient SHAP": lambda n: cnnviz.attribute(n, IMAGES, "gradient_shap", steps=3).maps,
    "landscape": lambda n: cnnviz.loss_landscape(n, IMAGES, [0, 1, 2], points=3).losses,
    "whiteness": lambda n: cnnviz.gradient_whiteness(n, IMAGES, points=16).correlations,
    "errors": losses_of_several_batches,
}


@each_case("name", VALUES)
def test_no_pass_meets_what_another_left_behind(name: str) -> None:
    drifting, staying = (np.asarray(VALUES[name](Drifting(grows=grows))) for grows in (0.3, 0.0))
    assert np.ptp(staying) > 0.0
    np.testing.assert_allclose(drifting, staying, rtol=1e-4, atol=1e-6)
