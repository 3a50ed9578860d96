"""Convolution as it is defined: a window, its products with the kernel, and their sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError

Margins = tuple[tuple[int, int], tuple[int, int]]
_MODES = {"zero": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
PADDINGS = ("zero", "reflect", "replicate", "none")


@dataclass(frozen=True)
class Sliding:
    """How a kernel slides over an image.

    Attributes
    ----------
    kernel : (int, int)
        Height and width of the kernel.
    stride : (int, int)
        Pixels from one position to the next, down and across.
    dilation : (int, int)
        Pixels from one cell of the kernel to the next.
    padding : str
        What lies beyond the edge: ``zero``, ``reflect``, ``replicate``, ``circular`` or ``none``.
    margins : ((int, int), (int, int))
        How many pixels are added above and below, left and right.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: str = "zero"
    margins: Margins = ((0, 0), (0, 0))

    @property
    def reach(self) -> tuple[int, int]:
        """How many pixels the spread kernel covers, down and across."""
        (f, g), (down, across) = self.kernel, self.dilation
        return down * (f - 1) + 1, across * (g - 1) + 1

    def result_shape(self, height: int, width: int) -> tuple[int, int]:
        """Return how many positions there are, down and across: (W - F + 2P) / S + 1."""
        found = tuple(
            (length + sum(margin) - reach) // stride + 1
            for length, margin, reach, stride in zip(
                (height, width), self.margins, self.reach, self.stride, strict=True
            )
        )
        return found[0], found[1]

    def check(self, height: int, width: int) -> None:
        """Raise a `UsageError` unless the kernel has a position, and the padding can be made."""
        if min(self.result_shape(height, width)) < 1:
            reach = " x ".join(map(str, self.reach))
            raise UsageError(
                f"A kernel that covers {reach} pixels has no position in {height} x {width}.",
                "Give a larger image, a smaller kernel or dilation, or padding.",
            )
        most = max(max(margin) for margin in self.margins)
        if self.padding in ("reflect", "circular") and most >= min(height, width):
            raise UsageError(
                f"{most} pixels beyond the edge cannot be mirrored from {height} x {width}.",
                "Pad with 'zero' or 'replicate'.",
            )

    def padded(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values [C, H, W] with what lies beyond their edge."""
        if self.padding == "none":
            return values
        mode: Any = _MODES[self.padding]
        return np.pad(values, ((0, 0), *self.margins), mode=mode)

    def window(self, values: NDArray[Any], at: tuple[int, int]) -> NDArray[np.float64]:
        """Return what the kernel lies on at a position of the result, [C, F, G]."""
        (top, left), (reach_y, reach_x) = self.corner(at), self.reach
        padded = self.padded(values)
        rows = slice(top, top + reach_y, self.dilation[0])
        columns = slice(left, left + reach_x, self.dilation[1])
        return np.asarray(padded[:, rows, columns], np.float64)

    def inside(self, height: int, width: int) -> tuple[slice, slice]:
        """Return the rows and columns of the result at which the kernel lies on the image alone."""
        found = []
        sizes = zip((height, width), self.margins, self.reach, self.stride, strict=True)
        for length, margin, reach, stride in sizes:
            first = -(-margin[0] // stride)
            found.append(slice(first, (length + margin[0] - reach) // stride + 1))
        return found[0], found[1]

    def corner(self, at: tuple[int, int]) -> tuple[int, int]:
        """Return the upper row and left column of a window, in pixels of the padded image."""
        return at[0] * self.stride[0], at[1] * self.stride[1]


def margins_of_same_size(kernel: tuple[int, int], dilation: tuple[int, int]) -> Margins:
    """Return the margins with which a result of stride 1 is as large as the image.

    One more goes to the lower and right side where the total is odd, as in torch.
    """
    totals = [spread * (length - 1) for spread, length in zip(dilation, kernel, strict=True)]
    down, across = ((total // 2, total - total // 2) for total in totals)
    return down, across


def correlate(
    values: NDArray[Any], kernel: NDArray[np.float64], sliding: Sliding, bias: float = 0.0
) -> NDArray[np.float64]:
    """Return the sum of products at every position: cross-correlation, as libraries compute it.

    Parameters
    ----------
    values : ndarray
        [C, H, W].
    kernel : ndarray of float64
        [C, F, G], whose results are summed; or [1, F, G], which is applied to each channel.
    sliding : Sliding
        How it slides.
    bias : float
        What is added to each sum.

    Returns
    -------
    ndarray of float64
        [1, H', W'], or [C, H', W'] where one kernel is applied to each channel.
    """
    height, width = sliding.result_shape(*values.shape[1:])
    one_for_all = len(kernel) == 1
    found = np.full((len(values) if one_for_all else 1, height, width), bias)
    padded = sliding.padded(values)
    down, across = sliding.stride
    for channel, plane in enumerate(padded):
        weights = kernel[0 if one_for_all else channel]
        place = channel if one_for_all else 0
        # One cell of the kernel at all positions at once.
        for (row, column), weight in np.ndenumerate(weights):
            if weight == 0.0:
                continue
            top, left = row * sliding.dilation[0], column * sliding.dilation[1]
            rows = slice(top, top + (height - 1) * down + 1, down)
            columns = slice(left, left + (width - 1) * across + 1, across)
            found[place] += weight * plane[rows, columns]
    return found


def turned(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a kernel [D, F, G] turned by 180 degrees: with it, correlation is convolution."""
    return np.ascontiguousarray(kernel[:, ::-1, ::-1])
