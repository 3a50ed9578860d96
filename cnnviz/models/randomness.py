"""Seeded random weights that leave the global random states as they were, and who draws them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from cnnviz.introspection.numpy_state import NumpyState
from cnnviz.introspection.turns import one_at_a_time

SEED = 0
"""The seed of all random weights."""

RANDOM = f"random, seed {SEED}"
"""What `Model.weights` says of them."""


@contextmanager
def seeded(seed: int = SEED) -> Iterator[None]:
    """Seed Python, NumPy and torch for the body's duration, then put their states back.

    NumPy's legacy state is among them because a user's own network may draw from it. The states are
    the process's, so that of several threads one at a time draws: another's draws between would
    give both other weights than those of the seed.
    """
    with one_at_a_time():
        yield from _seeded(seed)


def _seeded(seed: int) -> Iterator[None]:
    python_state, numpy_state = random.getstate(), NumpyState()
    started: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if started else ()
    with torch.random.fork_rng(devices=devices):
        # torch.manual_seed would also queue a seed for GPUs that are not yet initialised.
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed_all(seed)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python_state)
            numpy_state.put_back()


@dataclass
class Drawn:
    """Whether weights come from a random draw, as far as was seen while a network was made.

    Attributes
    ----------
    at_random : bool
        Whether random numbers were drawn and no weights loaded.
    """

    at_random: bool = False


@contextmanager
def watched() -> Iterator[Drawn]:
    """See within the context whether weights are drawn at random, or loaded over what was drawn.

    Weights that are written by hand, without `load_state_dict`, are not seen. What another thread
    draws or loads meanwhile would be taken for this one's, so that one at a time is watched.
    """
    with one_at_a_time():
        yield from _watched()


def _watched() -> Iterator[Drawn]:
    found, loaded = Drawn(), list[bool]()
    before = torch.default_generator.get_state()
    original = nn.Module.load_state_dict

    def load_state_dict(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        loaded.append(True)
        return original(self, *args, **kwargs)

    nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]
    try:
        yield found
    finally:
        nn.Module.load_state_dict = original  # type: ignore[method-assign]
    drawn = not torch.equal(before, torch.default_generator.get_state())
    found.at_random = drawn and not loaded
