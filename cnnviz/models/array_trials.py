"""Which signals or volumes a network takes, found as `cnnviz.models.input_trials` finds images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from cnnviz.foreign_code import RAISED
from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.models.size_limit import SizeLimit
from cnnviz.models.trial_copies import copy_modules, quietly
from cnnviz.models.trial_time import TrialTime
from cnnviz.results.space import IMAGE, SIGNAL, SPACES, VOLUME, Space, space_of

USUAL: dict[Space, tuple[tuple[int, ...], ...]] = {
    SIGNAL: tuple((length,) for length in (1024, 4096, 16000, 256, 512, 2048, 8000, 128, 100, 64)),
    VOLUME: (
        (16, 112, 112),
        (16, 32, 32),
        (32, 32, 32),
        (16, 224, 224),
        (64, 64, 64),
        (8, 16, 16),
        (28, 28, 28),
        (16, 16, 16),
    ),
}
"""Sizes of inputs that are tried: common ones first."""
_LONGEST = 1 << 16
_SMALL_VOLUME = 1 << 15
_MOST_CHANNELS = 6
_LENGTH_NAMES = ("length", "input_length", "seq_len", "sequence_length", "n_samples", "n_timesteps")


@dataclass(frozen=True)
class AcceptedArray:
    """An input with one or three axes that a network ran on.

    Attributes
    ----------
    channels : int
        How many channels.
    size : tuple of int
        The size along each axis.
    """

    channels: int
    size: tuple[int, ...]

    @property
    def space(self) -> Space:
        """Which axes it has."""
        return space_of(len(self.size))


_KEPT: NetworkCache[AcceptedArray | None] = NetworkCache(values=False)


def registered_space(module: nn.Module) -> Space:
    """Return the space of the first registered convolution; that of images where there is none."""
    return next((_space(child) for child in _convolutions(module)), IMAGE)


def find_array(module: nn.Module) -> AcceptedArray | None:
    """Return a signal or volume that a network accepts, None where none of those tried is.

    The network itself is not run, and is left as it was. A network without a convolution along
    one axis or three is not tried.
    """
    spaces = dict.fromkeys(_space(child) for child in _convolutions(module))
    if isinstance(module, torch.jit.ScriptModule):
        return None
    tried = [space for space in spaces if space != IMAGE]
    # A spectrogram is an image that the network itself makes of a signal.
    tried += [space for space in SPACES if space == SIGNAL and space not in tried and spaces]
    return _KEPT.get(module, "array", lambda: _find(module, tried))


def takes_channels(
    module: nn.Module, space: Space, channels: int, size: tuple[int, ...] | None
) -> bool:
    """Return whether a network runs on so many channels, of a size or of one that is found.

    That its first convolution of the space has as many is enough, and no run is made. The network
    itself is not run, and is left as it was.
    """
    if likely_channels(module, space)[0] == channels or isinstance(module, torch.jit.ScriptModule):
        return True
    one = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    sizes = USUAL.get(space, ()) if size is None else (size,)
    trial = _Trial(module, torch.device("meta"), one.dtype, TrialTime())
    return trial.search(space, sizes, (channels,)) is not None


def _find(module: nn.Module, spaces: list[Space]) -> AcceptedArray | None:
    one = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    found, time = None, TrialTime()
    for space in spaces:
        sizes = USUAL[space]
        if space == VOLUME:
            # A large one takes long; on torch's meta device only shapes are computed.
            on_meta = _Trial(module, torch.device("meta"), one.dtype, time)
            found = found or on_meta.search(space, sizes)
            sizes = tuple(size for size in sizes if math.prod(size) <= _SMALL_VOLUME)
        found = found or _Trial(module, one.device, one.dtype, time).search(space, sizes)
    return found


class _Trial:
    """A copy of a network on some device, to be run on zeros that may not fit."""

    def __init__(
        self, module: nn.Module, device: torch.device, dtype: torch.dtype, time: TrialTime
    ) -> None:
        self._time, self._ran = time, False
        self._original, self._device, self._dtype = module, device, dtype
        self._network = copy_modules(module, device)
        self._misfit: tuple[int, int] | None = None
        self._unbatched = False

    def search(
        self, space: Space, usual: Sequence[tuple[int, ...]], channels: Sequence[int] = ()
    ) -> AcceptedArray | None:
        """Return the first input that runs, of these sizes or, of signals, another one.

        Where no numbers of channels are given likely ones are tried.
        """
        found = (
            self._run(count, size)
            for count in channels or likely_channels(self._network, space)[:_MOST_CHANNELS]
            for size in self._sizes(space, usual)
        )
        return next((one for one in found if one is not None), None)

    def _sizes(self, space: Space, usual: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
        if space != SIGNAL:
            yield from usual
            return
        yield from ((length,) for length in _declared_lengths(self._network))
        yield from usual
        yield from self._bisected()

    def _bisected(self) -> Iterator[tuple[int, ...]]:
        """Yield lengths ever nearer to where a linear layer gets as many numbers as it takes."""
        low, high = 1, _LONGEST
        while low <= high and self._misfit is not None:
            length = (low + high) // 2
            self._misfit = None
            yield (length,)
            misfit = self._misfit
            too_long = misfit is not None and misfit[0] > misfit[1]
            low, high = (low, length - 1) if too_long else (length + 1, high)
            self._misfit = misfit or (0, 1)  # too short for a window

    def _run(self, channels: int, size: tuple[int, ...]) -> AcceptedArray | None:
        self._misfit, self._unbatched = None, False
        if self._time.over:
            return None
        # What the meta device imports at its first use is no time of the network's.
        self._ran, ran = True, self._ran or self._device.type != "meta"
        modules = dict(self._network.named_modules())
        try:
            with (
                isolated(self._original, grad=False),
                quietly(self._network),
                SizeLimit(),
                module_hooks(modules, before=self._met, after=lambda *_: None),
                self._time.counted() if ran else nullcontext(),
            ):
                self._network(
                    torch.zeros((1, channels, *size), device=self._device, dtype=self._dtype)
                )
        except RAISED:  # a network may fail in any way on what it is not made for
            return None
        return None if self._unbatched else AcceptedArray(channels, size)

    def _met(self, name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        given = inputs[0] if inputs and isinstance(inputs[0], torch.Tensor) else None
        if given is not None and isinstance(module, _ConvNd):
            # Three dimensions are one image to a convolution of images, and not a batch of signals.
            self._unbatched |= given.ndim != 2 + len(module.kernel_size)
        if given is None or not isinstance(module, nn.Linear) or self._misfit is not None:
            return
        if given.ndim and given.shape[-1] != module.in_features:
            self._misfit = (given.shape[-1], module.in_features)


def _convolutions(module: nn.Module) -> Iterator[_ConvNd]:
    return (child for child in module.modules() if isinstance(child, _ConvNd))


def _space(layer: _ConvNd) -> Space:
    return space_of(len(layer.kernel_size))


def likely_channels(module: nn.Module, space: Space) -> list[int]:
    """Return numbers of channels, that of the first convolution of a space before any other."""
    own = [child.in_channels for child in _convolutions(module) if _space(child) == space]
    return list(dict.fromkeys((*own[:1], 1, 3, 2, *own[1:])))


def _declared_lengths(module: nn.Module) -> list[int]:
    """Return lengths that attributes name."""
    named = [getattr(module, name, None) for name in _LENGTH_NAMES]
    return [length for length in named if isinstance(length, int) and 0 < length <= _LONGEST]
