"""Channels that stand for different places of the image, and what a convolution makes of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.errors import LayerError

SIDE = 16
REFUSED = {
    "halves beside one another": lambda h: torch.cat([h[:, :, :8], h[:, :, 8:]], 1),
    "quarters beside one another": lambda h: torch.cat(
        [h[:, :, row : row + 8, column : column + 8] for row in (0, 8) for column in (0, 8)], 1
    ),
    "a mirrored copy": lambda h: torch.cat([h, h.flip(3)], 1),
    "halves added": lambda h: h[:, :, :8] + h[:, :, 8:],
    "the mean over halves": lambda h: h.unflatten(3, (2, 8)).mean(3),
    "the larger of a map and its mirrored copy": lambda h: torch.maximum(h, h.flip(2)),
    "a mirrored gate": lambda h: h * h.flip(3).sigmoid(),
}
KEPT = {
    "every other pixel": lambda h: torch.cat(
        [h[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)], 1
    ),
    "shifted copies": lambda h: torch.cat(
        [F.pad(h, (2, 2, 0, 0))[:, :, :, step : step + SIDE] for step in range(5)], 1
    ),
    "neighbours subtracted": lambda h: h[..., 1:-1] - (h[..., :-2] + h[..., 2:]) / 2,
    "a coarser map added": lambda h: h + F.interpolate(F.avg_pool2d(h, 4), scale_factor=4),
    "means of neighbours": lambda h: h.unflatten(3, (8, 2)).mean(4),
    "copies of one place": lambda h: torch.cat([h, -h], 1),
    "pooled context beside the map (Zhao et al. 2017)": lambda h: torch.cat(
        [h, *(F.interpolate(F.adaptive_avg_pool2d(h, size), (SIDE, SIDE)) for size in (1, 2, 4))], 1
    ),
    "gates of rows and of columns (Hou et al. 2021)": lambda h: _coordinate_gated(h),
}


def _coordinate_gated(maps: torch.Tensor) -> torch.Tensor:
    rows, columns = maps.mean(3, keepdim=True), maps.mean(2, keepdim=True).transpose(2, 3)
    rows, columns = torch.cat([rows, columns], 2).tanh().split(SIDE, 2)
    return maps * rows.sigmoid() * columns.transpose(2, 3).sigmoid()


class _Network(nn.Module):
    def __init__(self, arranged, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(channels, 6, 3, padding=1)
        self.head, self.arranged = nn.Linear(6, 4), arranged

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = F.relu(self.b(self.arranged(F.relu(self.a(images)))))
        return self.head(maps.mean((2, 3)))


def _captured(arranged) -> cnnviz.Capture:
    images = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    network = _Network(arranged, arranged(torch.zeros(1, 4, SIDE, SIDE)).shape[1])
    return cnnviz.capture(network.eval(), images, layers=["b"])


@pytest.mark.parametrize("name", REFUSED)
def test_what_stands_for_places_far_apart_is_no_map(name: str) -> None:
    with pytest.raises(LayerError, match="no positions that are places of the image"):
        cnnviz.cam(_captured(REFUSED[name]), layer="b")


@pytest.mark.parametrize("name", KEPT)
def test_what_stands_for_neighbours_is_a_map(name: str) -> None:
    held = _captured(KEPT[name])
    assert cnnviz.cam(held, layer="b").maps[0].shape[1:] == held.activations["b"].shape[2:]
