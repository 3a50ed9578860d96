"""How many threads read images, told without torch."""

from __future__ import annotations

import os

_MOST_WORKERS = 8


def default_workers() -> int:
    """Return how many threads read where nobody says: one for each processor, up to 8."""
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        processors = os.cpu_count() or 1
    return min(_MOST_WORKERS, processors)
