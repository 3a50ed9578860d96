"""Methods that normalise feature maps, each by the statistics over axes of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float64]
EPSILON = 1e-5
METHODS = ("batch", "layer", "instance", "group", "local response")
NEIGHBOURS, ALPHA, BETA, ONSET = 5, 1e-4, 0.75, 2.0
"""The constants of local response normalisation in AlexNet (Krizhevsky et al. 2012, 3.3)."""
_USUAL_GROUPS = 32


def usual_groups(channels: int) -> int:
    """Return in how many groups channels are parted: 32 as by Wu and He, or what divides them."""
    most = min(_USUAL_GROUPS, max(1, channels // 2))
    return next(count for count in range(most, 0, -1) if channels % count == 0)


def statistics(maps: Maps, method: str, groups: int) -> tuple[Maps, Maps]:
    """Return the mean and standard deviation of every set that a method normalises together.

    Parameters
    ----------
    maps : ndarray of float64
        [N, C, H, W].
    method : str
        Another of `METHODS` than ``local response``, which has no mean.
    groups : int
        In how many groups the channels are parted, for ``group``.

    Returns
    -------
    ndarray, ndarray
        [C] for batch, [N] for layer, [N, C] for instance, [N, G] for group.
    """
    parted, axes = _parted(maps, method, groups)
    return parted.mean(axes), parted.std(axes)


def normalized(maps: Maps, method: str, groups: int) -> Maps:
    """Return maps [N, C, H, W] without learned scale and shift.

    Batch: Ioffe and Szegedy 2015; layer: Ba et al. 2016; instance: Ulyanov et al. 2016; group: Wu
    and He 2018; local response: Krizhevsky et al. 2012.
    """
    if method == "local response":
        return _local_response(maps)
    parted, axes = _parted(maps, method, groups)
    mean = parted.mean(axes, keepdims=True)
    spread = parted.var(axes, keepdims=True)
    return np.asarray(((parted - mean) / np.sqrt(spread + EPSILON)).reshape(maps.shape))


def _parted(maps: Maps, method: str, groups: int) -> tuple[Maps, tuple[int, ...]]:
    """Return maps so parted, and the axes along which statistics are taken."""
    if method == "group":
        count, channels, *places = maps.shape
        return maps.reshape(count, groups, channels // groups, *places), (2, 3, 4)
    axes: dict[str, tuple[int, ...]] = {
        "batch": (0, 2, 3), "layer": (1, 2, 3), "instance": (2, 3),
    }  # fmt: skip
    return maps, axes[method]


def _local_response(maps: Maps) -> Maps:
    squares = maps**2
    channels = maps.shape[1]
    total: Any = np.zeros_like(maps)
    for channel in range(channels):
        first, last = max(0, channel - NEIGHBOURS // 2), channel + NEIGHBOURS // 2 + 1
        total[:, channel] = squares[:, first:last].sum(1)
    return np.asarray(maps / (ONSET + ALPHA * total) ** BETA)
