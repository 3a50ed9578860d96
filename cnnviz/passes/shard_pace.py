"""How often what a long scan has found is written, and how fast it is told to be."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cnnviz.results.progress import Progress
from cnnviz.results.text import estimated_time

_SHARE = 20
"""Writing takes about a twentieth of the time at most."""


@dataclass
class ShardPace:
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
class ShownPace:
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
