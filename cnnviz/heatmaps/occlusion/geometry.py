"""Which part of a map a patch covers, along one dimension, for a batch of positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SlidingWindow:
    """The sliding window of a convolution or pooling, along one dimension."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def extent(self) -> int:
        """The length that one window spans."""
        return self.dilation * (self.kernel - 1) + 1

    def outputs(self, length: int) -> int:
        """Return how many outputs there are of a map of `length`."""
        return (length + 2 * self.padding - self.extent) // self.stride + 1

    def reads(self, outputs: int) -> int:
        """Return the length that neighbouring outputs read together."""
        return (outputs - 1) * self.stride + self.extent

    def beyond(self, length: int, outputs: int) -> int:
        """Return how far the last window reaches past a map of `length`."""
        return max(0, self.reads(outputs) - self.padding - length)


@dataclass(frozen=True)
class ChangedSpan:
    """What changed along one dimension, for each row of a batch.

    The parts that changed, ``low`` to ``high``, differ in length; what is stored of each row has
    one length, starts at `starts`, lies inside the map and holds the part that changed.

    Attributes
    ----------
    lows, highs : tuple of int
        The first position that changed, and the one after the last.
    length : int
        The length of the whole map.
    size : int
        The length that is stored.
    starts : tuple of int
        Where what is stored begins.
    """

    lows: tuple[int, ...]
    highs: tuple[int, ...]
    length: int
    size: int
    starts: tuple[int, ...]

    @property
    def full(self) -> bool:
        """Whether the whole map is stored."""
        return self.size == self.length


def span(lows: Sequence[int], highs: Sequence[int], length: int) -> ChangedSpan:
    """Return the span that stores the parts from `lows` to `highs` of a map."""
    size = max(1, *(high - low for low, high in zip(lows, highs, strict=True)))
    starts = tuple(max(0, min(low, length - size)) for low in lows)
    return ChangedSpan(tuple(lows), tuple(highs), length, size, starts)


def whole(rows: int, length: int) -> ChangedSpan:
    """Return the span that stores a whole map for each row of a batch."""
    return ChangedSpan((0,) * rows, (length,) * rows, length, length, (0,) * rows)


def reached(
    source: ChangedSpan, window: SlidingWindow, outputs: int, cap: float | None = None
) -> ChangedSpan:
    """Return the outputs that read what changed.

    Parameters
    ----------
    source : ChangedSpan
        What changed in the input.
    window : SlidingWindow
        The sliding window.
    outputs : int
        The length of the output.
    cap : float, optional
        The largest share of the output that may count as changed; of a longer part the middle is
        kept. Never fewer outputs than windows beginning in the part that changed.
    """
    step = window.stride
    parts = list(zip(source.lows, source.highs, strict=True))
    found = {}
    for low, high in set(parts):  # The squares of a row share one.
        first = -((window.extent - 1 - window.padding - low) // step)
        last = (high - 1 + window.padding) // step
        first, end = max(0, min(first, outputs)), max(0, min(last + 1, outputs))
        if cap is not None:
            first, end = _middle(first, end, max(-(-(high - low) // step), round(cap * outputs)))
        found[low, high] = first, max(first, end)
    lows, highs = zip(*(found[part] for part in parts), strict=True)
    return span(lows, highs, outputs)


def _middle(first: int, end: int, most: int) -> tuple[int, int]:
    if end - first <= most:
        return first, end
    first += (end - first - most) // 2
    return first, first + most


def united(spans: Sequence[ChangedSpan]) -> ChangedSpan:
    """Return the span that holds what changed in any of several maps of one length."""
    if len(spans) == 1:
        return spans[0]
    lows = [min(found) for found in zip(*(one.lows for one in spans), strict=True)]
    highs = [max(found) for found in zip(*(one.highs for one in spans), strict=True)]
    return span(lows, highs, spans[0].length)
