"""Recurrent layers that torch runs in one call, run one by one, so that each can be looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

_STACKS = (torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu)
_ARGUMENTS = 9
"""What the call of a module has: input, states, weights, whether there are biases, layers, dropout,
whether it trains, both directions, batch first. A packed sequence has its batch sizes after the
input, and no batch first."""


def by_layers(
    func: Any,
    args: Sequence[Any],
    named: Mapping[str, Any],
    meet: Callable[[torch.Tensor, tuple[torch.Tensor, ...]], None],
) -> Any:
    """Return what a call of stacked recurrent layers returns, computed a layer at a time.

    Parameters
    ----------
    func, args, named
        The call.
    meet : callable
        Told of each layer's input and of all that it returns.

    Returns
    -------
    tuple of torch.Tensor or None
        None where the call is none of several layers.
    """
    if func not in _STACKS or named or len(args) != _ARGUMENTS:
        return None
    packed = not isinstance(args[3], bool)
    first, rest = (args[:2], args[2:]) if packed else (args[:1], args[1:])
    states, weights, biases, count, dropout, train, both, *order = rest
    if count < 2:
        return None
    values, *sizes = first
    begin = list(states) if isinstance(states, tuple | list) else [states]
    ways, size = 1 + bool(both), len(weights) // count
    ends: list[list[torch.Tensor]] = [[] for _ in begin]
    for place in range(count):
        own = tuple(state[place * ways : (place + 1) * ways] for state in begin)
        held = weights[place * size : (place + 1) * size]
        start = own if func is torch.lstm else own[0]
        given = values
        values, *last = func(given, *sizes, start, held, biases, 1, 0.0, train, both, *order)
        for kept, state in zip(ends, last, strict=True):
            kept.append(state)
        meet(given, (values, *last))
        if place < count - 1:
            values = F.dropout(values, dropout, train)
    return (values, *(torch.cat(kept) for kept in ends))
