"""Seeded random weights that leave the global random states as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

SEED = 0
"""The seed of all random weights."""

RANDOM = f"random, seed {SEED}"
"""What `Model.weights` says of them."""


@contextmanager
def seeded(seed: int = SEED) -> Iterator[None]:
    """Seed Python, NumPy and torch for the body's duration, then put their states back.

    NumPy's legacy state is among them because a user's own network may draw from it.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
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
            np.random.set_state(numpy_state)  # noqa: NPY002
