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
_WIDE = 1024
"""So many numbers side by side NumPy takes at once without losing time between rows."""


def side_by_side(maps: torch.Tensor) -> bool:
    """Whether the channels of each position of maps [N, C, H, W] lie side by side in memory."""
    return (
        maps.device.type == "cpu"
        and maps.dtype in (torch.float32, *_NARROW)
        and maps.numel() > 0
        and not maps.is_contiguous()
        and maps.permute(0, 2, 3, 1).is_contiguous()
    )


def peaks(maps: torch.Tensor) -> NDArray[np.float64]:
    """Return the largest value of each map [N, C, H, W], as [N, C]; NaN where one is no number."""
    held = maps.detach()
    if not side_by_side(held):
        return _array(held.amax((2, 3)).double())
    found = np.empty(held.shape[:2], np.float32)
    with np.errstate(invalid="ignore"):
        for image, rows in enumerate(_each(held)):
            _largest(rows, into=found[image])
    return found.astype(np.float64)


def peaks_and_active(maps: torch.Tensor) -> tuple[NDArray[np.float64], Integers]:
    """Return what `peaks` does, and how many values of each channel are above zero, [C].

    Parameters
    ----------
    maps : torch.Tensor
        [N, C, H, W], of any floating-point type, on any device, however they lie in memory.
    """
    held = maps.detach()
    if not side_by_side(held):
        return peaks(held), above_zero(held)
    count, channels, height, width = held.shape
    tops = np.empty((count, channels), np.float32)
    above = np.zeros((height * width, -(-channels // _BYTES) * _BYTES), bool)
    active = np.zeros(above.shape[1], np.int64)
    with np.errstate(invalid="ignore"):
        for image, rows in enumerate(_each(held)):
            _largest(rows, into=tops[image])
            np.greater(rows, 0, out=above[:, :channels])
            active += _added(above)
    return tops.astype(np.float64), active[:channels]


def first_places(
    maps: torch.Tensor, images: Integers, channels: Integers, tops: NDArray[np.float64]
) -> Integers:
    """Return the first position, row by row, at which some maps have their largest value, [M].

    Parameters
    ----------
    maps : torch.Tensor
        [N, C, H, W], with the channels `side_by_side`.
    images, channels : ndarray of int64
        Which maps, [M]; the images ascend.
    tops : ndarray of float64
        The value of each, [M].
    """
    every = maps.detach().permute(0, 2, 3, 1).flatten(1, 2)
    values, found = tops.astype(np.float32), np.empty(len(images), np.int64)
    ends = np.searchsorted(images, np.arange(len(maps) + 1))
    for image in range(len(maps)):
        some = slice(ends[image], ends[image + 1])
        wanted = channels[some]
        if len(wanted):
            rows = every[image]
            if len(wanted) < len(rows[0]):
                rows = rows.index_select(1, torch.from_numpy(wanted))
            found[some] = _first_true(_array(rows) == values[some])
    return found


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


def _first_true(there: NDArray[np.bool_]) -> Integers:
    """Return the first row of each column of rows [P, C] that is true."""
    # Few are, and finding all of these takes less than turning the columns into rows.
    rows, columns = np.divmod(np.flatnonzero(there), there.shape[1])
    found = np.zeros(there.shape[1], np.int64)
    # Of several the last that is written stays.
    found[columns[::-1]] = rows[::-1]
    return found


def _largest(rows: NDArray[Any], into: NDArray[Any]) -> None:
    """Write the largest value of each column of rows [P, C]."""
    wide, rest = _widened(rows)
    np.maximum.reduce(np.maximum.reduce(wide, axis=0).reshape(-1, rows.shape[1]), axis=0, out=into)
    for row in rest:
        np.maximum(into, row, out=into)


def _added(above: NDArray[np.bool_]) -> Integers:
    """Return how many of each column of rows [P, C] are true; C is a multiple of 8."""
    wide, rest = _widened(above)
    # Eight columns are added up at once, as the bytes of one number.
    lanes = wide.view(np.uint64)
    found = np.zeros(wide.shape[1], np.int64)
    for start in range(0, len(lanes), _LANE):
        found += np.add.reduce(lanes[start : start + _LANE], axis=0).view(np.uint8)
    return np.asarray(found.reshape(-1, above.shape[1]).sum(0) + rest.sum(0), np.int64)


def _widened(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return short rows [P, C] as longer ones, several of them side by side, and the rest."""
    count = max(1, min(len(rows), _WIDE // rows.shape[1]))
    even = len(rows) // count * count
    return rows[:even].reshape(-1, count * rows.shape[1]), rows[even:]


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
