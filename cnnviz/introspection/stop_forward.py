"""Run a network as far as the calls of layers that are needed, and no further."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import nn

from cnnviz.introspection.hooks import StopForward, module_hooks
from cnnviz.introspection.layer_tensors import Key

Entered = Callable[[Key, tuple[Any, ...]], None]
"""``entered(key, inputs)``: what goes into a call."""
Returned = Callable[[Key, tuple[Any, ...], Any], Any]
"""``returned(key, inputs, output)``: what came of a call. An answer replaces the output."""


def run_to(
    forward: Callable[[torch.Tensor], Any],
    inputs: torch.Tensor,
    modules: Mapping[str, nn.Module],
    ends: Collection[Key] = (),
    *,
    before: Entered | None = None,
    after: Returned | None = None,
) -> Any:
    """Run a network once, tell of every call of some layers, and stop when all ends are seen.

    Parameters
    ----------
    forward : callable
        Runs the whole network.
    inputs : torch.Tensor
        What it is given.
    modules : mapping of str to torch.nn.Module
        The layers to be told of, by name.
    ends : collection of (str, int)
        Calls, each by the layer's name and its count from 0. The pass ends as soon as all of them
        have been told of; without any it goes to the end.
    before : callable, optional
        ``before(key, inputs)``, told ahead of each call. Without `after`, a call that is an end is
        not computed any more.
    after : callable, optional
        ``after(key, inputs, output)``, told of each call that has returned. What it returns, unless
        None, replaces the output.

    Returns
    -------
    object
        What the network returned, or None where the pass ended early.
    """
    missing = set(ends)
    entered: Counter[str] = Counter()
    returned: Counter[str] = Counter()

    def told(key: Key) -> None:
        if key in missing:
            missing.discard(key)
            if not missing:
                raise StopForward

    def enter(name: str, _module: nn.Module, given: tuple[Any, ...]) -> None:
        key = name, entered[name]
        entered[name] += 1
        if before is not None:
            before(key, given)
            if after is None:
                told(key)

    def leave(name: str, _module: nn.Module, given: tuple[Any, ...], output: Any) -> Any:
        key = name, returned[name]
        returned[name] += 1
        answer = None if after is None else after(key, given, output)
        told(key)
        return answer

    with module_hooks(modules, before=enter, after=leave):
        try:
            return forward(inputs)
        except StopForward:
            return None
