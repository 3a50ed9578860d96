"""Forward passes that draw random numbers: the same draws each time, and noticed."""

from __future__ import annotations

import ctypes
import hashlib
import random
from functools import cache
from types import TracebackType
from typing import Any

import numpy as np
import torch

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
        self._before = random.getstate(), np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
        self._start = _seeded(self._seed)
        _set(self._start)
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
        python, numpy, cpu = self._start
        now: Any = np.random.get_state()  # noqa: NPY002
        self.any = (
            _bytes(torch.random.get_rng_state()) != _bytes(cpu)
            or (now[2], now[3]) != (numpy[2], numpy[3])
            or random.getstate() != python
        )
        _set(self._before)
        if self._cuda:
            ends = torch.cuda.get_rng_state_all()
            self.any |= any(
                _bytes(end) != _bytes(start)
                for end, start in zip(ends, self._cuda_start, strict=True)
            )
            torch.cuda.set_rng_state_all(self._cuda)


@cache
def _seeded(seed: int) -> tuple[Any, Any, torch.Tensor]:
    legacy = np.random.RandomState(seed)
    return (
        random.Random(seed).getstate(),
        legacy.get_state(),
        torch.Generator().manual_seed(seed).get_state(),
    )


def _set(states: tuple[Any, Any, torch.Tensor]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    torch.random.set_rng_state(states[2])


def _bytes(state: torch.Tensor) -> bytes:
    # A comparison by torch would be one more operation to a mode that follows the network's.
    return ctypes.string_at(state.data_ptr(), state.numel())
