"""Read again where another thread has disturbed Python's parser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import ParamSpec, TypeVar

_TRIES = 20
P = ParamSpec("P")
T = TypeVar("T")


def parsed_again(read: Callable[P, T]) -> Callable[P, T]:
    """Let a function that reads files of NumPy try again where the parser was disturbed.

    NumPy parses the header of each array as Python. Some versions of Python count for all threads
    together how deep they are in what is parsed, and where two parse at a time, one may end in a
    `SystemError`, rarely, though nothing is wrong with its file.
    """

    @wraps(read)
    def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_TRIES - 1):
            with suppress(SystemError):
                return read(*args, **kwargs)
        return read(*args, **kwargs)

    return again
