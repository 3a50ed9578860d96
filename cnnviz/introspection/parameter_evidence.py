"""What tells that a parameter was changed: torch's count of writes, its place, and its values.

The count alone misses what is written through ``.data``, by NumPy, or in C++. So the values are
added up as whole numbers, which takes 4 ms for a hundred megabytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from cnnviz.introspection.saved_state import form, version

_PART = 3
"""Added up are all values, and the first of so many parts: what changes places is seen by that."""


class ParameterEvidence:
    """What parameters are like, noted to find those that were changed since.

    Parameters
    ----------
    parameters : sequence of torch.nn.Parameter
        The parameters; lazy ones are passed over, for they have nothing yet.
    values : bool
        Whether their values count, or only where they lie and how often they were written to.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, values: bool) -> None:
        self._noted = [_Noted(each) for each in parameters]
        self._sums = _sums(parameters) if values else None

    def changed(self) -> list[nn.Parameter]:
        """Return those that were changed, in order."""
        found = {id(each.parameter) for each in self._noted if each.changed()}
        if self._sums is not None:
            now = _sums([each.parameter for each in self._noted])
            for each, one, other in zip(self._noted, self._sums, now, strict=True):
                if one != other:
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
