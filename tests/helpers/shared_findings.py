"""What was found out about a small network, found once for all that equal it to the last bit.

Tests make the same tiny network anew a few thousand times, and each time it is first found out
which input it takes, how it scales it, whether it mixes images and where its maps lie: five times
the work of a capture. Tests of that work itself, and any that change code, have it done anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import nn

from cnnviz.introspection.network_cache import NetworkCache

_CACHES = tuple(
    import_module(f"cnnviz.{name}")._KEPT
    for name in (
        *("introspection.tracing", "passes.spatial_maps", "passes.call_order"),
        *("passes.independence", "models.input_trials", "models.array_trials"),
        *("models.own_scale", "models.random_answers"),
    )
)
"""The caches whose findings are plain data, which holds no network and no weights."""
_CALL = nn.Module.__call__
_OF_ALL = frozenset(vars(nn.Module()))
_OURS = ("torch.nn.", "cnnviz.models.networks.", "tests.helpers.")
"""Where layers are written whose code stays the same for all tests."""
_NUMBERS = (bool, int, float, str, type(None))
_LARGEST = 20_000
"""Values that a network holds at most, all of which are compared."""
_MOST = 2_000


class SharedFindings:
    """The findings, and whether the test that is running takes them."""

    def __init__(self) -> None:
        self.taken = True
        self._found: dict[Any, Any] = {}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let equal networks share what is found, within the context, while it is `taken`."""
        patched: Any = NetworkCache
        known = patched._known

        def shared(
            cache: Any, now: Any, module: nn.Module, question: Hashable, find: Callable[[], Any]
        ) -> Any:
            return known(
                cache, now, module, question, lambda: self._get(cache, module, question, find)
            )

        patched._known = shared
        try:
            yield
        finally:
            patched._known = known

    def _get(
        self, cache: Any, module: nn.Module, question: Hashable, find: Callable[[], Any]
    ) -> Any:
        told = contents(module) if self.taken and cache in _CACHES else None
        if told is None:
            return find()
        at = (_CACHES.index(cache), question, told)
        if at not in self._found:
            found = find()
            if len(self._found) >= _MOST:
                self._found.clear()
            self._found[at] = found
        return self._found[at]


def contents(module: nn.Module) -> Hashable | None:
    """Return all that a network of known layers is; None of any other, or a large one."""
    if nn.Module.__call__ is not _CALL:  # its passes are counted
        return None
    places: dict[int, int] = {}
    told, values = [], 0
    for name, child in module.named_modules(remove_duplicate=False):
        kind, held = type(child), vars(child)
        own = [(key, value) for key, value in held.items() if key not in _OF_ALL]
        hooked = any(held[key] for key in _OF_ALL if key.endswith("_hooks"))
        if not kind.__module__.startswith(_OURS) or hooked or not _plain([*own]):
            return None
        tensors = [*child._parameters.items(), *child._buffers.items()]
        values += sum(0 if one is None else one.numel() for _, one in tensors)
        if values > _LARGEST:
            return None
        bits = [(key, None if one is None else _bits(one, places)) for key, one in tensors]
        place = places.setdefault(id(child), len(places))
        told.append((name, place, kind, kind.forward, child.training, repr(own), *bits))
    return tuple(told)


def _plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return isinstance(value, _NUMBERS)


def _bits(tensor: torch.Tensor, places: dict[int, int]) -> Hashable:
    """Return the form and the bits of a tensor, and which of several it is."""
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    form = (tensor.shape, tensor.stride(), tensor.dtype, tensor.device, tensor.requires_grad)
    return places.setdefault(id(tensor), len(places)), *form, flat.numpy().tobytes()
