"""Memory that is freed and soon asked for again stays with the process for a while."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

# <malloc.h> of glibc: what `mallopt` sets, and what it sets by itself as blocks grow.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUAL = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20}
_KEEPING = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1}
_MUCH = 16 << 20
"""So much more memory than before is worth the milliseconds that giving it back takes."""

_lock = Lock()
_inside = 0
_held_before = 0


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Let the process keep the memory that it frees, which makes large layers faster on Linux.

    What a layer gives for a batch of photos takes tens of megabytes. glibc hands such blocks back
    to the system as soon as they are freed, and the next layer waits while the system clears new
    ones page by page. `tests/benchmarks/bench_gallery.py` measures what that costs: ResNet-50 read
    and answered 768 photos, 32 at once, in 57.7 s, and in 43.7 s with memory that is kept.

    At the end glibc has the limits that it sets by itself once large blocks were freed, and if the
    process holds 16 MiB more than it did, everything that is free goes back to the system. Nothing
    happens where the environment says how memory is to be allocated (``MALLOC_...``), and with
    another C library.
    """
    global _inside, _held_before
    library = _glibc()
    if library is None:
        yield
        return
    with _lock:
        _inside += 1
        if _inside == 1:
            _held_before = _held()
            _set(library.mallopt, _KEEPING)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _set(library.mallopt, _USUAL)
                if not _held_before or _held() - _held_before >= _MUCH:
                    library.malloc_trim(0)


def _glibc() -> Any:
    """Return the C library of the process if it is glibc and may be told what to do, or None."""
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return None
    library = ctypes.CDLL(None)
    known = all(hasattr(library, name) for name in ("mallopt", "malloc_trim"))
    return library if known else None


def _held() -> int:
    """Return how many bytes of memory the process holds; 0 where the system does not say."""
    try:
        with Path("/proc/self/statm").open("rb", buffering=0) as file:
            return int(file.read(200).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _set(mallopt: Callable[[int, int], int], options: dict[int, int]) -> None:
    for option, value in options.items():
        mallopt(option, value)
