"""How far a report has come, for whoever draws the bar."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

# Drawing a section takes about twice as long as building it.
DRAWING_SHARE = 2
# The heads of the images, and the files.
WRITING_STEPS = 2


class ReportProgress(Protocol):
    """Called before each step of a report, and once at the end."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Take note that `done` of `total` steps are behind, and `what` comes next."""


class Steps:
    """Counts the steps of the whole job, from reading the images to moving the folder into place.

    Attributes
    ----------
    done, total : int
        Steps behind, and all steps. The total counts drawing and writing from the start, so that
        a bar never runs backwards.
    times : dict of str to float
        Seconds spent, by what they were spent on.
    """

    def __init__(self, progress: ReportProgress | None = None) -> None:
        self.progress = progress
        self.done: int = 0
        self.total: int = 1
        self.times: dict[str, float] = {}

    @contextmanager
    def step(self, kind: str, what: str, worth: int = 1) -> Iterator[None]:
        """Announce `what`, time the body under `kind`, and count it as `worth` steps."""
        self._tell(what)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.times[kind] = self.times.get(kind, 0.0) + time.perf_counter() - start
        self.done += worth

    def rest(self, count: int) -> None:
        """Set how many steps are still to come."""
        self.total = self.done + count

    def finish(self) -> None:
        """Tell that everything is done."""
        self.done = self.total
        self._tell("done")

    def _tell(self, what: str) -> None:
        if self.progress is not None:
            self.progress(self.done, max(self.total, self.done), what)
