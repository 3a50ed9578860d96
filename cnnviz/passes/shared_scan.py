"""A pass over a data set that processes share by shards, and that goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch

from cnnviz.datasets import Dataset, LoadedBatch, stream
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import Refusal
from cnnviz.models import Model
from cnnviz.passes import scan
from cnnviz.passes.precision import Precision
from cnnviz.passes.processes import Processes
from cnnviz.passes.scan_plan import BatchPlan, agree, apart, shard_size
from cnnviz.passes.scan_way import ScanWay
from cnnviz.passes.shard_pace import ShardPace, ShownPace
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import AS_IT_IS
from cnnviz.results.shard_files import Portion, PortionKind, ShardFiles

EVERY = 10.0
"""Seconds between writing what was found."""

P = TypeVar("P", bound=Portion)
P_co = TypeVar("P_co", bound=Portion, covariant=True)


class Counter(Protocol[P_co]):
    """Counts what a pass shows, and hands it out as what some shards hold."""

    def see(self, layer: str, maps: torch.Tensor, batch: LoadedBatch) -> None:
        """Look at what a layer gives for a batch."""

    def answered(self, output: Any, batch: LoadedBatch) -> None:
        """Look at what the network answers to a batch, once its layers were seen."""

    def portion(self, shards: tuple[int, ...], refused: Mapping[int, Refusal]) -> P_co:
        """Return everything, as what these shards hold."""


@dataclass(frozen=True)
class SharedScan(Generic[P]):
    """One process, and what all of them scan.

    Attributes
    ----------
    model, data : Model, Dataset
        The network and the images.
    names : sequence of str
        The layers.
    files : ShardFiles
        What was found so far.
    kind : PortionKind
        How parts of it are read and joined.
    processes : Processes
        Which of how many this is.
    shard : int
        Images in a shard.
    batch_size : int
        Images in a batch; no batch has images of two shards.
    even : bool
        Whether batches that are not full are filled up, see `cnnviz.passes.scan.scan`.
    precision : {"float32", "bf16"}
        In what they are computed, see `cnnviz.passes.precision`.
    answers : bool
        Whether the network runs to its end, and its answers are counted.
    workers : int or None
        Threads that read images.
    chosen : sequence of int or None
        Which images, ascending; all by default.
    """

    model: Model
    data: Dataset
    names: Sequence[str]
    files: ShardFiles[P]
    kind: PortionKind[P]
    processes: Processes
    shard: int
    batch_size: int
    even: bool = False
    precision: Precision = "float32"
    answers: bool = True
    workers: int | None = None
    chosen: Sequence[int] | None = None

    def count(self, counter: Counter[P], every: float, progress: Progress) -> None:
        """Count the shards that fall to this process, and write what was found now and then."""
        # Nobody writes before everybody knows what is left.
        held = self.processes.agreed(self.files.shards())
        left = [shard for shard in range(self._shards) if shard not in held]
        mine = self.processes.share(left)
        way = self._way() if mine else None
        if way is not None and self.files.way() is None:
            self.files.go(told_way(way))
        # And on what it is computed.
        self.processes.wait()
        if way is not None and (self.files.way() or {}).get("key") != way.key:
            raise _otherwise()
        refused: dict[int, Refusal] = {}
        done: list[int] = []
        pace, watched = ShardPace(every), self.processes.watching(progress)
        shown = self._shown(watched, held, mine)
        for some in pace.cut(mine):
            refused |= self._counted(counter, self._places(some), way, shown)
            done += some
            shown.behind += len(self._places(some))
            with pace.writing():
                self.files.write(counter.portion(tuple(done), refused))

    def finish(self) -> P:
        """Wait for all processes, and return what they found together."""
        self.processes.wait()
        if self.processes.first and self.processes.patiently(self._all_there):
            self.files.join(self.kind)
        self.processes.wait()
        there = self.processes.patiently(self._all_there)
        whole = self.files.read(self.kind) if there else None
        if whole is None or len(whole.shards) != self._shards:
            raise apart()
        return whole

    def _all_there(self) -> bool:
        return len(self.files.shards()) == self._shards

    @property
    def computed_on(self) -> str:
        """On what the images were computed, for the provenance of a result."""
        return str((self.files.way() or {}).get("told", AS_IT_IS))

    @property
    def bf16_error(self) -> float | None:
        """How far bfloat16 was from float32, see `cnnviz.passes.scan_way.ScanWay`."""
        found = (self.files.way() or {}).get("bf16_error")
        return None if found is None else float(found)

    def _way(self) -> ScanWay:
        """Decide on what the images are computed: all processes alike, by the whole data."""
        return scan.way_to_scan(
            self.model,
            self.data,
            self.names,
            self.chosen,
            precision=self.precision,
            answered=self.answers,
        )

    @property
    def _shards(self) -> int:
        return -(-len(self.data) // self.shard)

    def _places(self, shards: Sequence[int]) -> Sequence[int]:
        """Return the places of all images in some shards, which ascend."""
        if self.chosen is not None and len(self.chosen) < len(self.data):
            ends = np.array([[shard, shard + 1] for shard in shards]).reshape(-1, 2) * self.shard
            return [
                place
                for first, last in np.searchsorted(self.chosen, ends).tolist()
                for place in self.chosen[first:last]
            ]
        if not shards:
            return range(0)
        spans = [range(shard * self.shard, (shard + 1) * self.shard) for shard in shards]
        if shards[-1] - shards[0] == len(shards) - 1:
            spans = [range(spans[0].start, spans[-1].stop)]
        last = range(spans[-1].start, min(spans[-1].stop, len(self.data)))
        # A list of a million numbers takes 36 MB, a range takes none.
        return (
            last if len(spans) == 1 else [place for span in (*spans[:-1], last) for place in span]
        )

    def _shown(self, progress: Progress, held: Sequence[int], mine: Sequence[int]) -> ShownPace:
        alone = self.processes.size == 1
        before = len(self._places(held)) if alone else 0
        return ShownPace(progress, self.processes.said, before, len(self._places(mine)))

    def _counted(
        self, counter: Counter[P], places: Sequence[int], way: ScanWay | None, shown: Progress
    ) -> dict[int, Refusal]:
        """Count some images, and return those that could not be read."""
        try:
            found = scan.scan(
                self.model,
                self.data,
                self.names,
                counter.see,
                batch_size=self.batch_size,
                workers=self.workers,
                indices=places,
                even=self.even,
                within=self.shard,
                answered=counter.answered if self.answers else None,
                way=way,
                progress=shown,
            )
        except ImageError:
            # In a few shards there may be no image that can be read; in the whole set there is one.
            with stream(
                self.data,
                self.model.preprocessing,
                1,
                indices=places,
                device=self.model.device,
                dtype=self.model.dtype,
            ) as batches:
                if next(iter(batches), None) is not None:
                    raise
            return batches.refused
        return dict(found.refused)


def told_way(way: ScanWay) -> dict[str, Any]:
    """Return what is kept of the way in which images are computed."""
    return {"key": way.key, "told": way.told, "bf16_error": way.bf16_error}


@dataclass(frozen=True)
class SharedCounts(Generic[P]):
    """What all processes have counted together, and on what it was computed.

    Attributes
    ----------
    whole : Portion
        The counts.
    computed_on, bf16_error : str, float or None
        See `cnnviz.results.provenance.Provenance`.
    """

    whole: P
    computed_on: str
    bf16_error: float | None


def share_scan(
    model: Model,
    data: Dataset,
    names: Sequence[str],
    counter: Callable[[int], Counter[P]],
    kind: PortionKind[P],
    *,
    processes: Processes,
    depends: Mapping[str, Any],
    state: Path | None = None,
    shard: int | None = None,
    workers: int | None = None,
    chosen: Sequence[int] | None = None,
    answers: bool = True,
    precision: Precision = "float32",
    progress: Progress = silent,
) -> SharedCounts[P]:
    """Return what all processes count together, in batches of the size that suits the machine.

    Parameters
    ----------
    model, data, names : Model, Dataset, sequence of str
        The network, the images, and the layers.
    counter : callable
        Returns what counts, given how many images a shard has.
    kind : PortionKind
        How what it found is read and joined.
    processes : Processes
        Which process this is of how many.
    depends : mapping
        What the counts depend on, see `cnnviz.passes.scan_plan.depends_on`.
    state : Path, optional
        A folder for what was counted so far.
    shard : int, optional
        Images in a shard, rounded up to whole batches.
    workers, chosen, answers, precision, progress
        As in `SharedScan` and `cnnviz.passes.scan.scan`.
    """
    files: ShardFiles[P] = ShardFiles(state, {**depends, "shard": shard})
    plan = agree(
        files,
        processes,
        find=lambda: BatchPlan.of(model, data, chosen or range(len(data)), names),
        read=BatchPlan.from_json,
        kind=lambda _: kind,
    )
    size = shard_size(len(data), plan.batch_size, shard)
    run = SharedScan(
        model,
        data,
        names,
        files,
        kind,
        processes,
        size,
        plan.batch_size,
        answers=answers,
        workers=workers,
        chosen=chosen,
        precision=precision,
    )
    run.count(counter(size), EVERY if state else float("inf"), progress)
    return SharedCounts(run.finish(), run.computed_on, run.bf16_error)


def _otherwise() -> UsageError:
    return UsageError(
        "The images of this run are computed in another way here than where it was begun.",
        "Run it on machines of one kind, or with CNNVIZ_FAST=0 in all processes.",
    )
