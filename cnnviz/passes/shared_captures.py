"""Captures of one network that are made once for all who ask for the same.

Where many maps of one photo are made, most begin with the same pass: every CAM of a layer, a
gradient at the input and the one it is compared with. Within `shared_captures` what one of them
captured is handed to the others, for as long as the context lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal
from weakref import WeakSet

import torch
from torch import nn

from cnnviz.images import Batch
from cnnviz.introspection.backward_rules import Rule
from cnnviz.introspection.layer_tensors import Key
from cnnviz.models import Model
from cnnviz.passes.captured import Capture
from cnnviz.passes.independence import independence
from cnnviz.passes.resolved_target import ResolvedTarget


@dataclass(frozen=True, eq=False)
class Asked:
    """What a capture is asked for, besides the network and its weights.

    Attributes
    ----------
    batch : Batch
        The images.
    layers : frozenset of str
        The layers whose output is kept.
    target
        What is explained.
    gradients : bool or "layers"
        Whether the gradients at the input and the layers are, or those at the layers alone.
    rule : str
        How rectifiers send gradients back.
    """

    batch: Batch
    layers: frozenset[str]
    target: Any
    gradients: bool | Literal["layers"]
    rule: Rule


class _Shared:
    """What was captured of one network, and of copies of it, by the digest of the weights."""

    def __init__(self, network: nn.Module) -> None:
        self.networks: WeakSet[nn.Module] = WeakSet([network])
        self._kept: dict[str, list[tuple[Asked, Capture]]] = {}

    def find(self, model: Model, asked: Asked) -> Capture | None:
        """Return what was captured and holds what is asked for."""
        for before, found in self._kept.get(model.sha256, ()):
            if _serves(before, found, asked):
                return _part(model, before, found, asked)
        return None

    def keep(self, model: Model, asked: Asked, found: Capture) -> None:
        """Keep a capture for whoever asks for the same."""
        self._kept.setdefault(model.sha256, []).append((asked, found))

    def output(self, model: Model, inputs: torch.Tensor, call: Key) -> torch.Tensor | None:
        """Return what a call of a layer gave for these very inputs."""
        for before, found in self._kept.get(model.sha256, ()):
            images = before.batch.tensor
            same = images.shape == inputs.shape and torch.equal(images, inputs)
            if same and call in found.activations.calls:
                return found.activations[call]
        return None

    def resolved(self, model: Model, batch: Batch, target: Any) -> Sequence[ResolvedTarget] | None:
        """Return what a target is of images that were captured with it."""
        for before, found in self._kept.get(model.sha256, ()):
            if before.batch is batch and before.gradients and _same(before, found, target):
                return found.resolved_targets
        return None


_NOW: ContextVar[_Shared | None] = ContextVar("cnnviz_shared_captures", default=None)


@contextmanager
def shared_captures(
    model: Model, inputs: torch.Tensor, known: Iterable[Capture] = ()
) -> Iterator[None]:
    """Have captures of a network made once for all who ask for the same.

    Nothing is shared of a network that was seen to answer the same image otherwise each time.

    Parameters
    ----------
    model : Model
        The network.
    inputs : torch.Tensor
        Preprocessed images such as will be captured, [N, C, H, W].
    known : iterable of Capture
        Captures of it that were made before.
    """
    outer = _NOW.get()
    if independence(model, inputs).repeating or (outer and model.module in outer.networks):
        yield
        return
    shared = _Shared(model.module)
    for found in known:
        layers = frozenset(name for name, _ in found.activations.calls)
        explains = found._scores is not None
        target = tuple(one.asked for one in found.resolved_targets) if explains else None
        gradients: Literal[True, "layers", False] = "layers" if explains else False
        if found._input_gradient is not None:
            gradients = True
        shared.keep(model, Asked(found.batch, layers, target, gradients, found.rule), found)
    token = _NOW.set(shared)
    try:
        yield
    finally:
        _NOW.reset(token)


def is_shared_with(copy: nn.Module) -> None:
    """Say that a network is a copy of the one whose captures are shared, with weights of its own.

    What was captured with one copy serves every other that has the same weights.
    """
    shared = _NOW.get()
    if shared is not None:
        shared.networks.add(copy)


def captured_once(model: Model, asked: Asked, make: Callable[[], Capture]) -> Capture:
    """Return a capture that was made before, or make it."""
    shared = _NOW.get()
    if shared is None or model.module not in shared.networks:
        return make()
    found = shared.find(model, asked)
    if found is None:
        found = make()
        shared.keep(model, asked, found)
    return found


def resolved_before(model: Model, batch: Batch, target: Any) -> Sequence[ResolvedTarget] | None:
    """Return what a target is of these images, where that was found in a pass that is shared."""
    shared = _NOW.get()
    if shared is None or model.module not in shared.networks:
        return None
    return shared.resolved(model, batch, target)


def output_before(model: Model, inputs: torch.Tensor, call: Key) -> torch.Tensor | None:
    """Return what a call of a layer gave for these very inputs, where a shared pass has kept it."""
    shared = _NOW.get()
    if shared is None or model.module not in shared.networks:
        return None
    return shared.output(model, inputs, call)


def _serves(before: Asked, found: Capture, asked: Asked) -> bool:
    return (
        before.batch is asked.batch
        and before.rule == asked.rule
        and before.layers >= asked.layers
        and (
            before.gradients == asked.gradients
            or (before.gradients, asked.gradients) == (True, "layers")
        )
        and _same(before, found, asked.target)
    )


def _same(before: Asked, found: Capture, target: Any) -> bool:
    """Whether two targets are one, as they were asked for or as what the first turned out to be."""
    wanted = _alone(target, before.batch)
    known = [_alone(before.target, before.batch)]
    if before.gradients and len(found.resolved_targets) == 1:
        known.append(found.resolved_targets[0].asked)
    return any(
        one is wanted
        or (type(one) is type(wanted) and isinstance(one, int | str) and one == wanted)
        for one in known
    )


def _alone(target: Any, batch: Batch) -> Any:
    is_list = isinstance(target, Sequence) and not isinstance(target, str)
    return target[0] if is_list and len(target) == len(batch.tensor) == 1 else target


def _part(model: Model, before: Asked, found: Capture, asked: Asked) -> Capture:
    """Return a capture as it would have been made for what is asked now."""
    found = replace(found, model=model)
    if before.layers != asked.layers:
        found = replace(
            found,
            activations=found.activations.only(asked.layers),
            gradients=found.gradients.only(asked.layers),
        )
    return found if asked.gradients is True else replace(found, _input_gradient=None)
