"""How many images go through a network together, so that nobody has to guess a batch size."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar

import torch

from cnnviz.introspection.tracing import trace
from cnnviz.models import Model
from cnnviz.passes.independence import independence

_UNKNOWN = 2 << 30
_SHARE = 0.4
_MOST = 64
_USUAL_CACHE = 32 << 20
_NEAR = 160_000_000
"""Bytes of layer outputs from which on a CPU gets slower with every image, for glibc gives large
blocks back to the system when they are freed, and pages are cleared anew (`cnnviz.passes.malloc`):
measured per image, ResNet-18 is fastest with 8 at once and takes 1.5 times as long with 64,
SqueezeNet with 2 and 2.4 times; small images gain up to 64 (two cores, forward passes)."""


_LIMIT: ContextVar[AtMost | None] = ContextVar("limit", default=None)


class AtMost:
    """A context in which no more images go through at once than a number, if there is one.

    Attributes
    ----------
    largest : int
        The largest number that was given out within.
    """

    def __init__(self, most: int | None) -> None:
        self.largest = 0
        self._most = most

    def __enter__(self) -> AtMost:
        """Begin."""
        self._outer = _LIMIT.get()
        self._token = _LIMIT.set(self)
        return self

    def __exit__(self, *raised: object) -> None:
        """End."""
        _LIMIT.reset(self._token)

    def limited(self, rows: int) -> int:
        """Return so many rows, or as many as there may be, and note it."""
        rows = rows if self._most is None else min(rows, self._most)
        rows = rows if self._outer is None else self._outer.limited(rows)
        self.largest = max(self.largest, rows)
        return rows


def will_be_halved() -> bool:
    """Whether whoever asked for a pass takes fewer images at once where memory is short."""
    limit = _LIMIT.get()
    return limit is not None and limit.largest > 1


def rows_that_fit(model: Model, inputs: torch.Tensor, *, alone: bool = True) -> int:
    """Return how many images fit into memory together, forward and backward.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W], for their size.
    alone : bool
        Whether it is 1 where images change each other's answers (see `cnnviz.passes.independence`),
        as it has to be wherever each is to be answered by itself.

    Returns
    -------
    int
        From 1 to 64: past that a batch gains nothing. The outputs of all layers, which the backward
        pass keeps, may take four tenths of the free memory.
    """
    if alone and independence(model, inputs).alone:
        return 1
    return _within(_SHARE * _free_bytes(inputs.device), _bytes(model, inputs))


def rows_at_once(model: Model, inputs: torch.Tensor, each: int | None = None) -> int:
    """Return how many images go through the network together fastest, among those that fit.

    Takes and returns what `rows_that_fit` does. On a CPU these are few where images are large.
    `each` is the memory of the outputs of all layers for one image, in bytes, where it is known.
    """
    if independence(model, inputs).alone:
        return 1
    each, budget = each or _bytes(model, inputs), _SHARE * _free_bytes(inputs.device)
    return _within(min(budget, _NEAR) if inputs.device.type == "cpu" else budget, each)


def rows_in_cache(model: Model, inputs: torch.Tensor) -> int:
    """Return how many images go through the network together fastest without a graph.

    For passes within `cnnviz.passes.malloc.freed_memory_kept`. Takes and returns what
    `rows_that_fit` does. On a CPU what the largest layer gives for all of them fills the cache that
    its cores share. Measured on fast copies, 32 MiB of cache, in ms of an image: MobileNet v2 17.0
    with 2 at once, as `rows_at_once` has it, and 15.2 with 8 and memory kept; SqueezeNet 24.8 with
    4 and 22.4 with 8; ResNet-18 36.3 and 35.6, both with 8. 16 at once gain 5% at most.
    """
    fit = rows_that_fit(model, inputs)
    if fit == 1 or inputs.device.type != "cpu":
        return fit
    calls = trace(model.module, tuple(inputs.shape[1:])).calls
    return min(fit, _within(_shared_cache(), max((call.output_bytes for call in calls), default=0)))


def _shared_cache() -> int:
    """Return the bytes of the cache that the cores of this machine share."""
    try:
        found = os.sysconf("SC_LEVEL3_CACHE_SIZE")
    except (AttributeError, OSError, ValueError):
        return _USUAL_CACHE
    return found if found > 0 else _USUAL_CACHE


def _within(budget: float, each: int) -> int:
    rows, limit = max(1, min(_MOST, int(budget / max(each, 1)))), _LIMIT.get()
    return rows if limit is None else limit.limited(rows)


def _bytes(model: Model, inputs: torch.Tensor) -> int:
    if any(isinstance(child, torch.jit.ScriptModule) for child in model.module.modules()):
        return sys.maxsize  # What TorchScript holds cannot be told: one image at a time is safe.
    return trace(model.module, tuple(inputs.shape[1:])).activation_bytes


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN
