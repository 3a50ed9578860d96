"""Forward passes that draw random numbers: the same draws each time, and noticed."""

from __future__ import annotations

import ctypes
import hashlib
import random
from functools import cache
from types import TracebackType
from typing import Any

import torch

from cnnviz.introspection.numpy_state import NumpyState, numpy_mark, seed_numpy

SEED = 0
"""The seed of every forward pass."""


def own_generator(seed: int, name: str, place: int) -> torch.Generator:
    """Return the random numbers of one thing, the same whatever else is drawn beside it.

    Parameters
    ----------
    seed : int
        The seed of all.
    name : str
        What it is, such as a layer or a unit.
    place : int
        Which of several of this name.
    """
    digest = hashlib.sha256(f"{seed}|{name}|{place}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


class RandomDraws:
    """A context in which the global generators start from a seed, and are put back at its end.

    Parameters
    ----------
    seed : int
        Where the generators of Python, NumPy and torch start.

    Attributes
    ----------
    any : bool
        Whether anything was drawn, once the context has ended.
    """

    def __init__(self, seed: int = SEED) -> None:
        self.any = False
        self._seed = seed

    def __enter__(self) -> RandomDraws:
        """Note the states, and seed."""
        self._python, self._numpy = random.getstate(), NumpyState()
        self._cpu = torch.random.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
        python, cpu = _seeded(self._seed)
        random.setstate(python)
        seed_numpy(self._seed)
        torch.random.set_rng_state(cpu)
        self._start = python, numpy_mark(), _bytes(cpu)
        if self._cuda:
            torch.cuda.manual_seed_all(self._seed)
            self._cuda_start = torch.cuda.get_rng_state_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """See whether anything was drawn, and put the states back."""
        now = random.getstate(), numpy_mark(), _bytes(torch.random.get_rng_state())
        self.any = now != self._start
        random.setstate(self._python)
        self._numpy.put_back()
        torch.random.set_rng_state(self._cpu)
        if self._cuda:
            ends = torch.cuda.get_rng_state_all()
            self.any |= any(
                _bytes(end) != _bytes(start)
                for end, start in zip(ends, self._cuda_start, strict=True)
            )
            torch.cuda.set_rng_state_all(self._cuda)


@cache
def _seeded(seed: int) -> tuple[Any, torch.Tensor]:
    return random.Random(seed).getstate(), torch.Generator().manual_seed(seed).get_state()


def _bytes(state: torch.Tensor) -> bytes:
    # A comparison by torch would be one more operation to a mode that follows the network's.
    return ctypes.string_at(state.data_ptr(), state.numel())
