"""How far a long computation has come, for whoever draws the bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from cnnviz.results.text import estimated_time


class Progress(Protocol):
    """Called before each step of a long computation, and once at its end."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Take note that `done` of `total` steps are behind, and `what` comes next."""


def silent(done: int, total: int, what: str) -> None:
    """Take note of nothing."""


Announce = Callable[[str], None]
"""Takes a sentence on what is about to be done, and how long it takes."""


class ToldCost:
    """A `Progress` that says after its first step how long the rest takes, where that is long.

    Parameters
    ----------
    progress : Progress
        What the steps are passed on to.
    announce : callable or None
        What the sentence goes to.
    steps : int
        How many steps there are in all, which may be counted anew on the way.
    noun : str
        What they are called, in the plural.
    least : float
        Seconds that the rest has to take for it to be said.
    """

    def __init__(
        self,
        progress: Progress,
        announce: Announce | None,
        steps: int,
        noun: str,
        least: float = 20.0,
    ) -> None:
        self._progress, self._announce = progress, announce
        self._steps, self._noun, self._least = steps, noun, least
        self._begun = time.monotonic()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Pass a step on, and tell the cost after the first that takes time."""
        self._progress(done, total, what)
        if not done:
            self._begun = time.monotonic()
        elif self._announce is not None:
            announce, self._announce = self._announce, None
            seconds = (time.monotonic() - self._begun) / done * max(self._steps - done, 0)
            if seconds >= self._least:
                announce(f"{self._steps:,} {self._noun} take about {estimated_time(seconds)}.")
