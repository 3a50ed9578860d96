"""The largest value of every map, where it lies, and how many values lie above zero.

Every value of every layer is read here once for each image of a scan, so that the order in which
maps lie in memory decides what that costs. Those of a private copy lie channels-last
(`cnnviz.introspection.fast_copy`): row by row, with the channels side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

Integers = NDArray[np.int64]
_NARROW = (torch.bfloat16, torch.float16)
_LANE = 255
"""How many ones a byte can hold."""
_BYTES = 8
_WIDE = 1024
"""So many numbers side by side NumPy takes at once without losing time between rows."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """The largest value of each map [N, C, H, W].

    Attributes
    ----------
    values : ndarray of float64
        [N, C]; NaN where a value of the map is no number.
    places : ndarray of int64 or None
        [N, C], its first position, row by row, where the map has numbers alone; None where it costs
        less to look for it in those maps of which it is asked (`cnnviz.units.top_k`).
    """

    values: NDArray[np.float64]
    places: Integers | None = None


def peaks(maps: torch.Tensor) -> Peaks:
    """Return the largest value of each map [N, C, H, W], and where it lies if that comes with it.

    Parameters
    ----------
    maps : torch.Tensor
        [N, C, H, W], of any floating-point type, on any device, however they lie in memory.
    """
    held = maps.detach()
    if not _side_by_side(held):
        return Peaks(_array(held.amax((2, 3)).double()))
    return Peaks(*_pooled(held))


def peaks_and_active(maps: torch.Tensor) -> tuple[Peaks, Integers]:
    """Return what `peaks` does, and how many values of each channel are above zero, [C]."""
    held, found = maps.detach(), peaks(maps)
    if not _side_by_side(held):
        return found, above_zero(held)
    channels = held.shape[1]
    above = np.zeros((held[0, 0].numel(), -(-channels // _BYTES) * _BYTES), bool)
    active = np.zeros(above.shape[1], np.int64)
    for rows in _each(held, numbers=not np.isnan(found.values).any()):
        np.greater(rows, 0, out=above[:, :channels])
        active += _added(above)
    return found, active[:channels]


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


def _side_by_side(maps: torch.Tensor) -> bool:
    """Whether the channels of each position lie side by side, in a type that is pooled here."""
    return (
        maps.device.type == "cpu"
        and maps.dtype in (torch.float32, *_NARROW)
        and maps.numel() > 0
        and not maps.is_contiguous()
        and maps.permute(0, 2, 3, 1).is_contiguous()
        and _first_is_found(maps.dtype)
    )


def _pooled(maps: torch.Tensor) -> tuple[NDArray[np.float64], Integers]:
    """Return the largest value of each map whose channels lie side by side, and its place."""
    positions = maps.permute(0, 2, 3, 1).flatten(1, 2)[:, None].permute(0, 3, 1, 2)
    # One look finds both, and takes hardly longer than the largest value alone.
    values, places = F.max_pool2d(positions, positions.shape[2:], return_indices=True)
    return values.flatten(1).double().numpy(), places.flatten(1).numpy()


@cache
def _first_is_found(dtype: torch.dtype) -> bool:
    """Whether torch's max-pool finds the first of several equal values, which it does not promise.

    More channels than a vector of the processor holds, and some besides, are computed in two ways.
    """
    places = torch.arange(7)[:, None] + torch.arange(67) % 5
    maps = torch.stack(
        [torch.full((7, 67), -torch.inf), torch.zeros(7, 67), (places % 4 // 3).float()]
    )
    try:
        values, found = _pooled(maps.to(dtype)[:, :, None].permute(0, 3, 1, 2))
    except RuntimeError:  # a type that some version of torch does not pool
        return False
    rows = maps.numpy()
    return bool((values == rows.max(1)).all() and (found == rows.argmax(1)).all())


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


def _each(maps: torch.Tensor, *, numbers: bool) -> Iterator[NDArray[Any]]:
    """Yield each image as rows of channels [H W, C], in a type in which NumPy tells signs.

    `numbers` is whether there are numbers alone, whose signs are those of their bits.
    """
    every = maps.permute(0, 2, 3, 1).flatten(1, 2)
    if maps.dtype in _NARROW and numbers:
        every = every.view(torch.int16)
    for image in every:
        yield _array(image)


def _array(values: torch.Tensor) -> NDArray[Any]:
    held: NDArray[Any] = (values.float() if values.dtype in _NARROW else values).cpu().numpy()
    return held
