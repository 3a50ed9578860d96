"""The shards of a data set, and what was found in them, kept so that a scan can go on."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cnnviz.datasets import Dataset
from cnnviz.models import Model
from cnnviz.results.resume_store import ResumeStore
from cnnviz_gallery.scan.partial_scan import PartialScan, joined
from cnnviz_gallery.scan.plan import ScanPlan
from cnnviz_gallery.scan.scan_result import ScanSettings

FORMAT = "cnnviz scan parts 2"
_START = "start"


def key(
    model: Model, data: Dataset, names: tuple[str, ...], settings: ScanSettings, shard: int
) -> dict[str, Any]:
    """Return everything that what is found in a shard depends on."""
    # The addresses of functions differ from run to run.
    layout = re.sub(r"0x[0-9a-f]+", "", repr(model.module))
    return {
        "format": FORMAT,
        "torch": torch.__version__,
        "device": model.device.type,
        "type": str(model.dtype),
        "model": model.name,
        "weights": model.sha256,
        "layout": hashlib.sha256(layout.encode()).hexdigest(),
        "input": [*model.input_shape],
        "preprocessing": model.preprocessing.describe(),
        "data": data.fingerprint,
        "images": len(data),
        "layers": [*names],
        "settings": settings,
        "shard": shard,
    }


class ShardFiles:
    """What was found so far, as files that each hold whole shards; no shard counts twice.

    Parameters
    ----------
    folder : Path, optional
        Where they are kept: a folder of its own for each key, which may hold many. They live as
        long as the object without it.
    depends : mapping
        What `key` returned.
    seed : int
        That of the sample.
    """

    def __init__(self, folder: Path | None, depends: dict[str, Any], seed: int) -> None:
        self._keep = ResumeStore(folder, depends)
        self._seed = seed
        self._mine = ""

    def start(self) -> ScanPlan | None:
        """Return what an earlier run began with."""
        try:
            return ScanPlan.from_json(self._keep.get(_START) or {})
        except (LookupError, ValueError, TypeError):
            return None

    def begin(self, start: ScanPlan) -> None:
        """Keep what every part must agree on."""
        self._keep.put(_START, start.to_json())

    def write(self, portion: PartialScan) -> None:
        """Keep all that this process has found, instead of what it kept before."""
        name = _name(portion)
        self._keep.put_arrays(name, {"key": _key_array(self._keep.key), **portion.arrays()})
        if self._mine not in ("", name):
            self._keep.drop_arrays(self._mine)
        self._mine = name

    def shards(self) -> list[int]:
        """Return every shard that is done."""
        return sorted(shard for shards in self._held().values() for shard in shards)

    def read(self, start: ScanPlan) -> PartialScan | None:
        """Return what all parts hold together; None where there is none."""
        whole: PartialScan | None = None
        # One after the other, so that no more than two are in memory at once.
        for name in self._held():
            try:
                part = PartialScan.of_arrays(self._keep.get_arrays(name) or {}, start)
            except (LookupError, ValueError, TypeError):
                self._keep.drop_arrays(name)
                continue
            whole = part if whole is None else joined([whole, part], self._seed)
        return whole

    def join(self, start: ScanPlan) -> None:
        """Make one part of all, while no other process writes; damaged ones are left out."""
        self._keep.sweep()
        whole = self.read(start)
        name = "" if whole is None else _name(whole)
        if whole is not None and name not in self._keep.array_names():
            self.write(whole)
        for other in self._keep.array_names():
            if other != name:
                self._keep.drop_arrays(other)
        # Not replaced, but joined by what this process finds from here on.
        self._mine = ""

    def _held(self) -> dict[str, frozenset[int]]:
        """Return the shards of each part that counts."""
        found = {name: self._shards(name) for name in self._keep.array_names()}
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


def _name(portion: PartialScan) -> str:
    shards = ",".join(map(str, portion.shards))
    return f"part-{hashlib.sha256(shards.encode()).hexdigest()[:16]}"


def _key_array(digits: str) -> Any:
    return np.frombuffer(digits.encode(), np.uint8)
