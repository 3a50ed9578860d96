"""The tensors that a network returns, in whatever they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import torch

from cnnviz.introspection.fast_copy.shared_copy import PLAIN, NoFastCopyError
from cnnviz.introspection.network_cache import is_record

_NESTED = 8
"""How deep objects within objects are looked into."""


def held_tensors(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    """Go through the tensors in a value: in collections, and in the attributes of objects.

    Raises
    ------
    NoFastCopyError
        It holds something that cannot be looked into.
    """
    if isinstance(value, torch.Tensor):
        yield value
        return
    if isinstance(value, PLAIN):
        return
    collection = isinstance(value, Mapping | Sequence | Set)
    if depth > _NESTED or not (collection or is_record(value)):
        raise NoFastCopyError(f"it returns an object of {type(value).__name__}")
    held: list[Any] = list(getattr(value, "__dict__", {}).values())
    if isinstance(value, Mapping):
        held += value.values()
    elif collection:
        held += value
    for each in held:
        yield from held_tensors(each, depth + 1)
