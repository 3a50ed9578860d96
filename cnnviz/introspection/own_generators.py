"""Random generators that a network keeps for itself, whose states are its own as buffers are."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch


def put_back_generator(found: Any) -> Callable[[], object] | None:
    """Return what puts a generator of random numbers back to its state of now.

    Parameters
    ----------
    found : Any
        What a network holds: a generator of torch, on any device, of NumPy or of Python, or
        something else.

    Returns
    -------
    callable or None
        None where it is no generator.
    """
    if isinstance(found, torch.Generator):
        return partial(found.set_state, found.get_state())
    if isinstance(found, random.Random):
        return partial(found.setstate, found.getstate())
    if isinstance(found, np.random.RandomState):
        return partial(found.set_state, found.get_state())
    bits = found.bit_generator if isinstance(found, np.random.Generator) else found
    if isinstance(bits, np.random.BitGenerator):
        return partial(setattr, bits, "state", bits.state)
    return None
