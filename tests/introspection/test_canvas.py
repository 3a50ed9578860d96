"""What is written into a larger tensor is an image on a canvas only where it has rows and columns.

A spectrum of which some frequencies are kept, an inverse wavelet transform and a mean that is
written to a part of a map are written so as well, and their maps cover the image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz

SIDE = 16


def _empty(maps: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return torch.zeros(*maps.shape[:2], height, width, dtype=maps.dtype)


def low_frequencies(maps: torch.Tensor) -> torch.Tensor:
    whole = torch.fft.rfft2(maps)
    kept = torch.zeros_like(whole)
    kept[:, :, :5, :5] = whole[:, :, :5, :5]
    return maps + torch.fft.irfft2(kept, s=maps.shape[-2:])


def inverse_wavelet(maps: torch.Tensor) -> torch.Tensor:
    whole = _empty(maps, 2 * SIDE, 2 * SIDE)
    for row in (0, 1):
        for column in (0, 1):
            whole[:, :, row::2, column::2] = maps * (1.0 + row - 0.5 * column)
    return whole


def zeros_between(maps: torch.Tensor) -> torch.Tensor:
    whole = _empty(maps, 2 * SIDE, 2 * SIDE)
    whole[:, :, ::2, ::2] = maps
    return whole


def zeros_between_by_stacking(maps: torch.Tensor) -> torch.Tensor:
    wide = torch.stack([maps, torch.zeros_like(maps)], 4).flatten(3)
    return torch.stack([wide, torch.zeros_like(wide)], 3).flatten(2, 3)


def mean_in_the_middle(maps: torch.Tensor) -> torch.Tensor:
    part = torch.zeros_like(maps)
    part[:, :, 4:12, 4:12] = maps.mean((2, 3), keepdim=True).expand(-1, -1, 8, 8)
    return maps + part


def on_a_canvas(maps: torch.Tensor) -> torch.Tensor:
    canvas = _empty(maps, SIDE + 4, SIDE + 8)
    canvas[:, :, :SIDE, :SIDE] = maps
    return canvas


class _Network(nn.Module):
    def __init__(self, within: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.head, self.within = nn.Linear(6, 4), within

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = F.relu(self.b(self.within(F.relu(self.a(image)))))
        return self.head(maps.mean((2, 3)))


def _gradcam(network: nn.Module, images: torch.Tensor) -> np.ndarray:
    held: list[torch.Tensor] = []
    hook = network.b.register_forward_hook(lambda layer, given, output: held.append(output))
    scores = network(images)
    hook.remove()
    (slopes,) = torch.autograd.grad(scores.amax(1).sum(), held[0])
    return (held[0] * slopes.mean((2, 3), keepdim=True)).sum(1).detach().numpy()


@pytest.mark.parametrize(
    "within",
    [
        low_frequencies,
        inverse_wavelet,
        zeros_between,
        zeros_between_by_stacking,
        mean_in_the_middle,
    ],
)
def test_what_is_no_image_on_a_canvas_is_a_map_of_the_whole_image(within) -> None:
    network = _Network(within).eval()
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    held = cnnviz.capture(network, images, layers=["b"])
    assert held.layout(("b", 0)).covers_input
    found = cnnviz.cam(held)
    wanted = _gradcam(network.double(), images.double())
    np.testing.assert_allclose(found.maps[0], wanted, atol=1e-6 * np.abs(wanted).max())
    assert not any("canvas" in note or "Set apart" in note for note in found.notes)


def test_the_peak_of_a_channel_may_lie_between_two_places() -> None:
    network = _Network(zeros_between).eval()
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    held = cnnviz.capture(network, images, layers=["b"], gradients=False).activations["b"]
    found = cnnviz.deconvnet(network, images, layer="b", channels=range(6))
    np.testing.assert_allclose(found.activations.T, held.amax((2, 3)), rtol=1e-5)


def test_an_image_on_a_canvas_is_taken_from_it() -> None:
    images = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    network = _Network(lambda maps: maps).eval()
    network.a, network.b = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1)
    plain = cnnviz.cam(cnnviz.capture(network, images, layers=["b"]))
    network.within = on_a_canvas
    found = cnnviz.cam(cnnviz.capture(network, images, layers=["b"]))
    assert found.maps[0].shape == plain.maps[0].shape == (1, SIDE, SIDE)
    assert any("cells without a place" in note for note in found.notes)
