"""What is kept of the output of a call."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnviz.errors import LayerError
from cnnviz.passes.captures import capture


class _Strongest(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.argmax(1)


class _Asked(nn.Module):
    """Has a layer that gives whole numbers, to which no gradient comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.strongest, self.head = nn.Conv2d(3, 4, 3), _Strongest(), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.conv(x)
        self.strongest(maps)
        found: torch.Tensor = self.head(maps.mean((2, 3)))
        return found


def test_whole_numbers_are_kept_beside_gradients_of_other_layers() -> None:
    network, images = _Asked(), torch.rand(2, 3, 8, 8)
    found = capture(network, images, layers=["conv", "strongest"])
    with torch.no_grad():
        wanted = network.conv(images).argmax(1)
    assert torch.equal(found.activations["strongest"], wanted)
    assert list(found.gradients) == ["conv"]


class _Tangent(nn.Module):
    """Calls its convolution for the slope along one direction alone, within a transform."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, slopes = torch.func.jvp(self.conv, (x,), (x.sin(),))
        found: torch.Tensor = self.head(slopes.mean((2, 3)))
        return found


def test_a_layer_within_a_transform_is_refused_where_gradients_start_at_it() -> None:
    network, images = _Tangent(), torch.rand(2, 3, 8, 8)
    with pytest.raises(LayerError, match="within a transform of torch"):
        capture(network, images, layers=["conv"], gradients="layers")
    with torch.no_grad():
        wanted = network(images)
    assert torch.equal(capture(network, images, layers=["head"]).activations["head"], wanted)


class _ChangedLater(nn.Module):
    """Has a layer that returns its own input, which is written to after that."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.same, self.head = nn.Conv2d(3, 4, 3), nn.Identity(), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.conv(x)
        same = self.same(maps)
        maps.mul_(2.0)
        found: torch.Tensor = self.head((same + maps).mean((2, 3)))
        return found


def test_the_output_of_a_layer_that_returns_its_input_is_what_it_was_then() -> None:
    network, images = _ChangedLater(), torch.rand(2, 3, 8, 8)
    found = capture(network, images, layers=["same"])
    with torch.no_grad():
        assert torch.equal(found.activations["same"], network.conv(images))
