"""What was found in some shards of a data set, kept as files so that a run can go on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.results.resume_store import ResumeStore

_START, _WAY = "start", "way"
Arrays = Mapping[str, NDArray[Any]]
_PART = re.compile("part-[0-9a-f]{16}")


class Portion(Protocol):
    """What was found in some shards."""

    @property
    def shards(self) -> tuple[int, ...]:
        """Which ones."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays by name, ``shards`` among them."""


P = TypeVar("P", bound=Portion)


class PortionKind(Protocol[P]):
    """How portions of one kind are read and joined."""

    def of_arrays(self, found: Arrays) -> P:
        """Return what `Portion.arrays` came from; LookupError, ValueError or TypeError if none."""

    def joined(self, portions: Sequence[P]) -> P:
        """Return what is found in the shards of all of them, in whatever order they come."""


class ShardFiles(Generic[P]):
    """What was found so far, as files that each hold whole shards; no shard counts twice.

    Parameters
    ----------
    folder : Path, optional
        Where they are kept: a folder of its own for each key, which may hold many. They live as
        long as the object without it.
    depends : mapping
        Everything that what is found depends on. Another value of any of it has other files.
    """

    def __init__(self, folder: Path | None, depends: Mapping[str, Any]) -> None:
        self._keep = ResumeStore(folder, depends)
        self._mine = ""

    def start(self) -> dict[str, Any] | None:
        """Return what an earlier run began with."""
        return self._keep.get(_START)

    def begin(self, start: Mapping[str, Any]) -> None:
        """Keep what every part must agree on."""
        self._keep.put(_START, start)

    def way(self) -> dict[str, Any] | None:
        """Return on what the images are computed, as far as any were."""
        return self._keep.get(_WAY)

    def go(self, way: Mapping[str, Any]) -> None:
        """Keep on what the images are computed."""
        self._keep.put(_WAY, way)

    def write(self, portion: P) -> None:
        """Keep all that this process has found, instead of what it kept before."""
        name = _name(portion)
        self._keep.put_arrays(name, {"key": _key_array(self._keep.key), **portion.arrays()})
        if self._mine not in ("", name):
            self._keep.drop_arrays(self._mine)
        self._mine = name

    def shards(self) -> list[int]:
        """Return every shard that is done."""
        return sorted(shard for shards in self._held().values() for shard in shards)

    def read(self, kind: PortionKind[P]) -> P | None:
        """Return what all parts hold together; None where there is none."""
        whole: P | None = None
        # One after the other, so that no more than two are in memory at once.
        for name in self._held():
            try:
                part = kind.of_arrays(self._keep.get_arrays(name) or {})
            except (LookupError, ValueError, TypeError):
                self._keep.drop_arrays(name)
                continue
            whole = part if whole is None else kind.joined([whole, part])
        return whole

    def join(self, kind: PortionKind[P]) -> None:
        """Make one part of all, while no other process writes; damaged ones are left out."""
        whole = self.read(kind)
        name = "" if whole is None else _name(whole)
        if whole is not None and name not in self._parts():
            self.write(whole)
        for other in self._parts():
            if other != name:
                self._keep.drop_arrays(other)
        # Not replaced, but joined by what this process finds from here on.
        self._mine = ""

    def _parts(self) -> list[str]:
        """Return the names of all parts; other files that lie there are left alone."""
        return [name for name in self._keep.array_names() if _PART.fullmatch(name)]

    def _held(self) -> dict[str, frozenset[int]]:
        """Return the shards of each part that counts."""
        found = {name: self._shards(name) for name in self._parts()}
        taken: set[int] = set()
        counting: dict[str, frozenset[int]] = {}
        for name, shards in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
            # A part that was replaced holds nothing that its successor does not.
            if shards and not shards & taken:
                counting[name] = shards
                taken |= shards
        return counting

    def _shards(self, name: str) -> frozenset[int]:
        found = self._keep.get_arrays(name, ("key", "shards"))
        if found is None or not np.array_equal(found["key"], _key_array(self._keep.key)):
            return frozenset()
        return frozenset(found["shards"].tolist())


def _name(portion: Portion) -> str:
    shards = ",".join(map(str, portion.shards))
    return f"part-{hashlib.sha256(shards.encode()).hexdigest()[:16]}"


def _key_array(digits: str) -> Any:
    return np.frombuffer(digits.encode(), np.uint8)
