"""Many passes of which each meets the network as the first one did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from cnnviz.introspection.saved_state import SavedState


def anew(module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a forward pass that puts a network back behind it, within a context that isolates it.

    What isolates many passes puts the network back behind the last: one that rewrites a buffer in
    each answered the second pass from what the first had left. Nothing is copied but once, and
    what has not changed is only looked at.

    Parameters
    ----------
    module : torch.nn.Module
        The network, as each pass is to meet it.
    forward : callable
        Runs it.
    """
    saved = SavedState(list(module.modules()))

    def run(*given: Any) -> Any:
        try:
            return forward(*given)
        finally:
            # What cannot be put back, the context around all passes tells.
            saved.put_back()

    return run
