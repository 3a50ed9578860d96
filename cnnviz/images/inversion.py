"""From what a network takes back to pixels, many images at once and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_AT_ONCE, _IN_CACHE = 2**21, 2**17
"""Values in double precision that are worked on together, and on a processor."""


def inverted(
    tensors: torch.Tensor, mean: Sequence[float], std: Sequence[float], *, turned: bool
) -> tuple[list[NDArray[np.uint8]], list[float]]:
    """Undo a normalisation.

    Parameters
    ----------
    tensors : torch.Tensor
        Preprocessed images [N, C, H, W], on any device; worked on there.
    mean, std : sequence of float
        What was subtracted from each channel, and what it was divided by then.
    turned : bool
        Whether the channels are blue, green and red.

    Returns
    -------
    pixels : list of numpy.ndarray
        Of each image, [H, W, 3] of 8 bits. One channel is grey; of four the first three are
        shown; of two, or more than four, their mean.
    clipped : list of float
        Of each image the share of values outside of 0..1, by more than what rounding takes anyway,
        which is half a level of 255.
    """
    import cv2
    import torch

    pixels: list[Any] = []
    clipped: list[float] = []
    at_once = _IN_CACHE if tensors.device.type == "cpu" else _AT_ONCE
    for part in torch.split(tensors.detach(), max(1, at_once // max(1, tensors[:1].numel()))):
        # An Apple GPU has no double precision.
        values = (part.cpu() if part.device.type == "mps" else part).double()
        shift, scale = (values.new_tensor(each).view(1, -1, 1, 1) for each in (mean, std))
        values = values.mul(scale).add_(shift)
        levels = (values * 255).round_()
        shown = levels.clamp(0, 255)
        outside = shown.ne(levels).flatten(1)
        clipped += [count / outside.shape[1] for count in outside.count_nonzero(1).tolist()]
        if turned:
            shown = shown.flip(1)
        if shown.shape[1] not in (3, 4):
            grey = (values.mean(1, keepdim=True) * 255).round_().clamp_(0, 255)
            shown = grey.expand(-1, 3, -1, -1)
        planes = shown[:, :3].to(torch.uint8).cpu().numpy()
        pixels += [cv2.merge([*each]) for each in planes]
    return pixels, clipped
