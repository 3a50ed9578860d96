"""A pass over a data set that processes share by shards, and that goes on where it stopped."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import torch

from cnnviz.datasets import Dataset, LoadedBatch, stream
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import Refusal
from cnnviz.models import Model
from cnnviz.passes import scan
from cnnviz.passes.copy_policy import may_be_fast
from cnnviz.passes.precision import Precision
from cnnviz.passes.processes import Processes
from cnnviz.passes.scan_way import ScanWay
from cnnviz.results.progress import Progress
from cnnviz.results.result import AS_IT_IS
from cnnviz.results.shard_files import Portion, PortionKind, ShardFiles
from cnnviz.results.text import estimated_time

LARGEST_SHARD = 512
SHARDS = 64
"""So many shards a set is cut into at least, where its batches are enough for that."""
EVERY = 10.0
"""Seconds between writing what was found."""
_SHARE = 20
"""Writing takes about a twentieth of the time at most."""

P = TypeVar("P", bound=Portion)
T = TypeVar("T", bound="Plan")
P_co = TypeVar("P_co", bound=Portion, covariant=True)


class Plan(Protocol):
    """What every part must agree on, known before anything is counted."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""


class Counter(Protocol[P_co]):
    """Counts what a pass shows, and hands it out as what some shards hold."""

    def see(self, layer: str, maps: torch.Tensor, batch: LoadedBatch) -> None:
        """Look at what a layer gives for a batch."""

    def answered(self, output: Any, batch: LoadedBatch) -> None:
        """Look at what the network answers to a batch, once its layers were seen."""

    def portion(self, shards: tuple[int, ...], refused: Mapping[int, Refusal]) -> P_co:
        """Return everything, as what these shards hold."""


def agree(
    files: ShardFiles[P],
    processes: Processes,
    *,
    find: Callable[[], T],
    read: Callable[[Mapping[str, Any]], T],
    kind: Callable[[T], PortionKind[P]],
) -> T:
    """Find out, or read, what all parts must agree on, and make one part of those there are.

    Parameters
    ----------
    files : ShardFiles
        What was found so far.
    processes : Processes
        Which of how many this is; the first one finds out, for all.
    find : callable
        Finds out what a run begins with.
    read : callable
        Reads it from what its `Plan.to_json` returned; LookupError, ValueError or TypeError where
        that is something else.
    kind : callable
        Returns how the parts of such a run are read and joined.
    """
    if processes.first:
        plan = _plan(files, read)
        if plan is None:
            plan = find()
            files.begin(plan.to_json())
        files.join(kind(plan))
    processes.wait()
    found = _plan(files, read)
    if found is None:
        raise apart()
    return found


