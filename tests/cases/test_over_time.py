"""A layer that is called again and again over its own maps gives the last map before the head."""

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import LayerError

STEPS = 3


class Cell(nn.Module):
    """A convolutional LSTM (Shi et al. 2015) over one image, whose gates are one convolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.cell = nn.Conv2d(8, 16, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.stem(x).relu()
        hidden = memory = torch.zeros_like(maps)
        for _ in range(STEPS):
            keep, forget, out, new = self.cell(torch.cat([maps, hidden], 1)).chunk(4, 1)
            memory = forget.sigmoid() * memory + keep.sigmoid() * new.tanh()
            hidden = out.sigmoid() * memory.tanh()
        return self.head(hidden.mean((2, 3)))


class Refined(nn.Module):
    """A block that adds to its own output, as networks with shared weights do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
        self.relu = nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.relu(self.stem(x))
        for _ in range(STEPS):
            maps = maps + self.relu(self.block(maps))
        return self.head(maps.mean((2, 3)))


class Pyramid(nn.Module):
    """One head over maps of two resolutions: shared, and no layer over time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fine = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.head = nn.Conv2d(4, 5, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.fine(x).relu()
        return sum(self.head(maps).mean((2, 3)) for maps in (fine, self.coarse(fine).relu()))


@pytest.mark.parametrize(("network", "layer"), [(Cell(), "cell"), (Refined(), "block.1")])
def test_the_default_is_the_last_call_of_what_goes_on_over_its_maps(
    network: nn.Module, layer: str
) -> None:
    image = torch.rand(1, 3, 16, 16)
    held = cnnviz.capture(network.eval(), image, layers="stages")
    calls = [f"{layer}#{index}" for index in range(STEPS)]
    assert list(held.activations) == ["stem", *calls]
    found = cnnviz.cam(held)
    assert found.layers == (calls[-1],)
    assert f"Made at {layer}#{STEPS - 1} (of {STEPS} calls, #0 to #{STEPS - 1})" in found.caption()
    # The map is that of Grad-CAM by hand, of this call.
    maps, slopes = held.activations[calls[-1]][0], held.gradients[calls[-1]][0]
    by_hand = (slopes.mean((1, 2), keepdim=True) * maps).sum(0)
    np.testing.assert_allclose(found.maps[0][0], by_hand.numpy(), rtol=1e-4, atol=1e-7)


def test_a_report_shows_every_step() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    made = cnnviz.report(Cell().eval(), photo, "cam")
    said = " ".join(picture.caption for section in made.sections for picture in section.pictures)
    assert all(f"#{step} (of {STEPS} calls" in said for step in range(STEPS))


def test_a_head_that_several_resolutions_share_is_none() -> None:
    held = cnnviz.capture(Pyramid().eval(), torch.rand(1, 3, 16, 16), layers="stages")
    assert list(held.activations) == ["fine", "coarse"]


class Codebook(nn.Module):
    """Replaces each position by the nearest of twelve vectors: what lies behind is not followed."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.codes = nn.Embedding(12, 4)
        self.last = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.first(x).permute(0, 2, 3, 1)
        nearest = torch.cdist(seen.flatten(0, 2), self.codes.weight).argmin(1)
        coded = seen + (self.codes(nearest).view_as(seen) - seen).detach()
        return self.last(coded.permute(0, 3, 1, 2)).mean((2, 3))


def test_the_default_of_feature_maps_is_the_last_layer_with_a_map() -> None:
    held = cnnviz.capture(Codebook().eval(), torch.rand(1, 3, 16, 16), layers="conv")
    assert cnnviz.feature_maps(held).layer == "first"
    with pytest.raises(LayerError, match="positions are not known"):
        cnnviz.feature_maps(held, "last")
