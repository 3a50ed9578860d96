"""Which input a network takes, found by trying it on a copy.

A network says nowhere how many channels and which size it takes. The first convolution that is
registered need not be the one that the image reaches, so the network is run: on a copy of its
modules, which shares nothing that a run could write to. Small inputs are tried on zeros; the others
on torch's meta device, where only shapes are computed, but whose first use takes torch seconds. A
run ends where a tensor would grow out of all proportion. Convolutions and matrix products are not
computed at first, and only where a run without their values fails.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cnnviz.errors import ModelChangedError
from cnnviz.foreign_code import RAISED, told
from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.introspection.signatures import needed_besides_image
from cnnviz.introspection.tracing.skip_arithmetic import SkippedArithmetic
from cnnviz.models.size_limit import SizeLimit
from cnnviz.models.trial_copies import copy_modules, quietly
from cnnviz.models.trial_time import TrialTime

NOMINAL_SIDE = 224
"""Height and width assumed where nothing says another, in pixels."""

SIDES = (224, 32, 28, 64, 96, 128, 48, 160, 192, 227, 256, 299, 384, 512, 16, 8)
"""Sides of square inputs that are tried, in pixels: common ones first."""

_LARGEST_SIDE = 1024
_SMALL_SIDE = 128
_FEW_CHANNELS = tuple(range(1, 17))
_MOST_CANDIDATES = 6
_SMALL_STRIDE = 4
_DEEP = 5
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_SIZE_NAMES = ("image_size", "img_size", "input_size", "size")


@dataclass(frozen=True)
class AcceptedInput:
    """An input that a network ran on.

    Attributes
    ----------
    channels, side : int
        Channels, and height and width in pixels.
    outputs : int or None
        How many numbers the network gave for it, where that was one row.
    stride : int
        How many times smaller than the image the last map was that a convolution gave; 0 where
        none did.
    convolutions : int
        How many convolutions gave a map.
    mapped : int or None
        How many channels its answer has, where that is a map as large as the image.
    """

    channels: int
    side: int
    outputs: int | None
    stride: int
    convolutions: int
    mapped: int | None = None

    @property
    def of_small_images(self) -> bool:
        """Whether it is deep, gives scores, and shrinks the image as little as networks for 32 px.

        Those for ImageNet shrink it 32 times, and 8 times at least.
        """
        deep = self.convolutions >= _DEEP
        return deep and self.outputs is not None and self.stride <= _SMALL_STRIDE


_Failure = tuple[str, int, tuple[int, int] | None]
"""What was raised, after how many modules, and what a linear layer got and takes."""
_Failures = dict[tuple[int, int], _Failure]
"""The failures by channels and side."""

_KEPT: NetworkCache[tuple[AcceptedInput | None, bool]] = NetworkCache(values=False)
"""What was found, and whether the search ended for its time."""


def find_input(module: nn.Module) -> AcceptedInput | None:
    """Return an input that a network accepts, or None where none of those that are tried is.

    The network itself is not run, unless it is TorchScript, and is left as it was.

    Raises
    ------
    ModelChangedError
        It makes parameters when it is first run, or writes to them.
    """
    return _searched(module)[0]


def gave_up(module: nn.Module) -> bool:
    """Whether the search for an input ended for its time, before all were tried."""
    return _searched(module)[1]


def _searched(module: nn.Module) -> tuple[AcceptedInput | None, bool]:
    if needed_besides_image(module):
        return None, False
    return _KEPT.get(module, "input", lambda: _find(module))


def registered_channels(module: nn.Module) -> int:
    """Return the input channels of the first registered convolution, or 3 where there is none."""
    return next(iter(_of_convolutions(module)), 3)


def _find(module: nn.Module) -> tuple[AcceptedInput | None, bool]:
    time = TrialTime()
    found = _found(module, time)
    return found, found is None and time.over


def _found(module: nn.Module, time: TrialTime) -> AcceptedInput | None:
    small = _Trial(module, "", _SMALL_SIDE, time)
    found = small.search()
    if found is not None or time.over:
        return found
    shapes_only = _Trial(module, "meta", _LARGEST_SIDE, time)
    found = shapes_only.search()
    if found is not None or shapes_only.fails_like(small) or time.over:
        return found
    return _Trial(module, "", _LARGEST_SIDE, time, small.failures).search()


class _Trial:
    """A copy of a network, on one device, to be run on inputs that may not fit.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    device : str
        Where it is run, its own device where empty.
    largest : int
        The largest side that is tried, in pixels.
    time : TrialTime
        What it has taken so far: once that is over, nothing is run any more.
    failures : mapping
        How it fails there on inputs that need no second trial.
    """

    def __init__(
        self,
        module: nn.Module,
        device: str,
        largest: int,
        time: TrialTime,
        failures: _Failures | None = None,
    ) -> None:
        self._time = time
        self._original, self._largest = module, largest
        self.failures: _Failures = dict(failures or {})
        self._one = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
        self._device = torch.device(device) if device else self._one.device
        scripted = isinstance(module, torch.jit.ScriptModule)
        self._runnable = not (scripted and device)
        self._network = module if scripted else copy_modules(module, self._device)
        self._heard = not any(
            isinstance(child, torch.jit.ScriptModule) for child in self._network.modules()
        )
        self._ran = False
        self._done = 0
        self._stride = 0
        self._convolutions = 0
        self._misfit: tuple[int, int] | None = None

    def search(self) -> AcceptedInput | None:
        """Return the first input that runs: of the channels that come furthest, a common side."""
        if not self._runnable:
            return None
        # A part of the copy that holds on to the network, such as a closure, may run that.
        with isolated(self._original, grad=False):
            return self._search()

    def fails_like(self, other: _Trial) -> bool:
        """Whether the inputs that came furthest failed on both, and alike.

        Those that were tried here alone, as they are larger, count as well: what stops them may be
        of this device, so that it tells nothing where they would come to on the other.
        """
        both = self.failures.keys() & other.failures.keys()
        furthest = max((self.failures[each][1] for each in both), default=0)
        most = [each for each in both if self.failures[each][1] == furthest]
        alike = bool(most) and all(self.failures[each] == other.failures[each] for each in most)
        known = {_without_numbers(one) for one in other.failures.values()}
        here = [self.failures[each] for each in self.failures.keys() - both]
        return alike and all(one[1] < furthest or _without_numbers(one) in known for one in here)

    def _search(self) -> AcceptedInput | None:
        stated = _exported_for(self._network)
        found = None if stated is None else self._run(*stated)
        if found is not None:
            return found
        reached: dict[int, int] = {}
        for channels in _candidates(self._network):
            found = self._run(channels, NOMINAL_SIDE)
            if found is not None:
                return found
            reached[channels] = self._done
        furthest = max(reached.values())
        best = [channels for channels, done in reached.items() if done == furthest]
        for channels in best[:_MOST_CANDIDATES]:
            found = self._at_another_side(channels)
            if found is not None:
                return found
        return None

    def _at_another_side(self, channels: int) -> AcceptedInput | None:
        ways = set()
        for side in dict.fromkeys((*_declared_sides(self._network), *SIDES[1:])):
            found = self._run(channels, side) if side <= self._largest else None
            if found is not None:
                return found
            ways.add(self.failures.get((channels, side)))
        # Where all sides fail alike, a larger one tells whether they are all too small.
        found = self._run(channels, self._largest)
        ways |= {None, self.failures.get((channels, self._largest))}
        return self._between(channels) or found if found or len(ways) > 2 else None

    def _between(self, channels: int) -> AcceptedInput | None:
        """Bisect for the side at which a linear layer gets as many numbers as it has weights."""
        low, high = 1, self._largest
        while low <= high:
            side = (low + high) // 2
            found = self._run(channels, side)
            if found is not None:
                return found
            if self._misfit is not None and self._misfit[0] > self._misfit[1]:
                high = side - 1
            else:  # too few numbers, or too small for a window
                low = side + 1
        return None

    def _run(self, channels: int, side: int) -> AcceptedInput | None:
        if (channels, side) in self.failures:
            _, self._done, self._misfit = self.failures[channels, side]
            return None
        if self._time.over:
            self._done, self._misfit = 0, None
            return None
        skipped = SkippedArithmetic()
        found = self._run_once(channels, side, skipped)
        if found is not None or not skipped.matters:
            return found
        # Zeros in place of values may be what it does not take, such as for probabilities.
        return self._run_once(channels, side, contextlib.nullcontext())

    def _run_once(
        self, channels: int, side: int, arithmetic: AbstractContextManager[Any]
    ) -> AcceptedInput | None:
        self._done, self._stride, self._convolutions, self._misfit = 0, 0, 0, None
        modules = dict(self._network.named_modules()) if self._heard else {}
        # What the meta device imports at its first use is no time of the network's.
        self._ran, ran = True, self._ran or self._device.type != "meta"
        try:
            with (
                quietly(self._network),
                SizeLimit(),
                module_hooks(modules, before=self._met, after=self._left),
                arithmetic,
            ):
                image = torch.zeros(
                    (1, channels, side, side), device=self._device, dtype=self._one.dtype
                )
                self._side = side
                with self._time.counted() if ran else contextlib.nullcontext():
                    output = self._network(image)
        except ModelChangedError:
            raise  # as any other pass would
        except RAISED as error:  # a network may fail in any way on what it is not made for
            self.failures[channels, side] = told(error), self._done, self._misfit
            # One that a network raises each time would keep what every trial computed.
            error.__traceback__ = None
            return None
        plain = isinstance(output, torch.Tensor) and not output.is_nested
        rows = plain and output.ndim == 2 and len(output) == 1
        outputs = output.shape[1] if rows else None
        layers = self._stride, self._convolutions
        return AcceptedInput(channels, side, outputs, *layers, _mapped(output, side))

    def _met(self, name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        given = inputs[0] if inputs and isinstance(inputs[0], torch.Tensor) else None
        if given is None or not isinstance(module, nn.Linear) or self._misfit is not None:
            return
        if given.ndim and given.shape[-1] != module.in_features:
            self._misfit = (given.shape[-1], module.in_features)

    def _left(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self._done += 1
        is_map = isinstance(output, torch.Tensor) and output.ndim == 4
        if is_map and isinstance(module, _CONVOLUTIONS) and output.shape[-1]:
            self._stride = round(self._side / output.shape[-1])
            self._convolutions += 1


def _without_numbers(failure: _Failure) -> tuple[str, int]:
    """Return how an input fails, without the sizes that its own error names."""
    said, done, _ = failure
    return re.sub(r"\d+", "", said), done


def _candidates(module: nn.Module) -> list[int]:
    """Return numbers of channels, likely ones first; a photo's three before anything."""
    normalised = [
        count
        for child in module.modules()
        if isinstance(count := getattr(child, "num_features", None), int) and count > 0
    ]
    own = [*_of_convolutions(module), *normalised[:2]]
    return list(dict.fromkeys((3, *own[:1], 1, 4, 2, *own[1:], *_FEW_CHANNELS)))[:32]


