"""A tensor that knows only what the occluder changed of it; the network itself runs on it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any
from weakref import WeakSet

import torch

from cnnviz.heatmaps.occlusion.patches import Patches
from cnnviz.introspection.final_activation import Softened, mark_softened, softened

Handler = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


class AliasGroup:
    """The tensors that lie in one memory, as the network sees it.

    A write to one of them would have to reach all; that is not followed, but noticed.
    """

    def __init__(self) -> None:
        self.members: WeakSet[PartialTensor] = WeakSet()
        self.exported = False

    @property
    def shared(self) -> bool:
        """Whether a write to one member could be seen by another tensor."""
        return self.exported or len(self.members) > 1


class PartialTensor(torch.Tensor):
    """A batch of maps [B, ..., H, W] that are one clean map but for a patch in each.

    Operations on it go to the `PatchRunner` that made it, which computes patches alone where it
    knows how.

    Attributes
    ----------
    patches : Patches
        What differs from the clean map.
    clean : torch.Tensor or None
        The clean map [1, ..., H, W]; None where the patches are whole maps.
    """

    patches: Patches
    clean: torch.Tensor | None
    handler: Handler
    family: AliasGroup

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(
        cls: type[PartialTensor],
        patches: Patches,
        clean: torch.Tensor | None,
        handler: Handler,
        family: AliasGroup | None = None,
    ) -> PartialTensor:
        """Wrap patches and the clean map that they belong to."""
        made: PartialTensor = torch.Tensor._make_wrapper_subclass(
            cls, patches.shape, dtype=patches.like.dtype, device=patches.like.device
        )
        made.patches, made.clean, made.handler = patches, clean, handler
        made.family = AliasGroup() if family is None else family
        made.family.members.add(made)
        return made

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        rows, columns = self.patches.rows, self.patches.columns
        size = [*self.shape[:-2], rows.size, columns.size]
        return f"<PartialTensor: {size} of {list(self.shape)}>"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Hand an operation to the passage that the first partial argument belongs to."""
        keywords = kwargs or {}
        return partials((args, keywords))[0].handler(func, args, keywords)


def partials(value: Any) -> list[PartialTensor]:
    """Return the partial tensors inside nested tuples, lists and mappings, in order."""
    if isinstance(value, PartialTensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [found for entry in value for found in partials(entry)]
    return []


def finished(whole: Callable[[PartialTensor], torch.Tensor], output: Any) -> Any:
    """Return the output of a network with whole tensors, and so what its softmax was made of."""

    def complete(tensor: torch.Tensor) -> torch.Tensor:
        found = whole(tensor) if isinstance(tensor, PartialTensor) else tensor
        note = softened(tensor)
        if note is not None:
            mark_softened(found, Softened(note.kind, complete(note.before)))
        return found

    return mapped(complete, output, torch.Tensor)


def mapped(
    function: Callable[[Any], Any], value: Any, kind: type[torch.Tensor] = PartialTensor
) -> Any:
    """Return nested tuples, lists, mappings and dataclasses with every partial tensor replaced."""
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(function, entry, kind) for entry in value))
    if isinstance(value, (tuple, list)):
        return type(value)(mapped(function, entry, kind) for entry in value)
    if isinstance(value, dict):
        # A copy keeps what kind of mapping it is.
        entries, value = dict(value), copy.copy(value)
        for key, entry in entries.items():
            value[key] = mapped(function, entry, kind)
    elif is_dataclass(value) and not isinstance(value, type):
        value = copy.copy(value)
        for entry in fields(value):
            replaced = mapped(function, getattr(value, entry.name), kind)
            object.__setattr__(value, entry.name, replaced)
    return value
