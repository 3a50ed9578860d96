"""One thread at a time works on networks."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager

_turn = threading.RLock()


def _new_turn() -> None:
    global _turn
    _turn = threading.RLock()


if hasattr(os, "register_at_fork"):
    # A thread that holds the turn does not exist in the child, where nobody would end it.
    os.register_at_fork(after_in_child=_new_turn)


def one_at_a_time() -> AbstractContextManager[bool]:
    """Let no other thread work on a network meanwhile; the same thread may enter again.

    There is one turn for all networks. What a pass changes and puts back is not the network's
    alone: the random states are those of the process, and networks share layers and parameters.
    With a turn for each, threads that work on two networks, one within the other, could wait for
    each other for ever.

    Returned is the lock itself, whose entry and end no Ctrl-C divides: it is waited for, had and
    given back outside of Python.
    """
    return _turn
