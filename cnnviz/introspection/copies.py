"""A copy of a network, also of one that `copy.deepcopy` refuses."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import nn

from cnnviz.introspection.turns import one_at_a_time

_Module = TypeVar("_Module", bound=nn.Module)


def copy_network(module: _Module) -> _Module:
    """Return a copy of a network that shares no parameter, buffer or module with it.

    What a network keeps of an earlier pass is copied without its graph, and attributes that cannot
    be copied at all, such as locks, are shared.
    """
    with one_at_a_time():
        try:
            return copy.deepcopy(module)
        except Exception:
            # A kept activation, a lock, an open file, a __deepcopy__ that raises: anything.
            return _copy_parts(module)


def _copy_parts(module: _Module) -> _Module:
    memo: dict[int, Any] = {}
    children = list(module.modules())
    for child in children:
        memo[id(child)] = (
            copy.deepcopy(child)
            if isinstance(child, torch.jit.ScriptModule)
            else type(child).__new__(type(child))
        )
    for child in children:
        if not isinstance(child, torch.jit.ScriptModule):
            vars(memo[id(child)]).update(
                {name: _copy(value, memo) for name, value in vars(child).items()}
            )
    copied: _Module = memo[id(module)]
    return copied


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    if id(value) in memo:
        return memo[id(value)]
    try:
        copied = _copied(value, memo)
    except Exception:
        copied = value
    memo[id(value)] = copied
    return copied


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, torch.Tensor) and value.grad_fn is not None:
        return value.detach().clone()
    if type(value) in (list, tuple):
        return type(value)(_copy(entry, memo) for entry in value)
    if isinstance(value, dict):
        copied = copy.copy(value)
        for key, entry in value.items():
            copied[key] = _copy(entry, memo)
        return copied
    # A copy that fails half-way leaves half of it among those to be used again.
    tried = dict(memo)
    copied = copy.deepcopy(value, tried)
    memo.update(tried)
    return copied
