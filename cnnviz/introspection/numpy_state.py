"""The random numbers of NumPy's global functions: noted, seeded and put back at little cost."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

_WORDS = 624
"""So many words of 32 bits are the state of a Mersenne Twister, and one more says where it is."""
_BYTES = 4 * (_WORDS + 1)


class NumpyState:
    """The state of NumPy's global random numbers as it is now.

    NumPy copies the state out and in word by word, which takes some 70 microseconds each way: a
    layer of a small network takes less. So it is copied out once, and in as one piece of memory.
    """

    def __init__(self) -> None:
        self._noted = np.random.get_state(legacy=False)  # noqa: NPY002
        self._generator: Any = np.random.mtrand.get_bit_generator()
        self._words = _words(self._generator)

    def put_back(self) -> None:
        """Put it back."""
        same = np.random.mtrand.get_bit_generator() is self._generator
        if self._words is None or self._noted["has_gauss"] or not same:
            np.random.set_state(self._noted)  # noqa: NPY002
            return
        # Normal numbers are drawn two at a time: seeding forgets one that is left over, which lies
        # elsewhere.
        np.random.seed(0)  # noqa: NPY002
        with self._generator.lock:
            ctypes.memmove(self._generator.ctypes.state_address, self._words, _BYTES)


def seed_numpy(seed: int) -> None:
    """Start NumPy's global random numbers from a seed."""
    if isinstance(np.random.mtrand.get_bit_generator(), np.random.MT19937):
        np.random.seed(seed)  # noqa: NPY002
    else:
        np.random.set_state(np.random.RandomState(seed).get_state())  # noqa: NPY002


def numpy_mark() -> object:
    """Return what is another once a number was drawn since NumPy was seeded."""
    words = _words(np.random.mtrand.get_bit_generator())
    if words is not None:
        return words
    state: Any = np.random.get_state()  # noqa: NPY002
    return state[1].tobytes(), *state[2:]


def _words(generator: Any) -> bytes | None:
    """Return the memory that holds the state of a generator; None where it is not known how."""
    if type(generator) is not np.random.MT19937 or not _lies_in_one_piece():
        return None
    return ctypes.string_at(generator.ctypes.state_address, _BYTES)


@cache
def _lies_in_one_piece() -> bool:
    """Whether the state lies in memory as NumPy tells it, its place after its words.

    NumPy documents where the state lies and not how, so that is tried out.
    """
    generator = np.random.MT19937(1)
    generator.random_raw(5)
    told = generator.state["state"]
    held = ctypes.string_at(generator.ctypes.state_address, _BYTES)
    place = np.frombuffer(held, np.int32)[_WORDS]
    return held[:-4] == told["key"].tobytes() and place == told["pos"] != 0
