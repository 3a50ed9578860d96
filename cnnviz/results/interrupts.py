"""Ctrl-C waits while state is put back, and acts as soon as that is done."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, Any], Any]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN = 1.0
"""Seconds for which a second Ctrl-C waits while the first is on its way out through contexts."""
_BETWEEN = ("contextlib", __name__, "cnnviz.introspection.hooks")
"""Modules whose functions stand between a context and the body that it is for."""


class Interrupts:
    """Holds Ctrl-C and SIGTERM back while state changes hands, for the duration of a context.

    Python lets them raise between any two instructions, also within an ``__exit__`` that has not
    begun to do its work, or an ``__enter__`` whose work is done and whose body is not entered: what
    was to be put back then never is. So one that comes while such a method is on the stack, or
    right after another, waits: until the next pass (`deliver`), or the end of the context. At any
    other time it acts as ever, and where one has waited for more than a second the next acts at
    once. In other threads than the main one, which no signal reaches, nothing is done.
    """

    _current: Interrupts | None = None

    def __init__(self) -> None:
        self._before: dict[int, Handler] = {}
        self._bodies: list[FrameType] = []
        self._acted: float | None = None
        self._waiting: list[int] = []
        self._since = 0.0
        self._putting_back = 0

    @classmethod
    @contextmanager
    def held(cls) -> Iterator[Interrupts]:
        """Enter, or join the context that the same thread is in already."""
        within = cls._current
        if not _in_main_thread():
            yield Interrupts()
            return
        held = cls() if within is None else within
        held._bodies.append(_body())
        try:
            if within is None:
                cls._current = held
                held._install()
            yield held
        finally:
            held._bodies.pop()
            if within is None:
                cls._current = None
                held._uninstall()
                held._act_late()

    @classmethod
    def deliver(cls) -> None:
        """Let a signal that has waited act now, unless it still has to."""
        held = cls._current
        if held is None or not held._waiting:
            return
        if threading.current_thread() is threading.main_thread() and held._may_act(
            sys._getframe(1)
        ):
            held._act_late()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let every signal wait for the body, which puts back or moves into place, and is short."""
        self._putting_back += 1
        try:
            yield
        finally:
            self._putting_back -= 1

    def _install(self) -> None:
        for number in _SIGNALS:
            found = signal.getsignal(number)
            # SIG_IGN and SIG_DFL raise nothing in the midst of Python code.
            if callable(found):
                self._before[number] = found
                signal.signal(number, self._meet)

    def _uninstall(self) -> None:
        try:
            self._restore(signal.SIGTERM)
        finally:
            # What is restored may act at once.
            self._restore(signal.SIGINT)

    def _restore(self, number: int) -> None:
        if number in self._before and signal.getsignal(number) == self._meet:
            signal.signal(number, self._before[number])

    def _act_late(self) -> None:
        numbers, self._waiting = self._waiting, []
        if numbers:
            self._acted = time.monotonic()
            self._before[numbers[0]](numbers[0], None)

    def _meet(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        impatient = bool(self._waiting) and now - self._since > _AGAIN
        on_its_way = self._acted is not None and now - self._acted < _AGAIN
        if self._putting_back or on_its_way or not (impatient or self._may_act(frame)):
            if not self._waiting:
                self._since = now
            self._waiting.append(number)
            return
        self._waiting = []
        self._acted = now
        self._before[number](number, frame)

    def _may_act(self, frame: FrameType | None) -> bool:
        """Whether no context between here and the outermost body is being entered or left.

        A context that is being entered outside the innermost body is not at its end: what raises in
        there leaves through the body, as every exception does.
        """
        innermost, outermost = self._bodies[-1:], self._bodies[:1]
        inside = True
        while frame is not None:
            name = frame.f_code.co_name
            if name == "__exit__" or (inside and name == "__enter__"):
                return False
            inside = inside and frame not in innermost
            if frame in outermost:
                return True
            frame = frame.f_back
        return True


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _body() -> FrameType:
    """Return the frame of the function in whose ``with`` a context stands."""
    frame: FrameType = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") in _BETWEEN:
        frame = frame.f_back
    return frame
