"""Layers that are called within torch.vmap, where values can be neither read nor taken out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from cnnviz.introspection.vmapped import is_vmapped
from cnnviz.results.text import joined


class VmappedCalls:
    """The layers that were called within torch.vmap, by the names of their functions."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def note(
        self, func: Callable[..., Any], given: Sequence[torch.Tensor], *, weighted: bool
    ) -> bool:
        """Return whether a call is made within vmap, and keep its name if it has weights."""
        if not any(map(is_vmapped, given)):
            return False
        if weighted:
            self._names[str(getattr(func, "__name__", "a layer"))] = None
        return True

    def told(self) -> str:
        """Say what was called there, in a sentence without its full stop; nothing if there is none.

        >>> VmappedCalls().told()
        ''
        """
        if not self._names:
            return ""
        names = joined(list(self._names))
        return f"Nothing is measured within torch.vmap, where the network calls {names}"
