"""Which positions of its input each output position of an operation reads, along one dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Taps:
    """The taps of an operation along one dimension.

    Attributes
    ----------
    read : ndarray of int
        [outputs, taps]: the position read, inside the input.
    valid : ndarray of bool
        [outputs, taps]: False where the tap falls into padding.
    raw : ndarray of int
        [outputs, taps]: the position as it would be if the input went on beyond its border.
    step : int or None
        How far `raw` moves from one output to the next; None where that is not constant.
    """

    read: Numbers
    valid: NDArray[np.bool_]
    raw: Numbers
    step: int | None

    @property
    def outputs(self) -> int:
        """The length of the dimension after the operation."""
        return int(self.read.shape[0])


def sliding(
    length: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Taps:
    """Return the taps of a convolution or pooling window."""
    raw = (
        np.arange(outputs)[:, None] * stride - padding + np.arange(kernel)[None, :] * dilation
    ).astype(np.int64)
    return _inside(raw, length, stride)


def transposed(
    length: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int
) -> Taps:
    """Return the taps of a transposed convolution: output `o` reads `i` if o = i*s - p + t*d."""
    reached = np.arange(outputs)[:, None] + padding - np.arange(kernel)[None, :] * dilation
    raw = reached // stride
    taps = _inside(raw, length, 1 if stride == 1 else None)
    return Taps(taps.read, taps.valid & (reached % stride == 0), raw, taps.step)


def adaptive(length: int, outputs: int) -> Taps:
    """Return the taps of adaptive pooling, whose windows tile the input as evenly as they can."""
    if outputs > 1 and length % outputs == 0:
        return sliding(length, outputs, length // outputs, length // outputs)
    steps = np.arange(outputs)
    return _ranges(steps * length // outputs, -(-(steps + 1) * length // outputs), length)


def chosen(indices: Numbers, step: int | None) -> Taps:
    """Return the taps of an operation that moves positions: output `o` is input `indices[o]`."""
    raw = indices.astype(np.int64)[:, None]
    return Taps(raw, np.ones(raw.shape, bool), raw, step)


def padded(length: int, before: int, after: int, read: Numbers | None = None) -> Taps:
    """Return the taps of padding; `read` says what is copied into it, by default nothing.

    Negative padding crops.
    """
    raw = np.arange(-before, length + after, dtype=np.int64)[:, None]
    if read is None:
        return _inside(raw, length, 1)
    return Taps(read[:, None], np.ones(raw.shape, bool), raw, 1)


def marked(mask: NDArray[np.bool_]) -> Taps:
    """Return taps from a mask [inputs, outputs] that is True where an output reads an input."""
    used = np.asarray(mask.any(axis=0))
    first = np.where(used, mask.argmax(axis=0), 0)
    last = np.where(used, mask.shape[0] - 1 - mask[::-1].argmax(axis=0), 0)
    # Fields are hulls of positions in order, so the first and the last tap stand for all between.
    read = np.stack([first, last], axis=1).astype(np.int64)
    return Taps(read, np.broadcast_to(used[:, None], read.shape), read, None)


def _ranges(first: Numbers, end: Numbers, length: int) -> Taps:
    width = int((end - first).max())
    raw = first[:, None] + np.arange(width)[None, :]
    return Taps(np.minimum(raw, length - 1), raw < end[:, None], raw, None)


def _inside(raw: Numbers, length: int, step: int | None) -> Taps:
    return Taps(np.clip(raw, 0, length - 1), (raw >= 0) & (raw < length), raw, step)
