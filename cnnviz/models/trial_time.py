"""How long a network may be tried on inputs that it may not take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 15.0
"""Seconds in its own passes after which no further input is tried."""
ENDED_EARLY = (
    f"Not all usual sizes were tried: that search ended after {LONGEST:.0f} s in its own passes. "
)


class TrialTime:
    """The time that a search has spent in the passes of a network.

    Attributes
    ----------
    spent : float
        Seconds.
    """

    def __init__(self) -> None:
        self.spent = 0.0

    @property
    def over(self) -> bool:
        """Whether it has been searched for as long as it may be."""
        return self.spent > LONGEST

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time of a pass."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent += time.perf_counter() - began
