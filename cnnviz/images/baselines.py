"""Images without the evidence: what an attribution or a deletion compares a photo with.

Of a signal or a volume "black" is zero, and "noise" has its own range.
"""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from cnnviz.images.preprocessing import Preprocessing
from cnnviz.results.space import IMAGE

Baseline = Literal["blur", "mean", "noise", "black"]
BASELINES: tuple[Baseline, ...] = ("blur", "mean", "noise", "black")
BLUR_SHARE = 0.1
"""The standard deviation of the blur, as a share of the image's shorter side."""


def baseline_images(
    preprocessing: Preprocessing, inputs: torch.Tensor, kind: Baseline, seed: int = 0
) -> torch.Tensor:
    """Return an image without evidence for each input.

    Parameters
    ----------
    preprocessing : Preprocessing
        That of the network: it tells what black and the range of pixels are.
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W], or signals or volumes.
    kind : {"blur", "mean", "noise", "black"}
        The image blurred beyond recognition; its mean colour everywhere; pixels drawn uniformly
        from the range of a photo; or black. See Sturmfels et al. 2020 for what each hides.
    seed : int
        The seed of the noise.

    Returns
    -------
    torch.Tensor
        As the inputs, on the device and of the type of the inputs.
    """
    if kind == "blur":
        blurred = _blurred if preprocessing.space == IMAGE else _blurred_along_axes
        return torch.stack([blurred(image) for image in inputs]).to(inputs)
    if kind == "mean":
        return inputs.mean(preprocessing.space.dims, keepdim=True).expand_as(inputs).clone()
    low, high = preprocessing.ends(inputs)
    if kind == "black":
        return preprocessing.zero(inputs).expand_as(inputs).clone()
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(inputs.shape, generator=generator).to(inputs)
    return low + share * (high - low)


def _blurred(image: torch.Tensor) -> torch.Tensor:
    values = image.float().cpu().numpy().transpose(1, 2, 0)
    sigma = BLUR_SHARE * min(values.shape[:2])
    # The border is mirrored, so that no black creeps in from outside.
    smooth = cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return torch.from_numpy(np.atleast_3d(smooth).transpose(2, 0, 1).copy())


def _blurred_along_axes(values: torch.Tensor) -> torch.Tensor:
    """Return a signal or volume [C, ...] blurred along each axis by a share of its length."""
    found = values.double().cpu()
    for axis in range(1, found.ndim):
        sigma = BLUR_SHARE * found.shape[axis]
        reach = math.ceil(3.0 * sigma)
        taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).double() / sigma).square())
        # The border is mirrored, so that nothing creeps in from outside.
        last = found.movedim(axis, -1)
        rows = np.pad(last.flatten(0, -2).numpy(), ((0, 0), (reach, reach)), mode="symmetric")
        kernel = (taps / taps.sum())[None, None]
        smooth = F.conv1d(torch.from_numpy(rows)[:, None], kernel)[:, 0]
        found = smooth.reshape(last.shape).movedim(-1, axis)
    return found
