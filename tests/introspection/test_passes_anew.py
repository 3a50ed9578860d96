"""A network that rewrites a buffer answers each of many passes as it does the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import cnnviz
from cnnviz.results.result import Result
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


VIEWS: dict[str, tuple[str, Callable[[nn.Module], Result]]] = {
    "occlusion": ("maps", lambda n: cnnviz.occlusion(n, IMAGES, window=3, stride=2)),
    "integrated gradients": ("maps", lambda n: cnnviz.attribute(n, IMAGES, steps=3)),
    "smoothgrad": ("maps", lambda n: cnnviz.attribute(n, IMAGES, "smoothgrad", steps=3)),
    "gradient SHAP": ("maps", lambda n: cnnviz.attribute(n, IMAGES, "gradient_shap", steps=3)),
    "landscape": ("losses", lambda n: cnnviz.loss_landscape(n, IMAGES, [0, 1, 2], points=3)),
    "whiteness": ("correlations", lambda n: cnnviz.gradient_whiteness(n, IMAGES, points=16)),
}


@each_case("name", VIEWS)
def test_no_pass_meets_what_another_left_behind(name: str) -> None:
    values, view = VIEWS[name]
    found: list[Any] = [
        np.asarray(getattr(view(Drifting(grows=grows)), values)) for grows in (0.3, 0.0)
    ]
    assert np.ptp(found[1]) > 0.0
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-6)
