"""Passes beside the one that is listened to, such as trials of what a network may take instead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.overrides import _pop_mode_temporarily
from torch.utils._python_dispatch import _disable_current_modes

_DEPTH = threading.local()


def depth_of_trials() -> int:
    """Return how many trials the passes of this thread lie within; hooks of ours hear their own."""
    found: int = getattr(_DEPTH, "value", 0)
    return found


@contextmanager
def trial_passes() -> Iterator[None]:
    """Keep passes from the hooks and modes that are there: each would hold what they compute.

    Hooks and modes that come within the body hear the passes there.
    """
    before = depth_of_trials()
    with ExitStack() as aside, _disable_current_modes():
        for _ in range(torch._C._len_torch_function_stack()):
            aside.enter_context(_pop_mode_temporarily())
        _DEPTH.value = before + 1
        try:
            yield
        finally:
            _DEPTH.value = before
