"""One operation on partial tensors, and the table of rules for it.

A rule takes the call and returns what the operation returns, or NotImplemented where it cannot
tell: the operation then runs on whole maps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch

from cnnviz.heatmaps.occlusion.geometry import ChangedSpan, SlidingWindow
from cnnviz.heatmaps.occlusion.partial import AliasGroup, PartialTensor, mapped, partials
from cnnviz.heatmaps.occlusion.patches import Patches


class Runner(Protocol):
    """What a rule may ask of the passage that it works for; see `passage` beside this file."""

    def wrap(
        self, patches: Patches, clean: torch.Tensor | None, family: AliasGroup | None = None
    ) -> PartialTensor:
        """Return a partial tensor."""

    def whole(self, one: PartialTensor) -> torch.Tensor:
        """Return the whole maps of a partial tensor."""

    def leave(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, named: bool
    ) -> Any:
        """Run an operation on whole maps, and leave the patches for good."""

    def kept(self, key: tuple[int, str], given: Sequence[Any], compute: Callable[[], Any]) -> Any:
        """Return what was computed in an earlier pass from the very same."""

    @property
    def packs(self) -> bool:
        """Whether the weights of convolutions may be packed for this processor."""

    def reach(
        self,
        patches: Patches,
        windows: tuple[SlidingWindow, SlidingWindow],
        outputs: tuple[int, int],
    ) -> tuple[ChangedSpan, ChangedSpan]:
        """Return the part of an output that sliding windows carry the patches to."""


@dataclass(frozen=True, eq=False)
class Call:
    """One operation on partial tensors.

    Attributes
    ----------
    passage : Runner
        The passage that it belongs to.
    func : torch._ops.OpOverload
        The operator, never one that writes to its argument.
    args, kwargs
        What it was called with.
    order : int
        Its place among the operations of one pass.
    """

    passage: Runner
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    order: int

    @cached_property
    def inputs(self) -> list[PartialTensor]:
        """The partial tensors among the arguments, in order."""
        return partials((self.args, self.kwargs))

    @property
    def count(self) -> int:
        """The number of positions, B."""
        return int(self.inputs[0].shape[0])

    @property
    def full(self) -> bool:
        """Whether an input is whole, so that the output is."""
        return any(one.patches.full for one in self.inputs)

    def argument(self, position: int, default: Any = None) -> Any:
        """Return a positional argument, or what stands for it."""
        return self.args[position] if position < len(self.args) else default

    def clean(self) -> Any:
        """Return the output of the clean run, computed in the first pass only."""
        args, kwargs = mapped(lambda one: one.clean, (self.args, self.kwargs))
        given = [self.func, *args, *kwargs.items()]
        return self.passage.kept((self.order, "out"), given, lambda: self.func(*args, **kwargs))


Rule = Callable[[Call], Any]

RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a function in `RULES` under the names of operators."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return enter
