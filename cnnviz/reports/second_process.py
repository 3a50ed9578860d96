"""Half of a list of tasks in a second process, where a second core is free and that is safe.

The process is a fork: it has everything that this one has, nothing is sent to it, and what it does
comes out as it would here. Whatever it does not bring back is left to this process, so that a fault
is met here, where it can be told.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

_TICKET = struct.Struct("i")
# A pipe holds 64 KiB before a writer waits for its reader.
_MOST_TASKS = 65536 // _TICKET.size
_FEWEST_TASKS = 4

Work = Callable[[Iterator[int]], Mapping[int, Any]]
"""Does the tasks that it is handed, by number, and returns what came of each."""


class SecondProcess:
    """Shares tasks with a second process, each handed out to whichever is free first.

    Parameters
    ----------
    count : int
        How many tasks there are.
    work : callable
        ``work(numbers)``, run in the second process: does tasks and returns what came of them.
    here : bool
        Whether all tasks are left to this process.

    Examples
    --------
    >>> with SecondProcess(3, lambda numbers: {each: each * each for each in numbers}) as second:
    ...     found = {each: each * each for each in second.mine()}
    ...     found |= second.theirs()
    >>> sorted(found.values())
    [0, 1, 4]
    """

    def __init__(self, count: int, work: Work, *, here: bool = False) -> None:
        self._count = count
        self._here = here
        self._work = work
        self._child = 0
        self._tickets = self._results = -1

    def __enter__(self) -> SecondProcess:
        if not self._here and _FEWEST_TASKS <= self._count <= _MOST_TASKS and is_safe():
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType
    ) -> None:
        if not self._child:
            return
        os.close(self._tickets)
        os.close(self._results)
        # After `theirs` it has ended; before, nobody wants to know any more.
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)

    def mine(self) -> Iterator[int]:
        """Yield the numbers of the tasks to be done here, as long as there are any."""
        return _handed_out(self._tickets) if self._child else iter(range(self._count))

    def theirs(self) -> Mapping[int, Any]:
        """Wait for the second process, and return what came of the tasks that it has done.

        Those that it could not do are missing.
        """
        if not self._child:
            return {}
        parts = []
        while part := os.read(self._results, 1 << 20):
            parts.append(part)
        try:
            found: Mapping[int, Any] = pickle.loads(b"".join(parts))
        except (EOFError, pickle.UnpicklingError):  # it was stopped
            return {}
        return found

    def _start(self) -> None:
        self._tickets, handing = os.pipe()
        os.write(handing, b"".join(map(_TICKET.pack, range(self._count))))
        os.close(handing)
        self._results, answering = os.pipe()
        with warnings.catch_warnings():
            # Python 3.12 counts the threads of OpenMP, which the other process makes no use of.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = os.fork()
        if not self._child:
            self._be_second(answering)
        os.close(answering)

    def _be_second(self, answering: int) -> None:
        try:
            _on_one_thread()
            found = self._work(_handed_out(self._tickets))
            with os.fdopen(answering, "wb") as stream:
                pickle.dump(found, stream)
        finally:
            # Neither buffers nor what is to be done at exit are this process's own.
            os._exit(0)


def is_safe() -> bool:
    """Whether a fork of this process can work: on Linux, with no other thread and no GPU."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return False
    torch = sys.modules.get("torch")
    started = torch is not None and torch.cuda.is_initialized()
    return not started and len(os.sched_getaffinity(0)) > 1


def _handed_out(tickets: int) -> Iterator[int]:
    while ticket := os.read(tickets, _TICKET.size):
        yield _TICKET.unpack(ticket)[0]


def _on_one_thread() -> None:
    """Have nothing wait for threads that a fork doesn't have."""
    import cv2

    cv2.setNumThreads(0)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
