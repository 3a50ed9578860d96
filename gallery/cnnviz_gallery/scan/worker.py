"""The part of a scan that one of several processes does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cnnviz.datasets import Dataset, nothing_left, stream
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import Refusal
from cnnviz.models import Model
from cnnviz.passes import scan
from cnnviz.results.progress import Progress
from cnnviz.results.text import estimated_time
from cnnviz_gallery.scan.accumulator import Accumulator
from cnnviz_gallery.scan.distributed import Processes
from cnnviz_gallery.scan.partial_scan import PartialScan
from cnnviz_gallery.scan.plan import ScanPlan, plan_scan
from cnnviz_gallery.scan.scan_result import ScanSettings
from cnnviz_gallery.scan.shard_files import ShardFiles

_SHARE = 20
"""Writing takes about a twentieth of the time at most."""


@dataclass(frozen=True)
class ScanWorker:
    """One process, and what all of them scan.

    Attributes
    ----------
    names : sequence of str
        The layers.
    shard : int
        Images in a shard.
    """

    model: Model
    data: Dataset
    names: Sequence[str]
    settings: ScanSettings
    parts: ShardFiles
    processes: Processes
    shard: int

    def plan_scan(self) -> ScanPlan:
        """Find out, or read, what all parts must agree on, and make one part of those there are."""
        if self.processes.first:
            start = self.parts.start()
            if start is None:
                start = plan_scan(self.model, self.data, self.names)
                self.parts.begin(start)
            self.parts.join(start)
        self.processes.wait()
        found = self.parts.start()
        if found is None:
            raise _apart()
        return found

    def count(self, start: ScanPlan, every: float, progress: Progress) -> None:
        """Count the shards that fall to this process, and write what was found now and then."""
        held = self.parts.shards()
        # Nobody writes before everybody knows what is left.
        self.processes.wait()
        left = [shard for shard in range(self._shards) if shard not in held]
        mine = left[self.processes.rank :: self.processes.size]
        tally = Accumulator(start, self.settings, len(self.data), self.model)
        refused: dict[int, Refusal] = {}
        done: list[int] = []
        pace, shown = _ShardPace(every), self._shown(progress, held, mine)
        for some in pace.cut(mine):
            refused |= self._counted(tally, self._places(some), shown)
            done += some
            shown.behind += len(self._places(some))
            with pace.writing():
                self.parts.write(tally.portion(tuple(done), refused))

    def finish(self, start: ScanPlan) -> PartialScan:
        """Wait for all processes, and return what they found together."""
        self.processes.wait()
        if self.processes.first:
            self.parts.join(start)
        self.processes.wait()
        whole = self.parts.read(start)
        if whole is None or len(whole.shards) != self._shards:
            raise _apart()
        if len(whole.skipped) == len(self.data):
            raise nothing_left([Refusal(e.name, e.reason, "") for e in whole.skipped], self.data)
        return whole

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
        who = "" if alone else f"process {self.processes.rank + 1} of {self.processes.size}, "
        return _Shown(progress, who, before, len(self._places(mine)))

    def _counted(
        self, tally: Accumulator, places: Sequence[int], shown: Progress
    ) -> dict[int, Refusal]:
        """Count some images, and return those that could not be read."""
        try:
            found = scan.scan(
                self.model,
                self.data,
                self.names,
                tally.see,
                batch_size=self.settings.batch_size,
                indices=places,
                even=True,
                within=self.shard,
                answered=tally.answered,
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


def _apart() -> UsageError:
    return UsageError(
        "What the processes of this scan have found is not all there.",
        "Name a folder that all of them see, leave its files alone, and start the scan again.",
    )
