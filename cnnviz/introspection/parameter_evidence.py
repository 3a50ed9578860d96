"""What tells that a parameter was changed: torch's count of writes, its place, and its values.

The count alone misses what is written through ``.data``, by NumPy, or in C++. So the values count,
too: those of a small parameter are kept, and those of a large one are added up as whole numbers.
That takes a fifth of a pass through a network, so it is done when a network is met, and anew when
its weights have changed; later a few values of each parameter are compared. What is kept of all
parameters of a kind lies in one piece of memory.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum, auto

import torch
from torch import nn

from cnnviz.introspection.saved_state import form, version

_PART = 3
"""Added up are all values, and the first of so many parts: what changes places is seen by that."""

_WHOLE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers by how many bytes they take."""

_SAMPLED = 64
"""About so many values of each parameter are compared where not all of them are."""

_SMALL = 4096
"""Up to so many values are kept where all count, which takes a quarter of the time of sums."""


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
        limit = {Values.ALL: _SMALL, Values.SOME: sys.maxsize, Values.NONE: 0}[values]
        kept = [each for each in self._noted if 0 < each.size <= limit]
        self._samples = _Samples(kept, _SMALL if values is Values.ALL else _SAMPLED)
        summed = self._noted if values is Values.ALL else []
        self._large = [each for each in summed if each.size > _SMALL]
        self._sums = _sums([each.parameter for each in self._large])

    @property
    def marks(self) -> tuple[tuple[int, int], ...]:
        """How often each was written to, and where it lay: other marks are other weights."""
        return tuple(each.mark for each in self._noted)

    def changed(self) -> list[nn.Parameter]:
        """Return those that were changed, in order."""
        found = {id(each.parameter) for each in self._noted if each.changed()}
        now = _sums([each.parameter for each in self._large])
        for each, one, other in zip(self._large, self._sums, now, strict=True):
            if one != other:
                found.add(id(each.parameter))
        found.update(id(each.parameter) for each in self._samples.changed())
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
        self.alias = parameter.detach() if _is_plain(parameter) else None
        self._form = None if self.alias is None else form(parameter)

    @property
    def size(self) -> int:
        """How many values there are that can be looked at."""
        return 0 if self.alias is None else self.alias.numel()

    @property
    def mark(self) -> tuple[int, int]:
        return self._version, 0 if self._form is None else self._form[0]

    def changed(self) -> bool:
        return version(self.parameter) != self._version or self._moved()

    def _moved(self) -> bool:
        if self._form is None:
            return False
        return not _is_plain(self.parameter) or form(self.parameter) != self._form

    def put_back(self) -> None:
        if self._moved() and self.alias is not None:
            self.parameter.data = self.alias


class _Samples:
    """About so many values of each parameter, or all where there are fewer, where they lay.

    Those of one kind are read into one piece of memory, which takes a fraction of the time of
    reading each by itself. Whoever lies elsewhere since is found by that.
    """

    def __init__(self, noted: Sequence[_Noted], most: int) -> None:
        groups: dict[tuple[object, ...], list[tuple[_Noted, torch.Tensor]]] = {}
        for each in noted:
            if each.alias is not None:
                some = _bits(_some(each.alias, most))
                kind = (some.dtype, some.device, *some.shape[1:])
                groups.setdefault(kind, []).append((each, some))
        self._groups = [(group, _read(group)) for group in groups.values()]

    def changed(self) -> list[_Noted]:
        """Return those of which a value is another now."""
        found = []
        for group, held in self._groups:
            now = _read(group)
            if torch.equal(now, held):
                continue
            sizes = [len(some) for _, some in group]
            pairs = zip(group, torch.split(now, sizes), torch.split(held, sizes), strict=True)
            found += [each for (each, _), new, old in pairs if not torch.equal(new, old)]
        return found


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


def _read(group: Sequence[tuple[_Noted, torch.Tensor]]) -> torch.Tensor:
    return torch.cat([some for _, some in group])


def _some(tensor: torch.Tensor, most: int) -> torch.Tensor:
    """Return a view of about so many values, in the order in which they lie in memory."""
    if not tensor.is_contiguous():
        # The longest strides first: one that lies in one piece, in whatever order, is flat so.
        tensor = tensor.permute(sorted(range(tensor.ndim), key=tensor.stride, reverse=True))
    if tensor.is_contiguous():
        count = tensor.numel()
        step = max(1, count // most)
        return tensor.as_strided((-(-count // step),), (step,))
    return tensor  # With gaps between there is no flat view: all are read, which is seldom.


def _bits(view: torch.Tensor) -> torch.Tensor:
    """Return a view of the same bits as whole numbers, among which a NaN equals itself."""
    if view.dtype is torch.bool:
        return view
    real = torch.view_as_real(view) if view.is_complex() else view
    return real.view(_WHOLE[real.element_size()])


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
    return flat.view(_WHOLE[size])
