"""Padding that copies pixels puts a frame around the map, as padding by zeros does."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.introspection.tracing import trace
from cnnviz.passes.spatial_maps import traced_outputs
from tests.helpers.each_case import each_case


class _Padded(nn.Module):
    def __init__(self, mode: str, width: int, kernel: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, kernel, stride=kernel)
        self.second, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)
        self.mode, self.width = mode, width

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        padded = F.pad(image, (self.width,) * 4, self.mode)
        return self.head(torch.relu(self.second(self.first(padded))).mean((2, 3)))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize(("width", "kernel"), [(3, 1), (2, 2), (3, 2), (8, 2), (6, 3)])
def test_a_copied_border_is_set_apart_as_zeros_are(mode: str, width: int, kernel: int) -> None:
    image = torch.rand(1, 3, 24, 24)
    zeros, copied = (
        traced_outputs(cnnviz.Model(_Padded(one, width, kernel)), image)["first", 0].map
        for one in ("constant", mode)
    )
    assert copied.size == zeros.size
    assert (copied.order is None) == (zeros.order is None)
    if zeros.order is not None:
        assert np.array_equal(copied.order, zeros.order)


def test_a_map_behind_mirrored_pixels_keeps_the_order_of_its_rows() -> None:
    module, image = _Padded("reflect", 8, 2), torch.rand(1, 3, 24, 24)
    found = cnnviz.capture(module, image, layers=["first"])
    maps = cnnviz.cam(found, "first").maps[0][0]
    weights = found.gradients["first"][:, :, 4:16, 4:16].mean((2, 3), keepdim=True)
    wanted = (weights * found.activations["first"])[0, :, 4:16, 4:16].sum(0)
    np.testing.assert_allclose(maps, wanted, rtol=1e-4, atol=1e-7)


@each_case("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_that_holds_no_middle_leaves_the_stride_and_the_order(mode: str) -> None:
    module = _Padded(mode, 1, 3)
    module.first.stride = (1, 1)
    traced = trace(module, (3, 24, 24)).find("first")
    assert traced.receptive_field is not None
    assert traced.receptive_field.size == (3, 3)
    assert traced.receptive_field.stride == (1, 1)
    found = traced_outputs(cnnviz.Model(module), torch.rand(1, 3, 24, 24))["first", 0].map
    assert (found.size, found.order) == ((24, 24), None)


@pytest.mark.parametrize(("kernel", "padding"), [(2, 1), (4, 2), (3, 2)])
def test_zeros_of_a_convolution_itself_take_no_row_of_its_map(kernel: int, padding: int) -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, kernel, padding=padding), nn.ReLU())
    found = traced_outputs(cnnviz.Model(module), torch.rand(1, 3, 24, 24))["0", 0].map
    side = 24 + 2 * padding - kernel + 1
    assert (found.size, found.order) == ((side, side), None)
