"""Small parts of pictures by themselves: kernels as tiles, numbers in cells, sums in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.results import drawing
from cnnviz.views.convolve import convolve
from cnnviz.views.pictures.convolve_worked import cell_text
from cnnviz.views.pictures.kernel_tiles import kernel_tile
from tests.helpers.each_case import each_case


def test_a_kernel_of_three_channels_is_a_picture_with_grey_as_zero() -> None:
    kernel = np.array([[[0.0, 2.0]], [[0.0, -2.0]], [[0.0, 0.0]]], np.float32)
    assert kernel_tile(kernel).tolist() == [[[128, 128, 128], [255, 0, 128]]]
    assert kernel_tile(kernel, 4.0).tolist() == [[[128, 128, 128], [191, 64, 128]]]


def test_of_other_kernels_the_mean_over_channels_is_drawn_with_white_as_zero() -> None:
    kernel = np.array([[[1.0, 1.0]], [[-1.0, 1.0]]], np.float32)
    white, red = kernel_tile(kernel)[0]
    assert white.tolist() == pytest.approx([247, 247, 247], abs=8)
    assert red[0] > red[2] + 50


def test_a_kernel_that_is_zero_everywhere_is_flat() -> None:
    flat = kernel_tile(np.zeros((3, 2, 2), np.float32))
    assert flat.tolist() == np.full((2, 2, 3), drawing.FLAT, np.uint8).tolist()


@each_case(
    ("value", "said"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (-12.0, "−12"),
        (0.5, "0.50"),
        (9.96, "10.0"),
        (-31.25, "−31.2"),
        (99.96, "100"),
        (1234.5, "1234"),
        (123456.7, "1.2e+05"),
    ],
)
def test_a_number_fits_its_cell(value: float, said: str) -> None:
    assert cell_text(value) == said


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)


def words(found: object) -> str:
    return "\n".join(text.get_text() for axes in found.figure().axes for text in axes.texts)


def test_the_animation_of_a_photo_fills_the_result_row_by_row(photo: NDArray[np.uint8]) -> None:
    found = convolve(photo, "sobel_x")
    left = []
    for frame in found.frames():
        result = frame.canvas.axes[0].images[-1].get_array()
        left.append(int((np.asarray(result)[..., :3] == 255).all((1, 2)).sum()))
    # Rows that no kernel has reached are white; in the last frame, that stands still, none is.
    assert left[0] > left[len(left) // 2] > left[-2] >= left[-1] == 0
    assert left == sorted(left, reverse=True)


def test_sums_of_several_slices_are_told_slice_by_slice_and_with_the_bias() -> None:
    layer = nn.Conv2d(2, 1, 2)
    layer.weight.data.copy_(torch.tensor([[[[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.0], [0.0, 0.0]]]]))
    layer.bias.data.fill_(3.0)
    matrices = torch.arange(18.0).reshape(1, 2, 3, 3)
    found = convolve(matrices, "0:0", model=nn.Sequential(layer).eval())
    assert found.total == pytest.approx(float(layer(matrices)[0, 0][found.at].detach()))
    assert "plus the bias 3\n=" in words(found)


def test_a_kernel_with_many_cells_is_drawn_without_numbers(photo: NDArray[np.uint8]) -> None:
    found = convolve(photo, np.ones((9, 9)), padding="reflect")
    assert "the sum of 81 products" in words(found)
    assert "9 x 9" in words(found)


@pytest.mark.parametrize(
    ("kernel", "title", "cell"),
    [
        ("box_blur", "kernel, 3 x 3: 1/9 of", "1/9"),
        ("gaussian_3", "kernel, 3 x 3: 1/16 of", "4/16"),
        ("gaussian_5", "kernel, 5 x 5: 1/256 of", "0.14"),
    ],
)
def test_fractions_are_written_as_such_where_they_fit(kernel: str, title: str, cell: str) -> None:
    said = words(convolve(np.eye(7), kernel)).split("\n")
    assert cell in said
    assert title in said
