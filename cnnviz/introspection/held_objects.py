"""What a network holds besides its layers, parameters and buffers, noted to be put back.

Whatever hangs on a network is looked at before every pass, so it is bounded: the nearest things
first, up to so many of them, and of the size of a state. A table of data, or the program around the
network, is none of its state, and putting it back could undo what another thread has done.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import cache, partial
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import nn

from cnnviz.errors import ModelChangedError
from cnnviz.introspection.held_entries import (
    KINDS,
    copy_entries,
    put_back,
    same_entries,
    values_of,
)
from cnnviz.introspection.own_generators import (
    LONG,
    OwnGenerators,
    attributes,
    closure,
    is_a,
    package_of,
)
from cnnviz.results.text import file_size

PLAIN = frozenset((bool, int, float, str, type(None)))
"""What most attributes are, which neither change nor are tensors."""
LARGE = 128 << 20
"""Bytes from which on an array, or a tensor that is no buffer, is not copied at every pass."""
_MOST = 3000
"""So many things are looked into, besides those that are attributes of layers themselves."""
_NESTED = 8
"""How deep things within things are looked into."""
_SAMPLED = 4096
"""About so many values are compared of what is not copied."""
_SHARED = frozenset(
    {
        *("_thread", "threading", "queue", "_queue", "concurrent", "asyncio", "multiprocessing"),
        *("_io", "tempfile", "mmap", "socket", "_socket", "ssl", "selectors", "sqlite3"),
        "subprocess",
    }
)
"""Locks, threads, files and connections: who holds one shares its state with others."""


class HeldObjects:
    """The things that a network holds, each with what it was.

    Parameters
    ----------
    note_tensor : callable
        Takes each tensor that is met.

    Attributes
    ----------
    generators : OwnGenerators
        The random generators that are reached from them.
    containers : dict
        Every container that is noted and a copy of its entries, by its identity.
    """

    def __init__(self, note_tensor: Callable[[torch.Tensor], None]) -> None:
        self.generators = OwnGenerators()
        self.containers: dict[int, tuple[Any, Any]] = {}
        self._note_tensor = note_tensor
        self._owners: set[str] = set()
        self._seen: dict[int, Any] = {}
        self._arrays: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = []
        self._large: list[Sample] = []
        self._waiting: deque[tuple[Any, int]] = deque()
        self._further = 0

    def follow_class(self, kind: type) -> None:
        """Say that a layer is of this class: objects of its package are the network's own."""
        self.generators.follow_class(kind)
        self._owners.add(package_of(kind))

    def note(self, value: Any, depth: int = 0) -> None:
        """Note a tensor at once, and let other things wait for their turn."""
        if is_a(value, torch.Tensor):
            self._note_tensor(value)
        elif depth > 0 and (depth > _NESTED or self._further > _MOST):
            return
        elif not is_a(value, nn.Module):
            self._further += depth > 0
            self._waiting.append((value, depth))

    def look(self) -> None:
        """Look into all that waits: the attributes of layers, and then as much as is bounded."""
        while self._waiting:
            value, depth = self._waiting.popleft()
            if id(value) in self._seen:
                continue
            self._seen[id(value)] = value  # kept, for another may get the place of one that is gone
            if is_a(value, np.ndarray):
                self._note_array(value)
                continue
            entries = self._entries(value)
            for entry in entries if len(entries) <= LONG else ():
                if type(entry) not in PLAIN:
                    self.note(entry, depth + 1)
        self.generators.look()

    def note_large(self, value: Any) -> None:
        """Note a few values of an array or tensor that is too large to be copied."""
        self._large.append(Sample(value))

    def steps(self) -> Iterator[Callable[[], object]]:
        """Go through what is to be done to put every container and array back."""
        for container, copy in self.containers.values():
            if not same_entries(container, copy):
                yield partial(put_back, container, copy)
        for array, held in self._arrays:
            if array.shape != held.shape or array.tobytes() != held.tobytes():
                yield partial(np.copyto, array, held)
        for sample in self._large:
            yield sample.check

    def _note_array(self, array: np.ndarray[Any, Any]) -> None:
        if not array.flags.writeable:  # such as a file that is only read, of whatever size
            return
        if array.nbytes > LARGE:
            self.note_large(array)
        else:
            self._arrays.append((array, array.copy()))

    def _entries(self, value: Any) -> Collection[Any]:
        """Return what a value holds, and keep a copy of it where that can be exchanged."""
        if is_a(value, *KINDS):
            copy = copy_entries(value)
            self.containers[id(value)] = value, copy
            return values_of(copy)
        if is_a(value, tuple):
            return tuple(tuple.__iter__(value))
        self.generators.follow(value)
        if is_a(value, FunctionType):
            return list(closure(value))
        held = self._own_attributes(value)
        if held is None:
            return ()
        self.containers[id(held)] = held, dict(held)
        return list(held.values())

    def _own_attributes(self, value: Any) -> dict[str, Any] | None:
        """Return the attributes of an object that is the network's own; None of others.

        Others are those of packages that are none of the network's, such as a trainer or a picture,
        and those that hold a lock, a file or a connection.
        """
        held = attributes(value)
        if held is None:
            return None
        package = package_of(type(value))
        if package not in self._owners and _is_installed(package):
            return None
        kinds = {type(entry) for entry in held.values()} - PLAIN
        return None if any(package_of(kind) in _SHARED for kind in kinds) else held


@cache
def _is_installed(package: str) -> bool:
    place = getattr(sys.modules.get(package), "__file__", None) or ""
    return "site-packages" in place or "dist-packages" in place


class Sample:
    """A few values of an array or tensor that is too large to be copied.

    Parameters
    ----------
    value : ndarray or torch.Tensor
        Which one.
    """

    def __init__(self, value: Any) -> None:
        self._value = value
        each = max(1, round(_SAMPLED ** (1 / max(1, value.ndim))))
        self._taken = tuple(slice(None, None, max(1, size // each)) for size in value.shape)
        self._held = self._told()

    def check(self) -> None:
        """Raise `ModelChangedError` if any of them is another now."""
        if self._told() == self._held:
            return
        size = file_size(self._value.nbytes)
        raise ModelChangedError(
            f"The network's own forward wrote to an array of {size} that it holds.",
            "Keep what it writes in a buffer, or make it anew in each pass: what is larger than "
            f"{file_size(LARGE)} and no buffer is not copied before every pass to be put back.",
        )

    def _told(self) -> tuple[int, bytes]:
        """Return how often it was written to, as far as that is counted, and values of it."""
        counts = isinstance(self._value, torch.Tensor) and not self._value.is_inference()
        found = self._value.detach() if isinstance(self._value, torch.Tensor) else self._value
        found = found[self._taken]
        if isinstance(found, torch.Tensor):
            found = found.cpu().contiguous().flatten().view(torch.uint8).numpy()
        return self._value._version if counts else 0, bytes(found.tobytes())
