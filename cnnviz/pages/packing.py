"""Arrays in a page: quantised where that is told, deflated, and written as text."""

from __future__ import annotations

import base64
import zlib
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

_SAFE = bytes.maketrans(b"<&>`", b".,:[")
"""Letters that mean something in HTML, and what stands for them."""
MANY = 2048
"""Places of a layer from which on it is kept in fewer steps."""
_LARGE = 100_000
"""The same for the values of all its channels together."""
ALL_LEVELS = 255
"""Steps from the least value of a channel to its largest, elsewhere."""
_TYPES = {
    "uint8": "u1",
    "int8": "i1",
    "uint16": "u2",
    "int16": "i2",
    "int32": "i4",
    "float32": "f4",
}


class ArrayPlace(TypedDict):
    """Where in the data an array lies: its type, first byte and shape."""

    type: str
    at: int
    shape: list[int]


class Packed:
    """Arrays one after the other, each begun at a multiple of four bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, values: NDArray[np.generic]) -> ArrayPlace:
        """Take an array in, and return where it lies."""
        if values.dtype.name not in _TYPES:
            raise TypeError(f"Arrays of {values.dtype} are not packed.")
        data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        place = ArrayPlace(
            type=_TYPES[values.dtype.name], at=self._size, shape=[*map(int, values.shape)]
        )
        data += bytes(-len(data) % 4)
        self._parts.append(data)
        self._size += len(data)
        return place

    def text(self) -> str:
        """Return all of it deflated, five letters for four bytes, none of which HTML reads."""
        return base64.b85encode(_deflated(b"".join(self._parts))).translate(_SAFE).decode("ascii")


def size_in_page(values: NDArray[np.generic]) -> int:
    """Return about how many letters of a page an array takes."""
    return len(_deflated(np.ascontiguousarray(values).tobytes())) * 5 // 4


def _deflated(data: bytes) -> bytes:
    # Steps repeat, where at all, as runs of one number, such as zeros: to look for runs alone takes
    # a fiftieth of the time that looking for every repetition takes, and finds as much.
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
    return packer.compress(data) + packer.flush()


def predicted(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what is left of pixels [C, h, w] beside a guess from those to the left and above.

    The guess is the median of left, above, and left + above - upper left (LOCO-I, Weinberger et al.
    2000); differences are kept modulo 256, so that nothing is lost.
    """
    padded = np.pad(values.astype(np.int16), ((0, 0), (1, 0), (1, 0)))
    left, above, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    guess = np.clip(left + above - corner, np.minimum(left, above), np.maximum(left, above))
    left_over: NDArray[np.uint8] = ((values - guess) & 255).astype(np.uint8)
    return left_over


def by_row(
    values: NDArray[np.float32], levels: int | NDArray[np.int64] = 127
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round each row of signed values to whole steps on both sides of zero.

    Parameters
    ----------
    values : ndarray of float32
        [K, ...].
    levels : int or ndarray of int
        How many steps there are on each side, at most 127; of all rows, or of each, [K].

    Returns
    -------
    ndarray of int8, ndarray of float32
        Steps in the shape of the values, and the size of a step of each row, [K]; no value is off
        by more than half a step.
    """
    rows = values.reshape(len(values), -1)
    steps = np.abs(rows).max(1) / levels
    whole = np.round(rows / np.where(steps == 0.0, 1.0, steps)[:, None]).astype(np.int8)
    return whole.reshape(values.shape), steps.astype(np.float32)


def by_channel(
    maps: NDArray[np.float32], levels: int = ALL_LEVELS
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Round the map of each channel to whole steps from its least value to its largest.

    Parameters
    ----------
    maps : ndarray of float32
        [C, h, w].
    levels : int
        How many steps lead from the least value to the largest, at most 255.

    Returns
    -------
    ndarray of uint8, ndarray of float32, ndarray of float32
        Steps in the shape of the maps; the value of step 0 and the size of a step of each channel,
        [C]. No value is off by more than half a step.
    """
    rows = maps.reshape(len(maps), -1)
    low = rows.min(1)
    steps = (rows.max(1) - low) / levels
    whole = np.round((rows - low[:, None]) / np.where(steps == 0.0, 1.0, steps)[:, None])
    return whole.astype(np.uint8).reshape(maps.shape), low, steps.astype(np.float32)


def by_channel_for_sums(
    maps: NDArray[np.float32], weights: NDArray[np.float32], levels: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Round maps to whole steps, up or down so that the errors cancel in weighted sums of them.

    Channel after channel, the one that counts most first, each value takes of the step below and
    the step above that which leaves the smaller error of the sums so far: as dithering passes the
    error on to the neighbours, it is passed on to the channels that follow.

    Parameters
    ----------
    maps : ndarray of float32
        [C, h, w].
    weights : ndarray of float32
        [K, C], of the K sums.
    levels : int
        How many steps lead from the least value to the largest, at most 255.

    Returns
    -------
    ndarray of uint8, ndarray of float32, ndarray of float32
        As `by_channel` returns them; no value is off by as much as a step.
    """
    _, low, steps = by_channel(maps, levels)
    size = np.abs(np.tensordot(weights, maps, 1)).reshape(len(weights), -1).max(1)
    # Errors count by the largest value of their sum.
    scaled = weights.astype(np.float64) / np.where(size == 0.0, 1.0, size)[:, None]
    error = np.zeros((len(weights), *maps.shape[1:]))
    found = np.zeros(maps.shape, np.uint8)
    for channel in np.argsort(-np.abs(scaled).max(0) * steps, kind="stable"):
        step, weight = float(steps[channel]), scaled[:, channel]
        if step == 0.0:
            continue
        exact = np.clip((maps[channel].astype(np.float64) - low[channel]) / step, 0, levels)
        below = np.floor(exact)
        # Of |error + weight * off| squared, what differs between the two.
        shared = 2.0 * np.tensordot(weight, error, 1)
        own = float(weight @ weight)
        down, up = (below - exact) * step, (below + 1.0 - exact) * step
        raised = (shared * up + own * up**2 < shared * down + own * down**2) & (exact > below)
        error += weight[:, None, None] * np.where(raised, up, down)
        found[channel] = (below + raised).astype(np.uint8)
    return found, low, steps


def map_levels(maps: NDArray[np.float32]) -> int:
    """Return in how many steps from least to largest the maps of a layer, [C, h, w], are kept.

    Those with the most places would else be half of a page, where there are many channels; what a
    class makes of them is a sum over all of these, in which the roundings can make up for each
    other: see `by_channel_for_sums`.
    """
    return 95 if maps[0].size > MANY and maps.size > _LARGE else ALL_LEVELS
