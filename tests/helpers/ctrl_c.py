"""Ctrl-C at a chosen line of a run, the same each time."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Presses:
    """Presses Ctrl-C at the n-th line that a function comes through, once.

    Parameters
    ----------
    line : int
        Which of the lines; 0 for none.
    within : str
        The name of the function, from which others are called.
    contexts : bool
        Whether only lines within an ``__enter__`` or ``__exit__`` count.
    """

    def __init__(self, line: int, within: str, *, contexts: bool) -> None:
        self.met = 0
        self._line, self._within, self._contexts = line, within, contexts

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        # Not within the handler of the signal itself, during which Python has another one wait.
        if event == "line" and frame.f_code.co_name != "_meet" and self._counts(frame):
            self.met += 1
            if self.met == self._line:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self

    def _counts(self, frame: FrameType | None) -> bool:
        found = not self._contexts
        while frame is not None and frame.f_code.co_name != self._within:
            found = found or frame.f_code.co_name in ("__enter__", "__exit__")
            frame = frame.f_back
        return found and frame is not None


@contextmanager
def traced(tracer: Callable[..., Any]) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(before)
