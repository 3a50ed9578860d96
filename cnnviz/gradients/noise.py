"""The input that stands for data."""

from __future__ import annotations

import math

import torch

from cnnviz.models import Model

NOISE_SEED = 0
_FEW, _MANY = 8, 32
_SMALL_INPUT = 3 * 96 * 96


def noise(model: Model, seed: int = NOISE_SEED) -> torch.Tensor:
    """Return standard normal images, which is what preprocessing makes of photos on average.

    Parameters
    ----------
    model : Model
        The network, for its input's shape, type and device.
    seed : int
        The seed.

    Returns
    -------
    torch.Tensor
        [32, C, H, W], or 8 where images are larger than 96 x 96 px; signals or volumes likewise.
    """
    shape = model.input_shape
    count = _MANY if math.prod(shape) <= _SMALL_INPUT else _FEW
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(count, *shape, generator=generator)
    return values.to(model.device, model.dtype)
