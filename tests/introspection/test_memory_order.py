"""Values in the order of the axes, whatever the order they lay in."""

from __future__ import annotations

import pytest
import torch

from cnnviz.introspection.memory_order import by_channels
from tests.helpers.each_case import each_case


@each_case("shape", [(1, 64, 9, 7), (3, 70, 1, 5), (2, 96, 1, 1), (0, 64, 3, 3)])
@each_case("dtype", [torch.float32, torch.float64, torch.float16, torch.complex64])
def test_a_map_that_lies_place_by_place_is_turned_around(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    plain = torch.randn(shape).to(dtype)
    found = by_channels(plain.contiguous(memory_format=torch.channels_last))
    assert found.is_contiguous()
    assert torch.equal(found, plain)
    assert found.dtype == dtype


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2),
        torch.randn(2, 64, 5, 5)[:, :, ::2, 1:],
        torch.randn(1, 64, 5, 5).expand(3, -1, -1, -1),
        torch.randn(2, 65, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d),
        torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last),
    ],
    ids=["three axes", "a part", "repeated", "a volume", "few channels"],
)
def test_what_lies_otherwise_comes_out_alike(tensor: torch.Tensor) -> None:
    found = by_channels(tensor)
    assert found.is_contiguous()
    assert torch.equal(found, tensor)


def test_what_lies_so_already_is_not_copied() -> None:
    tensor = torch.randn(1, 64, 4, 4)
    assert by_channels(tensor) is tensor


def test_a_gradient_goes_through() -> None:
    tensor = torch.randn(1, 64, 4, 4).contiguous(memory_format=torch.channels_last)
    leaf = tensor.requires_grad_()
    (found,) = torch.autograd.grad(by_channels(leaf).square().sum(), leaf)
    assert torch.equal(found, 2 * leaf.detach())
