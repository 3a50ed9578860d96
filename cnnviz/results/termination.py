"""An end by SIGTERM that leaves nothing half-written."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Terminated(BaseException):
    """What a program is ended with while it writes: nothing in it is to stop that."""


@contextmanager
def cleared_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the process only once the body has cleared away what it was writing.

    Python leaves SIGTERM to the system, which ends a process at once, temporary files and all; so
    does whoever stops a job on a cluster. Where the program has said itself what SIGTERM is to do,
    as the command line has, that is left alone, and so are other threads, which get no signals.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    met = False

    def stop(*_: object) -> None:
        nonlocal met
        if not met:  # a second one comes while things are cleared away
            met = True
            raise _Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except _Terminated:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if met:
            os.kill(os.getpid(), signal.SIGTERM)
