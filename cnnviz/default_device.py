"""Tensors of ours are made on the processor, whatever `torch.set_default_device` says.

What a network, a transform or a target of others makes inside is made where the caller has set.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

_CHOSEN: ContextVar[Any] = ContextVar("the default device of the caller", default=None)


@contextmanager
def made_on_the_processor() -> Iterator[None]:
    """Run the body as if no default device were set."""
    torch = sys.modules.get("torch")
    chosen = None if torch is None else _default_device(torch)
    if torch is None or chosen is None or chosen.type == "cpu":
        yield
        return
    before = _CHOSEN.set(chosen)
    try:
        with torch.device("cpu"):
            yield
    finally:
        _CHOSEN.reset(before)


def _default_device(torch: Any) -> Any:
    # What is made is told; torch 2.6 answers `torch.get_default_device` without the blocks of
    # ``with torch.device(...)``, or fails.
    return torch.empty(0).device


def made_as_the_caller_has_set() -> AbstractContextManager[Any]:
    """Return a context for code of others, in which the default device is the caller's."""
    chosen: AbstractContextManager[Any] | None = _CHOSEN.get()
    return nullcontext() if chosen is None else chosen
