"""Units of a network: how they are written, read and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnnviz.bounds import read_whole
from cnnviz.errors import LayerError, UsageError

_PART = re.compile(r"([^-]+)(?:-([^-]+))?")
_MOST_CHANNELS = 10**6
"""Channels that one text may name: no layer has more."""


@dataclass(frozen=True, order=True)
class Unit:
    """One channel of one layer, written ``layer:channel``.

    Attributes
    ----------
    layer : str
        The name of the layer; ``name#1`` is the second call of a layer that is called twice.
    channel : int
        The channel, from 0.
    """

    layer: str
    channel: int

    def __str__(self) -> str:
        return f"{self.layer}:{self.channel}"


def read_channels(channels: int | str | Iterable[int]) -> tuple[int, ...]:
    """Return channels in the order given, each once.

    Parameters
    ----------
    channels : int, str, or iterable of int
        A channel, several, or text such as ``"3,7,10-15"``.

    Raises
    ------
    UsageError
        If the text means no channels, or a channel is negative.
    """
    if isinstance(channels, str):
        found = [channel for part in channels.split(",") for channel in _part(part.strip())]
    else:
        found = [channels] if isinstance(channels, int) else [int(channel) for channel in channels]
    negative = [channel for channel in found if channel < 0]
    if negative:
        raise UsageError(f"There is no channel {negative[0]}.", "Channels count from 0.")
    return tuple(dict.fromkeys(found))


def read_units(units: str | Unit | Sequence[str | Unit]) -> tuple[Unit, ...]:
    """Return units from the way they are written, each once.

    Parameters
    ----------
    units : str, Unit, or sequence of these
        ``"layer:3"``, or several channels of one layer: ``"layer:3,7,10-15"``.

    Raises
    ------
    UsageError
        If a text names no layer or no channel.
    """
    found: list[Unit] = []
    for entry in [units] if isinstance(units, (str, Unit)) else units:
        if isinstance(entry, Unit):
            found.append(entry)
            continue
        layer, colon, channels = entry.rpartition(":")
        if not (colon and layer.strip() and channels.strip()):
            raise UsageError(
                f"{entry!r} is no unit.",
                "Write layer:channel, such as features.0:3 or layer4:0-15.",
            )
        found += [Unit(layer.strip(), channel) for channel in read_channels(channels)]
    return tuple(dict.fromkeys(found))


def check_channels(channels: Sequence[int], count: int, layer: str) -> None:
    """Raise `LayerError` if a layer with `count` channels lacks one of those named."""
    beyond = [channel for channel in channels if not 0 <= channel < count]
    if beyond:
        raise LayerError(
            f"Layer {layer!r} has no channel {beyond[0]}.",
            f"It has {count}: they go from 0 to {count - 1}.",
        )


def _part(text: str) -> range:
    match = _PART.fullmatch(text)
    first = read_whole(match[1]) if match else None
    last = read_whole(match[2] or match[1]) if match else None
    if first is None or last is None:
        raise UsageError(
            f"{text!r} is neither a channel nor a range of channels.",
            "Write numbers and ranges with commas between them: 3,7,10-15.",
        )
    if max(first, last) >= _MOST_CHANNELS:
        raise UsageError(
            f"There is no channel {max(first, last):,} in any layer.",
            "Name channels of the layer; they count from 0.",
        )
    if last < first:
        raise UsageError(f"The range {text!r} is empty.", f"Write {last}-{first}.")
    return range(first, last + 1)
