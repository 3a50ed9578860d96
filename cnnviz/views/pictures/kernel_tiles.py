"""A kernel as a small picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing

_RED_GREEN_BLUE = 3


def kernel_tile(kernel: NDArray[np.float32], reach: float | None = None) -> drawing.Pixels:
    """Return a kernel [C, h, w] in colours that end at plus and minus `reach`.

    By default that is its own largest weight. One that reads three channels is an RGB picture with
    grey as zero; of any other the mean over its channels is drawn, with white as zero. A kernel
    that is zero everywhere is flat grey.
    """
    reach = float(np.abs(kernel).max()) if reach is None else reach
    if reach == 0.0:
        return np.full((*kernel.shape[1:], 3), drawing.FLAT, np.uint8)
    if len(kernel) != _RED_GREEN_BLUE:
        return drawing.Scale(-reach, reach, drawing.SIGNED).paint(kernel.mean(0))
    tile = 0.5 + 0.5 * kernel.transpose(1, 2, 0) / reach
    return np.asarray((tile * 255.0).round(), np.uint8)
