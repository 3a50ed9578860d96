"""Images without the evidence: what an attribution or a deletion compares a photo with."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import torch

from cnnviz.images.preprocessing import Preprocessing

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
        Preprocessed images [N, C, H, W].
    kind : {"blur", "mean", "noise", "black"}
        The image blurred beyond recognition; its mean colour everywhere; pixels drawn uniformly
        from the range of a photo; or black. See Sturmfels et al. 2020 for what each hides.
    seed : int
        The seed of the noise.

    Returns
    -------
    torch.Tensor
        [N, C, H, W], on the device and of the type of the inputs.
    """
    if kind == "blur":
        return torch.stack([_blurred(image) for image in inputs]).to(inputs)
    if kind == "mean":
        return inputs.mean((2, 3), keepdim=True).expand_as(inputs).clone()
    low, high = _pixel_range(preprocessing, inputs)
    if kind == "black":
        return low.expand_as(inputs).clone()
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(inputs.shape, generator=generator).to(inputs)
    return low + share * (high - low)


def _pixel_range(
    preprocessing: Preprocessing, inputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a black and a white pixel become in the network's input, each [1, C, 1, 1]."""
    mean = inputs.new_tensor(preprocessing.mean)[None, :, None, None]
    std = inputs.new_tensor(preprocessing.std)[None, :, None, None]
    return -mean / std, (1.0 - mean) / std


def _blurred(image: torch.Tensor) -> torch.Tensor:
    values = image.float().cpu().numpy().transpose(1, 2, 0)
    sigma = BLUR_SHARE * min(values.shape[:2])
    # The border is mirrored, so that no black creeps in from outside.
    smooth = cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return torch.from_numpy(np.atleast_3d(smooth).transpose(2, 0, 1).copy())
