"""One thread at a time works on networks, and Ctrl-C waits while their state is put back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_AGAIN = 1.0
"""Seconds for which a second Ctrl-C waits while the first is on its way out through contexts."""

_turn = threading.RLock()


def _new_turn() -> None:
    global _turn
    _turn = threading.RLock()


if hasattr(os, "register_at_fork"):
    # A thread that holds the turn does not exist in the child, where nobody would end it.
    os.register_at_fork(after_in_child=_new_turn)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let no other thread work on a network meanwhile; the same thread may enter again.

    There is one turn for all networks. What a pass changes and puts back is not the network's
    alone: the random states are those of the process, and networks share layers and parameters.
    With a turn for each, threads that work on two networks, one within the other, could wait for
    each other for ever.
    """
    with _turn:
        yield


class Interrupts:
    """Holds Ctrl-C back while state is put back, for the duration of a context.

    Outside of `putting_back` a Ctrl-C acts as ever. One that comes while state is put back, or
    right after another, acts when the context ends. In other threads than the main one, where
    Ctrl-C never arrives, nothing is done.
    """

    _current: Interrupts | None = None

    def __init__(self, before: Callable[[int, Any], Any] | None) -> None:
        self._before = before
        self._first: float | None = None
        self._waiting = False
        self.putting_back = 0

    @classmethod
    @contextmanager
    def held(cls) -> Iterator[Interrupts]:
        """Enter, or join the context that the same thread is in already."""
        if cls._current is not None:
            yield cls._current
            return
        before = _handler()
        held = cls(before)
        cls._current = held
        try:
            if before is not None:
                signal.signal(signal.SIGINT, held._meet)
            yield held
        finally:
            cls._current = None
            if before is not None and signal.getsignal(signal.SIGINT) == held._meet:
                signal.signal(signal.SIGINT, before)
            if held._waiting and before is not None:
                before(signal.SIGINT, None)

    def _meet(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        again = self._first is not None and now - self._first < _AGAIN
        if self.putting_back or again:
            self._waiting = True
            return
        self._first = now
        if self._before is not None:
            self._before(number, frame)


def _handler() -> Callable[[int, Any], Any] | None:
    if threading.current_thread() is not threading.main_thread():
        return None
    found = signal.getsignal(signal.SIGINT)
    # SIG_IGN and SIG_DFL raise nothing in the midst of Python code.
    return found if callable(found) else None