def _plan(files: ShardFiles[P], read: Callable[[Mapping[str, Any]], T]) -> T | None:
    try:
        return read(files.start() or {})
    except (LookupError, ValueError, TypeError):
        return None


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

    def count(self, counter: Counter[P], every: float, progress: Progress) -> None:
        """Count the shards that fall to this process, and write what was found now and then."""
        held = self.files.shards()
        left = [shard for shard in range(self._shards) if shard not in held]
        mine = left[self.processes.rank :: self.processes.size]
        way = self._way() if mine else None
        if way is not None and self.files.way() is None:
            self.files.go(told_way(way))
        # Nobody writes before everybody knows what is left, and on what it is computed.
        self.processes.wait()
        if way is not None and (self.files.way() or {}).get("key") != way.key:
            raise _otherwise()
        refused: dict[int, Refusal] = {}
        done: list[int] = []
        pace, shown = _ShardPace(every), self._shown(progress, held, mine)
        for some in pace.cut(mine):
            refused |= self._counted(counter, self._places(some), way, shown)
            done += some
            shown.behind += len(self._places(some))
            with pace.writing():
                self.files.write(counter.portion(tuple(done), refused))

    def finish(self) -> P:
        """Wait for all processes, and return what they found together."""
        self.processes.wait()
        if self.processes.first:
            self.files.join(self.kind)
        self.processes.wait()
        whole = self.files.read(self.kind)
        if whole is None or len(whole.shards) != self._shards:
            raise apart()
        return whole

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
        return scan.way_to_scan(self.model, self.data, self.names, precision=self.precision)

    @property
    def _shards(self) -> int:
        return -(-len(self.data) // self.shard)

    def _places(self, shards: Sequence[int]) -> Sequence[int]:
        """Return the places of all images in some shards, which ascend."""
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

    def _shown(self, progress: Progress, held: Sequence[int], mine: Sequence[int]) -> _Shown:
        alone = self.processes.size == 1
        before = len(self._places(held)) if alone else 0
        who = "" if alone else f"{self.processes.name}, "
        return _Shown(progress, who, before, len(self._places(mine)))

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
                indices=places,
                even=self.even,
                within=self.shard,
                answered=counter.answered,
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


def depends_on(
    model: Model,
    data: Dataset,
    names: Sequence[str],
    precision: Precision = "float32",
    **also: Any,
) -> dict[str, Any]:
    """Return everything that what is found in a shard depends on.

    Parameters
    ----------
    model, data : Model, Dataset
        The network and the images.
    names : sequence of str
        The layers.
    precision : {"float32", "bf16"}
        In what they are computed.
    also
        What else it depends on: settings, the size of a shard, the format of what is kept.
    """
    # The addresses of functions differ from run to run.
    layout = re.sub(r"0x[0-9a-f]+", "", repr(model.module))
    return {
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
        "computed": ["fast" if may_be_fast(model, len(data)) else "exact", precision, _processor()],
        **also,
    }


def _processor() -> str:
    """Return what decides how a processor rounds: its widest instructions."""
    return torch.backends.cpu.get_cpu_capability()


def shard_size(images: int, batch_size: int, wanted: int | None = None) -> int:
    """Return how many images a shard has: whole batches, of small data as few as one.

    It follows from the data alone, so that the number of processes may change from run to run.
    """
    if wanted is None:
        wanted = min(LARGEST_SHARD, -(-images // SHARDS))
    return -(-max(1, wanted) // batch_size) * batch_size


def apart() -> UsageError:
    """Return the error for parts that are not all there, or not of one start."""
    return UsageError(
        "What the processes of this run have found is not all there.",
        "Name a folder that all of them see, leave its files alone, and start the run again.",
    )


def _otherwise() -> UsageError:
    return UsageError(
        "The images of this run are computed in another way here than where it was begun.",
        "Run it on machines of one kind, or with CNNVIZ_FAST=0 in all processes.",
    )


@dataclass
class _ShardPace:
    """How many shards are counted before what was found is written."""

    every: float
    wrote: float = 0.0

    def cut(self, shards: Sequence[int]) -> Iterator[list[int]]:
        """Yield the shards, some at a time: the first alone, then as many as its time says."""
        at, count = 0, 1 if self.every < float("inf") else len(shards)
        while at < len(shards):
            begun = time.perf_counter()
            some = [*shards[at : at + count]]
            yield some
            at += len(some)
            each = (time.perf_counter() - begun - self.wrote) / len(some)
            fit = max(self.every, _SHARE * self.wrote) / max(each, 1e-6)
            count = int(min(max(1.0, fit), len(shards)))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Note how long it takes to write."""
        begun = time.perf_counter()
        yield
        self.wrote = time.perf_counter() - begun


@dataclass
class _Shown:
    """Tells how fast this process is, and how long it still takes."""

    progress: Progress
    who: str
    before: int
    total: int
    behind: int = 0
    began: float = field(default_factory=time.perf_counter)

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show how many of the images of a call are done."""
        seen = self.behind + done
        told = "reading images"
        if seen:
            rate = seen / max(time.perf_counter() - self.began, 1e-9)
            told = f"{rate:.3g} images/s, {estimated_time((self.total - seen) / rate)} left"
        self.progress(self.before + seen, self.before + self.total, self.who + told)
