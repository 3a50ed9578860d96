"""Convolution against torch, SciPy and OpenCV, and the classic kernels against their tables."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import signal
from torch.nn import functional as F

from cnnviz.course.convolution import Sliding, correlate, margins_of_same_size, turned
from cnnviz.course.kernels import CLASSIC, named_kernel, own_kernel
from cnnviz.errors import UsageError
from tests.helpers.each_case import each_case

MODES = {"zero": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


@pytest.fixture
def values() -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(3, 17, 14))


@each_case(("stride", "dilation"), list(product((1, 2, 3), (1, 2))))
@each_case("padding", [*MODES, "none"])
@each_case("shape", [(3, 3), (5, 2), (1, 4)])
def test_slices_are_summed_as_conv2d_does(
    values: NDArray[np.float64], stride: int, dilation: int, padding: str, shape: tuple[int, int]
) -> None:
    kernel = np.random.default_rng(1).normal(size=(3, *shape))
    margins = ((0, 0), (0, 0))
    if padding != "none":
        margins = margins_of_same_size(shape, (dilation, dilation))
    sliding = Sliding(shape, (stride, stride), (dilation, dilation), padding, margins)
    found = correlate(values, kernel, sliding, 0.25)
    (top, bottom), (left, right) = margins
    given = torch.from_numpy(values)[None]
    if padding != "none":
        given = F.pad(given, (left, right, top, bottom), mode=MODES[padding])
    expected = F.conv2d(
        given, torch.from_numpy(kernel)[None], torch.tensor([0.25]).double(), stride,
        dilation=dilation,
    )  # fmt: skip
    np.testing.assert_allclose(found, expected[0].numpy(), atol=1e-12)
    assert sliding.result_shape(17, 14) == found.shape[1:]
    if padding != "none" and stride == 1:
        assert found.shape[1:] == (17, 14), "as large as the image"


@each_case("name", CLASSIC)
def test_a_classic_kernel_does_what_opencv_and_scipy_do(
    values: NDArray[np.float64], name: str
) -> None:
    kernel = CLASSIC[name].values
    shape = (kernel.shape[1], kernel.shape[2])
    margins = margins_of_same_size(shape, (1, 1))
    for padding, border in (("zero", cv2.BORDER_CONSTANT), ("reflect", cv2.BORDER_REFLECT_101),
                            ("replicate", cv2.BORDER_REPLICATE)):  # fmt: skip
        found = correlate(values, kernel, Sliding(shape, padding=padding, margins=margins))
        for plane, given in zip(found, values, strict=True):
            expected = cv2.filter2D(given, cv2.CV_64F, kernel[0], borderType=border)
            np.testing.assert_allclose(plane, expected, atol=1e-10)
    alone = correlate(values, turned(kernel), Sliding(shape, padding="none"))
    for plane, given in zip(alone, values, strict=True):
        np.testing.assert_allclose(plane, signal.convolve2d(given, kernel[0], "valid"), atol=1e-10)


def test_windows_are_what_the_kernel_lies_on(values: NDArray[np.float64]) -> None:
    margins = margins_of_same_size((3, 2), (2, 3))
    sliding = Sliding((3, 2), (2, 1), (2, 3), "reflect", margins)
    kernel = np.random.default_rng(2).normal(size=(3, 3, 2))
    found = correlate(values, kernel, sliding)[0]
    for at in np.ndindex(found.shape):
        assert (sliding.window(values, at) * kernel).sum() == pytest.approx(found[at])
    rows, columns = sliding.inside(17, 14)
    far = Sliding((3, 2), (2, 1), (2, 3), "replicate", margins)
    same = np.isclose(found, correlate(values, kernel, far)[0])
    assert same[rows, columns].all(), "there the padding does not matter"
    assert not same[: rows.start].any()
    assert not same[rows.stop :].any()


def test_the_kernels_are_those_of_the_tables() -> None:
    assert CLASSIC["gaussian_5"].values[0] * 256 == pytest.approx(
        np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])
    )
    assert CLASSIC["gaussian_3"].values[0] * 16 == pytest.approx(np.outer([1, 2, 1], [1, 2, 1]))
    identity = np.zeros((5, 5))
    identity[2, 2] = 1
    # Unsharp masking adds to the image what a blur takes from it.
    expected = 2 * identity - CLASSIC["gaussian_5"].values[0]
    assert CLASSIC["unsharp_mask"].values[0] == pytest.approx(expected)
    assert CLASSIC["sobel_x"].values[0].T.tolist() == CLASSIC["sobel_y"].values[0].tolist()
    sobel = cv2.getDerivKernels(1, 0, 3)
    assert CLASSIC["sobel_x"].values[0].tolist() == (sobel[1] @ sobel[0].T).tolist()
    assert CLASSIC["laplacian"].values[0].tolist() == [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    sums = {name: round(kernel.total, 9) for name, kernel in CLASSIC.items()}
    ones = {"identity", "sharpen", "box_blur", "gaussian_3", "gaussian_5", "unsharp_mask", "emboss"}
    assert {name for name, total in sums.items() if total == 1} == ones
    assert {total for name, total in sums.items() if name not in ones} == {0}


def test_kernels_are_read_from_text_and_refused_in_a_sentence() -> None:
    assert own_kernel("1, 0;-2.5,3").values.tolist() == [[[1, 0], [-2.5, 3]]]
    assert named_kernel("Box-Blur").name == "box_blur"
    with pytest.raises(UsageError, match="Did you mean 'sobel_y' or 'sobel_x'"):
        named_kernel("sobel")
    for wrong in ("1,2;3", "a,b", [[1.0, np.nan]], [1.0, 2.0], np.zeros((0, 3))):
        with pytest.raises(UsageError, match="matrix of"):
            own_kernel(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at most 63 numbers a side"):
        own_kernel(np.zeros((1, 64)))


def test_what_has_no_position_or_no_mirror_is_refused() -> None:
    with pytest.raises(UsageError, match="covers 5 x 5 pixels has no position in 4 x 9"):
        Sliding((3, 3), dilation=(2, 2), padding="none").check(4, 9)
    with pytest.raises(UsageError, match="cannot be mirrored"):
        Sliding((7, 7), padding="reflect", margins=((3, 3), (3, 3))).check(3, 9)
