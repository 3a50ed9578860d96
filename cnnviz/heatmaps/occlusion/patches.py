"""Patches of a map, one for each position of the occluder, and how they are set into the map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn import functional

from cnnviz.heatmaps.occlusion.geometry import ChangedSpan, SlidingWindow, whole


@dataclass(frozen=True, eq=False)
class Patches:
    """What changed of a map, for a batch of positions.

    Attributes
    ----------
    values : torch.Tensor
        [B, ..., rows.size, columns.size].
    rows, columns : ChangedSpan
        Where each patch lies in the last two dimensions of the map.
    """

    values: torch.Tensor
    rows: ChangedSpan
    columns: ChangedSpan

    @property
    def full(self) -> bool:
        """Whether the patches are whole maps."""
        return self.rows.full and self.columns.full

    @property
    def like(self) -> torch.Tensor:
        """A tensor of the same kind."""
        return self.values

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the batch of whole maps would have."""
        return (*self.values.shape[:-2], self.rows.length, self.columns.length)


class PendingPatches(Patches):
    """What a convolution gives, computed when it is known whether a rectifier reads it.

    A rectifier that is part of the convolution takes no time of its own.

    Parameters
    ----------
    like : torch.Tensor
        The patches that are convolved, [B, ...].
    channels : int
        Of the output.
    rows, columns : ChangedSpan
        Where each patch lies.
    compute : callable
        ``compute(rectified)`` returns the values.
    """

    def __init__(
        self,
        like: torch.Tensor,
        channels: int,
        rows: ChangedSpan,
        columns: ChangedSpan,
        compute: Callable[[bool], torch.Tensor],
    ) -> None:
        vars(self).update(rows=rows, columns=columns)
        vars(self).update(_like=like, _channels=channels, _compute=compute)

    @cached_property
    def values(self) -> torch.Tensor:
        """What the convolution itself gives."""
        found: torch.Tensor = vars(self)["_compute"](False)
        return found

    def rectified(self) -> Patches:
        """Return what a rectifier makes of it."""
        return Patches(vars(self)["_compute"](True), self.rows, self.columns)

    @property
    def like(self) -> torch.Tensor:
        """A tensor of the same kind."""
        found: torch.Tensor = vars(self)["_like"]
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the batch of whole maps would have."""
        like, channels = self.like, vars(self)["_channels"]
        return (len(like), channels, self.rows.length, self.columns.length)


def whole_maps(values: torch.Tensor) -> Patches:
    """Return whole maps [B, ..., H, W] as patches."""
    count, height, width = values.shape[0], values.shape[-2], values.shape[-1]
    return Patches(values, whole(count, height), whole(count, width))


def set_into(
    patches: Patches, clean: torch.Tensor, rows: ChangedSpan, columns: ChangedSpan
) -> torch.Tensor:
    """Return another part of each map: `clean`, with the patches set into it.

    Parameters
    ----------
    patches : Patches
        What changed.
    clean : torch.Tensor
        The map without the occluder, [1, ..., H, W].
    rows, columns : ChangedSpan
        The part to return.
    """
    size = (rows.size, columns.size)
    return _composed(patches, clean, rows.starts, columns.starts, size)


def read_windows(
    patches: Patches,
    clean: torch.Tensor,
    windows: tuple[SlidingWindow, SlidingWindow],
    outputs: tuple[ChangedSpan, ChangedSpan],
) -> torch.Tensor:
    """Return what a sliding window reads to give a part of its output.

    Parameters
    ----------
    patches : Patches
        What changed of the input.
    clean : torch.Tensor
        The input without the occluder, padded as `padded` does it, [1, C, H', W'].
    windows : (SlidingWindow, SlidingWindow)
        The window along the rows and along the columns.
    outputs : (ChangedSpan, ChangedSpan)
        The part of the output.
    """
    down, across = windows
    rows, columns = outputs
    # In the padded map the window of output o begins at o * stride.
    tops = [start * down.stride for start in rows.starts]
    lefts = [start * across.stride for start in columns.starts]
    size = (down.reads(rows.size), across.reads(columns.size))
    return _composed(patches, clean, tops, lefts, size, (down.padding, across.padding))


def padded(
    clean: torch.Tensor,
    windows: tuple[SlidingWindow, SlidingWindow],
    outputs: tuple[int, int],
    fill: float,
) -> torch.Tensor:
    """Return a map with the border that the windows of all outputs reach into."""
    down, across = windows
    bottom = down.beyond(clean.shape[-2], outputs[0])
    right = across.beyond(clean.shape[-1], outputs[1])
    border = (across.padding, right, down.padding, bottom)
    if not any(border):
        return clean
    return functional.pad(clean, border, value=fill)


def cut(
    clean: torch.Tensor, tops: Sequence[int], lefts: Sequence[int], size: tuple[int, int]
) -> torch.Tensor:
    """Return a window of a map [1, ..., H, W] for each corner, [B, ..., *size]."""
    # Channels last, a row of a window is one piece of memory.
    source, (high, wide) = _inner(clean)[0], size
    windows = [
        source[top : top + high, left : left + wide] for top, left in zip(tops, lefts, strict=True)
    ]
    return _outer(torch.stack(windows))


def _composed(
    patches: Patches,
    clean: torch.Tensor,
    tops: Sequence[int],
    lefts: Sequence[int],
    size: tuple[int, int],
    shift: tuple[int, int] = (0, 0),
) -> torch.Tensor:
    """Cut a window out of `clean` for each row of the batch, and set its patch into it.

    `shift` is the place of the map's origin in `clean`.
    """
    down = [y + shift[0] - top for y, top in zip(patches.rows.starts, tops, strict=True)]
    across = [x + shift[1] - left for x, left in zip(patches.columns.starts, lefts, strict=True)]
    values, (high, wide) = _inner(patches.values), size
    if not any(down) and not any(across) and values.shape[1:3] == size:
        return patches.values
    found = cut(clean, tops, lefts, size)
    target = _inner(found)
    for row, (y, x) in enumerate(zip(down, across, strict=True)):
        y0, y1 = max(0, y), min(high, y + values.shape[1])
        x0, x1 = max(0, x), min(wide, x + values.shape[2])
        if y0 < y1 and x0 < x1:
            target[row, y0:y1, x0:x1] = values[row, y0 - y : y1 - y, x0 - x : x1 - x]
    return found


def _inner(maps: torch.Tensor) -> torch.Tensor:
    """Return a view [B, H, W, ...] of maps [B, ..., H, W]."""
    return maps.movedim((-2, -1), (1, 2))


def _outer(maps: torch.Tensor) -> torch.Tensor:
    return maps.movedim((1, 2), (-2, -1))
