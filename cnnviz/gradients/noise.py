"""Batch norm that has never seen data, and the input that stands for data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from cnnviz.introspection.batch_statistics import uncalibrated
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
        [32, C, H, W], or 8 where images are larger than 96 x 96 px.
    """
    channels, height, width = model.input_shape
    count = _MANY if channels * height * width <= _SMALL_INPUT else _FEW
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(count, channels, height, width, generator=generator)
    return values.to(model.device, model.dtype)


@contextmanager
def batch_statistics_of_noise(norms: list[_BatchNorm]) -> Iterator[None]:
    """Let batch norms take the statistics of the next batch as their own, inside the body.

    Their buffers are not put back: use inside `cnnviz.introspection.hooks.preserve_state`, or on a
    copy.
    """
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 1.0
            norm.training = True
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.training = False


def calibrate(model: Model, inputs: torch.Tensor) -> str:
    """Feed the batch norms that have never seen data, and say so; "" where there are none.

    Use inside `cnnviz.introspection.hooks.preserve_state`, which puts the statistics back.
    """
    norms = list(uncalibrated(model.module).values())
    if not norms:
        return ""
    which = f"{len(norms)} batch norm{'s' * (len(norms) != 1)}"
    try:
        with torch.no_grad(), batch_statistics_of_noise(norms):
            model.forward(inputs.clone())
    except Exception as error:
        # One value for each channel has no variance: torch refuses it, and so would training.
        cause = error.__cause__ or error
        if "more than 1 value per channel" not in str(cause):
            raise
        return (
            f"{which} had seen no data, or next to none, and could not be fed from this batch, "
            "whose maps have one value for each channel: give more images. They are read as they "
            "are."
        )
    return (
        f"{which} had seen no data, or next to none; in a copy they were given the statistics of "
        "this batch, as the first step of training would."
    )
