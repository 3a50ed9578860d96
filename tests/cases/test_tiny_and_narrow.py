"""Photos of one pixel, of one row or column, and layers of complex numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

import cnnviz
from cnnviz.errors import LayerError
from cnnviz.results.picture_style import FILE_DPI

MOST_PIXELS = 4000
"""Of a side of a picture of one photo."""


def network(height: int, width: int) -> nn.Module:
    kernel = (3 if height > 1 else 1, 3 if width > 1 else 1)
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 24, kernel, padding=(kernel[0] // 2, kernel[1] // 2)),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 3),
    ).eval()


SIZES = [(1, 1), (2, 2), (60, 1), (1, 60), (200, 1), (60, 2), (60, 10)]


@pytest.mark.parametrize("size", SIZES)
def test_feature_maps_of_narrow_photos_fit_a_page(size: tuple[int, int], tmp_path: Path) -> None:
    photo = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    held = cnnviz.capture(network(*size), photo, layers="1", gradients=False)
    cnnviz.feature_maps(held, "1").save(tmp_path / "maps.png", dpi=FILE_DPI / 4)
    with Image.open(tmp_path / "maps.png") as picture:
        assert max(picture.size) < MOST_PIXELS / 4
        assert min(picture.size) > 200 / 4


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 5)])
@pytest.mark.parametrize(
    "view",
    [
        lambda m, x: cnnviz.deconvnet(m, x, "1"),
        lambda m, x: cnnviz.top_activations(m, x, "1"),
        lambda m, x: cnnviz.receptive_field(m, x, "1"),
        lambda m, x: cnnviz.occlusion(m, x),
        lambda m, x: cnnviz.attribute(m, x),
    ],
)
def test_photos_of_a_few_pixels(
    size: tuple[int, int], view: Callable[[Any, Any], Any], tmp_path: Path
) -> None:
    photo = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    view(network(*size), photo).save(tmp_path / "small.png", dpi=40)
    assert (tmp_path / "small.png").stat().st_size > 0


class Spectrum(nn.Module):
    """A convolution of complex numbers, whose sizes are averaged."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, dtype=torch.complex64)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x.to(torch.complex64)).abs().mean((2, 3)))


@pytest.mark.parametrize(
    "view",
    [
        lambda m, x: cnnviz.deconvnet(m, x, "conv"),
        lambda m, x: cnnviz.top_activations(m, x, "conv"),
        lambda m, x: cnnviz.receptive_field(m, x, "conv"),
        lambda m, x: cnnviz.feature_visualization(m, ["conv:0"], steps=1),
        lambda m, x: cnnviz.feature_maps(cnnviz.capture(m, x, gradients=False), "conv"),
    ],
)
def test_maps_of_complex_numbers_are_refused(view: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(LayerError, match="Layer 'conv' gives complex numbers, which have no order"):
        view(Spectrum().eval(), torch.rand(1, 3, 8, 8))


def test_other_views_work_around_complex_layers() -> None:
    photo = torch.rand(1, 3, 8, 8)
    assert cnnviz.attribute(Spectrum().eval(), photo).maps[0].shape == (1, 8, 8)
    assert "healthy" in cnnviz.gradient_flow(Spectrum().eval(), photo).summary()
