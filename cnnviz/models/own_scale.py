"""Whether a network scales its images itself: what it subtracts and divides by before all else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cnnviz.errors import ModelChangedError
from cnnviz.foreign_code import RAISED
from cnnviz.images import ArrayPreprocessing, Preprocessing
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.hooks import StopForward, isolated
from cnnviz.introspection.memory_order import memory_of
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.models.input_trials import NOMINAL_SIDE
from cnnviz.models.trial_copies import copy_modules, quietly
from cnnviz.results.text import number

_AFFINE = frozenset(
    {"add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide"}
    | {"radd", "rsub", "rmul", "rdiv", "rtruediv", "truediv", "iadd", "isub", "imul", "idiv"}
    | {"itruediv"}
)
_SAME_VALUES = frozenset(
    {"clone", "contiguous", "detach", "to", "float", "double", "type_as", "type", "cpu", "cuda"}
    | {"view", "view_as", "reshape", "reshape_as", "flatten", "alias"}
)
_CONSTANTS = frozenset({"new_tensor", "new_zeros", "new_ones", "new_full", "zeros_like"})
_BYTES = 100.0
"""A range of numbers from which on they are taken for bytes, 0 to 255, and not for 0 to 1."""
_BYTE_SCALE = 30.0
"""The least mean or std that is one of bytes: those of ImageNet are 104 to 124, and 57 to 59."""


@dataclass(frozen=True)
class OwnScale:
    """What a network subtracts from each channel of an image, and what it then divides by.

    Attributes
    ----------
    mean, std : tuple of float
        One number for each channel, in the units of what the network is given.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def of_unit_range(self) -> bool:
        """Whether that is what suits pixels from 0 to 1."""
        return all(0 <= mean <= 1 for mean in self.mean) and all(0 < std <= 1 for std in self.std)

    @property
    def of_bytes(self) -> bool:
        """Whether that is what suits pixels from 0 to 255."""
        within = all(0 <= mean <= 255 for mean in self.mean)
        whole = all(std > 0 for std in self.std)
        return within and whole and max(*self.mean, *self.std) >= _BYTE_SCALE

    @property
    def takes(self) -> Preprocessing | None:
        """How pixels are to come, as a mean and std alone; None where that is not known."""
        if not self.of_unit_range and not self.of_bytes:
            return None
        std = 1.0 if self.of_unit_range else 1 / 255
        return Preprocessing(None, None, (0.0,) * len(self.mean), (std,) * len(self.mean))

    def __str__(self) -> str:
        parts = [f"minus {_numbers(self.mean)}"] if any(self.mean) else []
        parts += [f"divided by {_numbers(self.std)}"] if set(self.std) != {1.0} else []
        return ", ".join(parts)


_KEPT: NetworkCache[OwnScale | None] = NetworkCache(values=True)


def own_scale(module: nn.Module, size: Sequence[int]) -> OwnScale | None:
    """Return how a network scales an image before anything else, or None where it does not.

    It is run on a copy, as far as the first operation that is not to add, subtract, multiply or
    divide by constants, and is left as it was. A normalisation by learned numbers, or of each
    channel by lines of their own, is not seen.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    size : sequence of int
        Channels, height and width of an image.

    Raises
    ------
    ModelChangedError
        It makes parameters when it is first run, or writes to them.
    """
    shape = tuple(size)
    if shape[-1] < 2 or any(
        isinstance(child, torch.jit.ScriptModule) for child in module.modules()
    ):
        return None
    return _KEPT.get(module, ("scale", shape), lambda: _find(module, shape))


def told_own_scale(module: nn.Module, given: Preprocessing) -> str:
    """Say that photos are scaled once before a network and once inside it; else nothing."""
    if isinstance(given, ArrayPreprocessing):
        return ""
    found = own_scale(module, (given.channels, *given.usual_size(NOMINAL_SIDE)))
    takes = None if found is None else found.takes
    if found is None or takes is None:
        return ""
    if found.of_bytes:
        if 1 / min(given.std) >= _BYTES:
            return ""
        low, high = _range(given)
        return (
            f"The network itself scales what it is given ({found}), which suits pixels from 0 to "
            f"255, and the preprocessing gives it numbers from {number(low)} to {number(high)}. "
            "Where it was not trained so, its answers are wrong: give it pixels from 0 to 255 with "
            "--mean 0 --std 0.00392157, or a Preprocessing with these for each channel."
        )
    if all(abs(mean) < 1e-6 for mean in given.mean) and all(abs(s - 1) < 1e-3 for s in given.std):
        return ""
    return (
        f"Photos are normalised twice: by the preprocessing, and by the network itself ({found}). "
        "Where it was not trained so, its answers are wrong: leave the normalisation to the "
        "network with --mean 0 --std 1, or a Preprocessing with these for each channel."
    )


