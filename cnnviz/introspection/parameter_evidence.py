"""What tells that a parameter was changed: torch's count of writes, its place, and its values.

The count alone misses what is written through ``.data``, by NumPy, or in C++. So the values are
added up as whole numbers. That takes a fifth of a pass through a network, so it is done when a
network is met, and anew when its weights have changed; later a few values of each parameter are
compared, which costs three to four hundredths (ResNet-18 and ResNet-50, one image, one thread).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

import torch
from torch import nn

from cnnviz.introspection.saved_state import form, version

_PART = 3
"""Added up are all values, and the first of so many parts: what changes places is seen by that."""


_SAMPLED = 64
"""About so many values of each parameter are compared where not all of them are."""


class Values(Enum):
    """Which values count, beside where a parameter lies and how often it was written to."""

    ALL = auto()
    SOME = auto()
    NONE = auto()


class ParameterEvidence:
    """What parameters are like, noted to find those that were changed since.

    Parameters
    ----------
    parameters : sequence of torch.nn.Parameter
        The parameters; lazy ones are passed over, for they have nothing yet.
    values : Values
        Which of their values count.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, values: Values) -> None:
        self._noted = [_Noted(each) for each in parameters]
        self._sums = _sums(parameters) if values is Values.ALL else None
        self._samples = _samples(parameters) if values is Values.SOME else None

    @property
    def marks(self) -> tuple[tuple[int, int], ...]:
        """How often each was written to, and where it lay: other marks are other weights."""
        return tuple(each.mark for each in self._noted)

    def changed(self) -> list[nn.Parameter]:
        """Return those that were changed, in order."""
        found = {id(each.parameter) for each in self._noted if each.changed()}
        if self._sums is not None:
            now = _sums([each.parameter for each in self._noted])
            for each, one, other in zip(self._noted, self._sums, now, strict=True):
                if one != other:
                    found.add(id(each.parameter))
        if self._samples is not None:
            later = _samples([each.parameter for each in self._noted])
            for each, before, after in zip(self._noted, self._samples, later, strict=True):
                if not _same_bits(before, after):
                    found.add(id(each.parameter))
        return [each.parameter for each in self._noted if id(each.parameter) in found]

    def put_back(self) -> None:
        """Give each the memory that it had."""
        for each in self._noted:
            each.put_back()


class _Noted:
    """How often a parameter was written to, and where it lies, which is kept for it."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self.parameter = parameter
        self._version = version(parameter)
        self._alias = parameter.detach() if _is_plain(parameter) else None
        self._form = None if self._alias is None else form(parameter)

    @property
    def mark(self) -> tuple[int, int]:
        return self._version, 0 if self._alias is None else self._alias.data_ptr()

    def changed(self) -> bool:
        return version(self.parameter) != self._version or self._moved()

    def _moved(self) -> bool:
        if self._form is None:
            return False
        return not _is_plain(self.parameter) or form(self.parameter) != self._form

    def put_back(self) -> None:
        if self._moved() and self._alias is not None:
            self.parameter.data = self._alias


def _is_plain(tensor: torch.Tensor) -> bool:
    known = type(tensor) in (torch.Tensor, nn.Parameter) and tensor.layout is torch.strided
    return known and not (tensor.is_meta or tensor.is_nested or tensor.is_quantized)


def _sums(parameters: Sequence[nn.Parameter]) -> list[tuple[int, ...]]:
    """Return sums over the bits of each parameter, () where there are none to be had."""
    found: list[tuple[int, ...]] = [()] * len(parameters)
    of_device: dict[torch.device, list[tuple[int, torch.Tensor]]] = {}
    with torch.no_grad():
        for place, parameter in enumerate(parameters):
            if _is_plain(parameter) and parameter.numel():
                words = _words(parameter.detach())
                pair = torch.stack([words.sum(), words[: -(-len(words) // _PART)].sum()])
                of_device.setdefault(parameter.device, []).append((place, pair))
        for pairs in of_device.values():
            # What a GPU has added up is waited for once.
            sums = torch.stack([pair for _, pair in pairs]).tolist()
            for (place, _), one in zip(pairs, sums, strict=True):
                found[place] = tuple(one)
    return found


def _samples(parameters: Sequence[nn.Parameter]) -> list[torch.Tensor | None]:
    """Return copies of some values of each parameter, in the order in which they lie."""
    return [_sample(each.detach()) if _is_plain(each) else None for each in parameters]


def _sample(tensor: torch.Tensor) -> torch.Tensor:
    count = tensor.numel()
    step = max(1, count // _SAMPLED)
    if tensor.is_contiguous() or tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor.as_strided((-(-count // step),), (step,)).clone()
    return tensor.reshape(-1)[::step].clone()


def _same_bits(before: torch.Tensor | None, after: torch.Tensor | None) -> bool:
    if before is None or after is None:
        return before is after
    if before.shape != after.shape or before.dtype != after.dtype:
        return False
    return torch.equal(before.view(torch.uint8), after.view(torch.uint8))


def _words(tensor: torch.Tensor) -> torch.Tensor:
    """Return the bits of a tensor as whole numbers, without a copy where it lies in one piece."""
    if tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        tensor = tensor.permute(0, 2, 3, 1)
    flat = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    flat = flat.contiguous().reshape(-1)
    if flat.dtype is torch.bool:
        return flat
    size = flat.element_size()
    eights = 8 // size if size <= 8 else 1
    if flat.numel() % eights == 0 and flat.storage_offset() % eights == 0:
        return flat.view(torch.int64)
    return flat.view({1: torch.uint8, 2: torch.int16, 4: torch.int32}[size])