def _of_convolutions(module: nn.Module) -> list[int]:
    counts = [
        getattr(child, "in_channels", None)
        for child in module.modules()
        if isinstance(child, _CONVOLUTIONS)
    ]
    return [count for count in counts if isinstance(count, int) and count > 0]


def _declared_sides(module: nn.Module) -> list[int]:
    """Return sides that attributes name, or that a linear layer over all pixels asks for."""
    found = []
    for name in _SIZE_NAMES:
        value = getattr(module, name, None)
        value = value[-1] if isinstance(value, (tuple, list)) and value else value
        if isinstance(value, int) and 0 < value <= _LARGEST_SIDE:
            found.append(value)
    for child in module.modules():
        if isinstance(child, nn.Linear):
            found += [
                side
                for channels in (1, 3, 4)
                if (side := math.isqrt(child.in_features // channels)) ** 2 * channels
                == child.in_features
            ]
            break
    return found


def _exported_for(module: nn.Module) -> tuple[int, int] | None:
    """Return the channels and the side of the square images that `torch.export` was given."""
    if not isinstance(module, torch.fx.GraphModule):
        return None
    first = next((node for node in module.graph.nodes if node.op == "placeholder"), None)
    value = None if first is None else first.meta.get("val")
    if not isinstance(value, torch.Tensor) or value.ndim != 4:
        return None
    _, channels, height, width = value.shape
    fixed = all(isinstance(size, int) for size in (channels, height, width))
    return (channels, height) if fixed and height == width else None


def _mapped(output: Any, side: int) -> int | None:
    answer = output.get("out") if isinstance(output, Mapping) else output
    if not isinstance(answer, torch.Tensor) or answer.is_nested or answer.ndim != 4:
        return None
    return int(answer.shape[1]) if answer.shape[2:] == (side, side) else None