def _range(given: Preprocessing) -> tuple[float, float]:
    pairs = list(zip(given.mean, given.std, strict=True))
    return min(-mean / std for mean, std in pairs), max((1 - mean) / std for mean, std in pairs)


def _numbers(values: tuple[float, ...]) -> str:
    said = [number(value) for value in values]
    return said[0] if len(set(said)) == 1 else f"({', '.join(said)})"


def _find(module: nn.Module, size: tuple[int, ...]) -> OwnScale | None:
    one = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    image = torch.zeros((1, *size), device=one.device, dtype=one.dtype)
    image[..., 1] = 1  # one column of ones: beside that of zeros it shows by how much all is scaled
    learned = {memory_of(p) for p in module.parameters() if p.requires_grad}
    follower = _Follower(image, learned)
    try:
        network = copy_modules(module, one.device)
        with isolated(module, grad=False), quietly(network), follower:
            network(image)
    except ModelChangedError:
        raise  # as any other pass would
    except (StopForward, *RAISED):  # a network may fail in any way on what it is not made for
        pass
    return follower.scale(size[0])


class _Follower(FunctionMode):
    """Follow an image through a network as far as it is scaled by constants."""

    def __init__(self, image: torch.Tensor, learned: Set[int]) -> None:
        super().__init__()
        self._image, self._learned = image, learned
        self._rounds = False

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Compute a call, and keep the image where that is what came of it."""
        met = any(one is self._image for one in _flat((*args, *named.values())))
        if not met:
            return func(*args, **named)
        name = getattr(func, "__name__", "").strip("_")
        first = bool(args) and args[0] is self._image
        if (first and name in _CONSTANTS) or (not first and name in _SAME_VALUES):
            return func(*args, **named)
        scaled = name in _AFFINE and self._by_constants((*args, *named.values()))
        if not scaled and not (first and name in _SAME_VALUES):
            return self._unless_an_image(func, args, named)
        output = func(*args, **named)
        self._image = output
        return output

    def _by_constants(self, operands: Sequence[Any]) -> bool:
        """Whether an image meets nothing but numbers, one for each of its channels at most."""
        tensors = [one for one in _flat(operands) if isinstance(one, torch.Tensor)]
        others = [one for one in tensors if one is not self._image]
        if len(others) < len(tensors) - 1:  # its square is no multiple of it
            return False
        most = self._image.shape[1] if self._image.ndim > 1 else 1
        if any(memory_of(one) in self._learned for one in others):
            return False
        return all(one.numel() <= most for one in others)

    def _unless_an_image(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Return what is asked of an image, such as its size; its values end the pass."""
        # What is rounded next was scaled to the steps of a quantiser, which scales it back.
        self._rounds = getattr(func, "__name__", "").strip("_") in _ROUNDINGS
        if not args or getattr(func, "__name__", "") not in _ASKED:
            raise StopForward
        return func(*args, **named)

    def scale(self, channels: int) -> OwnScale | None:
        """Return what was done to the image so far, or None where that is nothing."""
        kept_form = self._image.ndim > 2 and self._image.shape[:2] == (1, channels)
        if (
            self._rounds
            or not kept_form
            or self._image.is_complex()
            or self._image[0, 0].numel() < 2
        ):
            return None
        columns = self._image.detach().double().reshape(channels, -1)[:, :2].tolist()
        slopes = [one - zero for zero, one in columns]
        if not all(slope and math.isfinite(slope) for slope in slopes):
            return None
        mean = tuple(0.0 - zero / slope for (zero, _), slope in zip(columns, slopes, strict=True))
        std = tuple(1 / slope for slope in slopes)
        plain = all(abs(m) < 1e-6 for m in mean) and all(abs(s - 1) < 1e-6 for s in std)
        return None if plain else OwnScale(mean, std)


_ROUNDINGS = frozenset(
    {"round", "floor", "ceil", "trunc", "fix", "floor_divide", "quantize_per_tensor"}
    | {"fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine"}
)
_ASKED = frozenset(
    {"__get__", "size", "dim", "ndimension", "numel", "nelement", "element_size", "stride"}
    | {"is_floating_point", "is_contiguous", "is_complex", "get_device", "__len__", "is_cuda"}
    | {"__hash__", "storage_offset"}
)


def _flat(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flat(value)
        else:
            yield value
