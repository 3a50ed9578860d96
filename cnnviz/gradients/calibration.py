"""Batch norm that has never seen data, and the input that stands for data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cnnviz.models import Model

NOISE_SEED = 0
_FEW, _MANY = 8, 32
_SMALL_INPUT = 3 * 96 * 96
_REMAINS = 0.02
"""The share of its first statistics that a batch norm may still hold."""


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


def unfed(module: nn.Module) -> list[_BatchNorm]:
    """Return the batch norms whose statistics are not those of any data, or hardly.

    They are made with a mean of 0 and a variance of 1, and each batch replaces a tenth of that, or
    what `momentum` says: after one step of training they are still far from what they divide by.
    """
    return [one for one in module.modules() if isinstance(one, _BatchNorm) and _is_unfed(one)]


def _is_unfed(norm: _BatchNorm) -> bool:
    mean, variance, steps = norm.running_mean, norm.running_var, norm.num_batches_tracked
    if mean is None or variance is None:
        return False
    if not bool(mean.any()) and bool((variance == 1).all()):
        return steps is None or int(steps) == 0
    # Statistics without a count were loaded, and without a momentum they are plain averages.
    if steps is None or int(steps) == 0 or norm.momentum is None:
        return False
    return (1.0 - float(norm.momentum)) ** int(steps) > _REMAINS


@contextmanager
def gathering(norms: list[_BatchNorm]) -> Iterator[None]:
    """Let batch norms take the statistics of the next batch as their own, inside the body.

    Their buffers are not put back: use inside `cnnviz.hooks.untouched`, or on a copy.
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

    Use inside `cnnviz.hooks.untouched`, which puts the statistics back.
    """
    norms = unfed(model.module)
    if not norms:
        return ""
    which = f"{len(norms)} batch norm{'s' * (len(norms) != 1)}"
    try:
        with torch.no_grad(), gathering(norms):
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
