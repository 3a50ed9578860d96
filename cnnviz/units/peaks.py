"""The largest value of every map, and how many values lie above zero, in one look at the maps.

Every value of every layer is read here once for each image of a scan, so that the order in which
maps lie in memory decides what that costs. Those of a private copy lie channels-last
(`cnnviz.introspection.fast_copy`): row by row, with the channels side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Integers = NDArray[np.int64]
_NARROW = (torch.bfloat16, torch.float16)
_LANE = 255
"""How many ones a byte can hold."""
_BYTES = 8


def peaks(maps: torch.Tensor) -> NDArray[np.float64]:
    """Return the largest value of each map [N, C, H, W], as [N, C]; NaN where one is no number."""
    held = maps.detach()
    if not _beside(held):
        return _array(held.amax((2, 3)).double())
    with np.errstate(invalid="ignore"):
        found = [np.maximum.reduce(rows, axis=0) for rows in _each(held)]
    return np.stack(found).astype(np.float64)


def peaks_and_active(maps: torch.Tensor) -> tuple[NDArray[np.float64], Integers]:
    """Return what `peaks` does, and how many values of each channel are above zero, [C].

    Parameters
    ----------
    maps : torch.Tensor
        [N, C, H, W], of any floating-point type, on any device, however they lie in memory.
    """
    held = maps.detach()
    if not _beside(held):
        return peaks(held), above_zero(held)
    count, channels, height, width = held.shape
    tops = np.empty((count, channels), np.float32)
    # Eight channels are added up at once, as the bytes of one number.
    above = np.zeros((height * width, -(-channels // _BYTES) * _BYTES), bool)
    lanes, active = above.view(np.uint64), np.zeros(above.shape[1], np.int64)
    with np.errstate(invalid="ignore"):
        for image, rows in enumerate(_each(held)):
            np.maximum.reduce(rows, axis=0, out=tops[image])
            np.greater(rows, 0, out=above[:, :channels])
            for start in range(0, len(lanes), _LANE):
                active += np.add.reduce(lanes[start : start + _LANE], axis=0).view(np.uint8)
    return tops.astype(np.float64), active[:channels]


def above_zero(maps: torch.Tensor) -> Integers:
    """Return how many values of each channel of maps [N, C, H, W] are above zero, [C]."""
    if maps.device.type != "cpu":
        return np.asarray((maps > 0).sum((0, 2, 3)).cpu().numpy(), np.int64)
    # Torch takes thirty times as long to sum booleans (94 ms and 3 ms for [32, 64, 55, 55]).
    above = np.empty(maps.shape[1:], bool)
    rows = above.reshape(len(above), -1).view(np.uint8)
    found = np.zeros(len(above), np.int64)
    for image in maps:
        np.greater(_array(image), 0, out=above)
        found += np.add.reduce(rows, axis=1, dtype=np.uint32)
    return found


def _beside(maps: torch.Tensor) -> bool:
    """Whether the channels of each position lie side by side."""
    return (
        maps.device.type == "cpu"
        and maps.dtype in (torch.float32, *_NARROW)
        and maps.numel() > 0
        and not maps.is_contiguous()
        and maps.permute(0, 2, 3, 1).is_contiguous()
    )


def _each(maps: torch.Tensor) -> Any:
    """Yield each image as rows of channels [H W, C], in a type that NumPy knows."""
    every = maps.permute(0, 2, 3, 1).flatten(1, 2)
    if maps.dtype not in _NARROW:
        yield from every.numpy()
        return
    # Image by image, so that what is made of it is still in the cache when it is read.
    rows = torch.empty(every.shape[1:])
    for image in every:
        yield rows.copy_(image).numpy()


def _array(values: torch.Tensor) -> NDArray[Any]:
    held: NDArray[Any] = (values.float() if values.dtype in _NARROW else values).cpu().numpy()
    return held
