"""Meeting every call of a torch function, whichever module or line of code makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class FunctionMode(TorchFunctionMode):
    """A context in which `answer` is asked for what each call of a torch function returns.

    Functions, methods, operators and the calls that modules make are met alike. Calls that
    `answer` makes itself are not met again.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Ask for the answer."""
        return self.answer(func, args, kwargs or {})

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Return what a call returns: here, what it returns anyway."""
        return func(*args, **named)


def unwatched() -> AbstractContextManager[None]:
    """Return a context whose calls of torch functions no mode is told of.

    For what only looks at a tensor in the midst of a pass: every call there, down to `len`, would
    go through each mode that follows the network.
    """
    found: AbstractContextManager[None] = torch._C.DisableTorchFunction()
    return found
