"""The strongest positions of a channel, as they are told and written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PatchPosition:
    """One position of one channel.

    Attributes
    ----------
    value : float
        The activation.
    image : int
        The place of the image in the data set.
    name : str
        What the image is called there.
    label : str or None
        The class of the image as the data set has it, by name where that is known.
    row, column : int
        The position in the layer's output; a signal is one row.
    at : tuple of int
        The position along each axis, of a signal or a volume; empty for an image.
    """

    value: float
    image: int
    name: str
    label: str | None
    row: int
    column: int
    at: tuple[int, ...] = ()


@dataclass(frozen=True)
class ChannelPatches:
    """The strongest positions of one channel.

    Attributes
    ----------
    channel : int
        The channel.
    never_above_zero : bool
        Whether it was above zero at no position of any image.
    strongest : tuple of PatchPosition
        The strongest first, each in an image of its own.
    """

    channel: int
    never_above_zero: bool
    strongest: tuple[PatchPosition, ...]
