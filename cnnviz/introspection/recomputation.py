"""Networks that compute parts of their forward pass again during the backward pass."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_MODULE = "torch.utils.checkpoint"
_NOT_REENTRANT = (
    "_checkpoint_without_reentrant_generator",
    "_checkpoint_without_reentrant_generator_impl",
)
"""What begins and ends a checkpoint of the form without re-entry, by the version of torch."""


def backward_pass() -> int:
    """Return which backward pass this thread is in the midst of; -1 outside of any."""
    return int(torch._C._current_graph_task_id())


@contextmanager
def without_checkpoints() -> Iterator[None]:
    """Let this thread compute what `torch.utils.checkpoint` wraps as if it did not.

    A checkpoint saves memory, and changes no number. But it computes its part twice, the second
    time in the backward pass, when the contexts of the forward pass may have ended, and its older
    form lets no gradient be asked for inside it. Other threads checkpoint as before.
    """
    checkpoint = sys.modules.get(_MODULE)
    if checkpoint is None or isinstance(checkpoint.CheckpointFunction, _Plain):
        yield
        return
    owner = threading.get_ident()
    held = {
        name: getattr(checkpoint, name)
        for name in ("CheckpointFunction", *_NOT_REENTRANT)
        if hasattr(checkpoint, name)
    }
    try:
        for name, value in held.items():
            plain = (
                _Plain(value, owner)
                if name == "CheckpointFunction"
                else _plain_generator(value, owner)
            )
            setattr(checkpoint, name, plain)
        yield
    finally:
        for name, value in held.items():
            setattr(checkpoint, name, value)


class _Plain:
    """Stands for the function of autograd that the form with re-entry is."""

    def __init__(self, replaced: Any, owner: int) -> None:
        self._replaced = replaced
        self._owner = owner

    def apply(self, run: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        """Call the function, or have it checkpointed in another thread."""
        if threading.get_ident() != self._owner:
            return self._replaced.apply(run, preserve, *args)
        return run(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replaced, name)


def _plain_generator(replaced: Callable[..., Any], owner: int) -> Callable[..., Iterator[None]]:
    def begin(*args: Any, **kwargs: Any) -> Iterator[None]:
        if threading.get_ident() != owner:
            return replaced(*args, **kwargs)  # type: ignore[no-any-return]
        return iter(_nothing_around())

    return begin


def _nothing_around() -> Iterator[None]:
    yield
