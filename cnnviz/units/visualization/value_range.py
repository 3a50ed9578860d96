"""Which values an optimised input may have, and how the network is given them.

The optimiser keeps what it makes between 0 and 1. For photos and the frames of clips that is black
to white. Of other signals and volumes nothing says how far they go: 0 to 1 stands for three
deviations of the preprocessing on either side of its mean.
"""

from __future__ import annotations

import torch

from cnnviz.images import ArrayPreprocessing, Preprocessing

DEVIATIONS = 3.0
"""How far an optimised signal may go from the mean of the preprocessing, in its deviations."""


def is_open(preprocessing: Preprocessing) -> bool:
    """Whether nothing says between which values the inputs of a network lie."""
    return isinstance(preprocessing, ArrayPreprocessing) and not preprocessing.of_frames


def given(pictures: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """Return what the network is given for R pictures [R, C, ...] between 0 and 1."""
    if is_open(preprocessing):
        return DEVIATIONS * (2.0 * pictures - 1.0)
    mean, std = _statistics(preprocessing, pictures)
    return (pictures - mean) / std


def between_0_and_1(inputs: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """Return the pictures [R, C, ...] of what a network is given, clipped to their range."""
    if is_open(preprocessing):
        return (0.5 + inputs / (2.0 * DEVIATIONS)).clamp(0.0, 1.0)
    mean, std = _statistics(preprocessing, inputs)
    return (inputs * std + mean).clamp(0.0, 1.0)


def before_preprocessing(pictures: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """Return pictures [R, C, ...] between 0 and 1 in the values that `mean` is taken from."""
    if not is_open(preprocessing):
        return pictures
    mean, std = _statistics(preprocessing, pictures)
    return given(pictures, preprocessing) * std + mean


def _statistics(
    preprocessing: Preprocessing, like: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = (
        torch.tensor(values).to(like).reshape(-1, *(1,) * (like.ndim - 2))
        for values in (preprocessing.mean, preprocessing.std)
    )
    return mean, std
