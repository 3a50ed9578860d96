"""Calls that return the largest of several values of a tensor, and which of them each is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Maximum:
    """One call.

    Attributes
    ----------
    values : torch.Tensor
        What it chooses from.
    sources : torch.Tensor
        For each value of the output its place among all of `values`, counted row by row.
    returned : callable
        From the output to what the call returns, which may have indices beside it.
    """

    values: torch.Tensor
    sources: torch.Tensor
    returned: Callable[[torch.Tensor], Any]


def read_maximum(func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Maximum | None:
    """Return what a call chooses, or None where it does something else."""
    try:
        reads = _MAXIMA.get(func)
    except TypeError:  # An object that cannot be hashed is none of torch's.
        return None
    return None if reads is None or "out" in named else reads(*args, **named)


def _places(values: torch.Tensor) -> torch.Tensor:
    return torch.arange(values.numel(), device=values.device).reshape(values.shape)


def _pool(name: str, axes: int, *, beside: bool) -> Callable[..., Maximum | None]:
    """Return how to read a pooling; `beside` says whether it always returns indices as well."""

    def read(
        input: torch.Tensor, *given: Any, return_indices: bool = False, **others: Any
    ) -> Maximum:
        _, chosen = getattr(F, name)(input.detach(), *given, **others, return_indices=True)
        rows = _places(input).flatten(-axes).gather(-1, chosen.flatten(-axes))
        pair = beside or return_indices
        return Maximum(
            input, rows.reshape(chosen.shape), lambda found: (found, chosen) if pair else found
        )

    return read


def _amax(input: torch.Tensor, dim: Any = (), keepdim: bool = False) -> Maximum:
    axes = (dim,) if isinstance(dim, int) else tuple(dim) or tuple(range(input.ndim))
    last = tuple(range(-len(axes), 0))
    rows = input.detach().movedim(axes, last).flatten(-len(axes))
    of_each = _places(input).movedim(axes, last).flatten(-len(axes))
    sources = of_each.gather(-1, rows.argmax(-1, keepdim=True)).squeeze(-1)
    for axis in sorted(axis % input.ndim for axis in axes) if keepdim else ():
        sources = sources.unsqueeze(axis)
    return Maximum(input, sources, lambda found: found)


def _max(input: torch.Tensor, dim: Any = None, keepdim: bool = False) -> Maximum | None:
    # Of two tensors, or of everything there is, it is no choice along an axis.
    if not isinstance(dim, int):
        return None
    chosen = input.detach().max(dim, keepdim=True).indices
    sources = _places(input).gather(dim, chosen)
    shaped = (sources, chosen) if keepdim else (sources.squeeze(dim), chosen.squeeze(dim))
    return Maximum(input, shaped[0], lambda found: torch.return_types.max((found, shaped[1])))


def _table() -> Mapping[Any, Callable[..., Maximum | None]]:
    found: dict[Any, Callable[..., Maximum | None]] = {
        **dict.fromkeys((torch.amax, torch.Tensor.amax), _amax),
        **dict.fromkeys((torch.max, torch.Tensor.max), _max),
    }
    for kind in ("max_pool", "adaptive_max_pool"):
        for axes in (1, 2, 3):
            name = f"{kind}{axes}d"
            found[getattr(F, name)] = _pool(name, axes, beside=False)
            found[getattr(F, f"{name}_with_indices")] = _pool(name, axes, beside=True)
    for axes in (1, 2, 3):
        found[getattr(torch, f"max_pool{axes}d")] = _pool(f"max_pool{axes}d", axes, beside=False)
    return found


_MAXIMA = _table()
