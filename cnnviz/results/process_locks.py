"""Locks of files that end with the process that took them, whatever it has forked meanwhile.

The system keeps the lock of an open file for as long as any process has that open. Workers of a
data loader are forks: where their training is killed, they may live on, and hold what they never
asked for.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_TAKEN: set[int] = set()
"""Descriptors of the locks of this process."""


class ProcessLock:
    """A lock of a file that is there.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    taken : bool
        Whether no other process has it. Nobody has where that cannot be told: on Windows, and on
        file systems without locks.
    """

    def __init__(self, path: Path) -> None:
        self.taken, self._descriptor = True, -1
        if fcntl is None:
            return
        with suppress(OSError):
            # Some file systems behind a network lock what is open to be written alone.
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            _TAKEN.add(self._descriptor)
        try:
            if self._descriptor >= 0:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.taken = False
            self.release()
        except OSError:
            self.release()

    def release(self) -> None:
        """Give the lock back; in a process that was forked meanwhile this does nothing."""
        if self._descriptor in _TAKEN:
            _TAKEN.discard(self._descriptor)
            os.close(self._descriptor)
        self._descriptor = -1


def _forget() -> None:
    for descriptor in _TAKEN:
        with suppress(OSError):
            os.close(descriptor)
    _TAKEN.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
