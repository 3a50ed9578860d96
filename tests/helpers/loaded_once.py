"""Networks that are named, loaded and looked through once for tests of commands and of pages.

A process of `cnnviz` loads its network, and finds out in which order its layers are called, which
numbers of the input each of them sees, and the like. Hundreds of tests that run commands and the
code of pages in one process did so each time, with the same three networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from pathlib import Path
from unittest.mock import patch
from weakref import ref

from torch import nn

from cnnviz.introspection.network_cache import Fingerprint, fingerprint
from cnnviz.models import Model, depth_models, paper_models, shipped
from cnnviz.models.run_findings import RunFindings

# What these return hangs on nothing but the name, and on no file of others.
_SOURCES = (shipped, depth_models, paper_models)
_MOST = 8

Load = Callable[[str, str | Path], Model | None]


@contextmanager
def loaded_once() -> Iterator[None]:
    """Let `load` return the same network for the same name, as long as it is as it was loaded.

    Whoever has two at once has two, and a network that was trained, or changed in another way that
    `fingerprint` sees, is loaded anew.
    """
    kept: dict[tuple[object, ...], _Kept] = {}
    with ExitStack() as replaced:
        for source in _SOURCES:
            once = _once(source.load_named, kept)
            replaced.enter_context(patch.object(source, "load_named", once))
        yield


def _once(load: Load, kept: dict[tuple[object, ...], _Kept]) -> Load:
    def once(name: str, weights: str | Path) -> Model | None:
        if isinstance(weights, Path):
            return load(name, weights)
        # Tests may draw random weights in a quicker way.
        key = (name.lower(), weights, nn.init.kaiming_uniform_)
        held = kept.pop(key, None)
        if held is None or not held.is_as_it_was():
            found = load(name, weights)
            if found is None:
                return None
            held = _Kept(found)
        elif held.is_lent():
            kept[key] = held
            return load(name, weights)
        if len(kept) >= _MOST:
            del kept[next(iter(kept))]
        kept[key] = held
        return held.lend()

    return once


class _Kept:
    """A network as it was loaded."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lent: ref[Model] | None = None
        self._found = self._state()

    def is_as_it_was(self) -> bool:
        return self._found[0] is not None and self._found == self._state()

    def is_lent(self) -> bool:
        return self._lent is not None and self._lent() is not None

    def lend(self) -> Model:
        model = copy(self._model)
        model._found = RunFindings()
        self._lent = ref(model)
        return model

    def _state(self) -> tuple[Fingerprint | None, list[object], bool]:
        module = self._model.module
        tensors = [(each.requires_grad, each.grad is None) for each in module.parameters()]
        modules = list(module.modules())
        # A network is handed out in eval mode, in which `load` puts it later.
        hooked = any(each._backward_hooks or each._backward_pre_hooks for each in modules)
        return fingerprint(module), [*tensors], hooked
