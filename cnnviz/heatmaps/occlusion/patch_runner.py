"""One network, run on patches: what is known of its clean run, and the dense way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

# Importing these files enters their rules in the table.
from cnnviz.heatmaps.occlusion import rules, sliding  # noqa: F401
from cnnviz.heatmaps.occlusion.call import RULES, Call, Rule
from cnnviz.heatmaps.occlusion.geometry import ChangedSpan, SlidingWindow, reached, whole
from cnnviz.heatmaps.occlusion.partial import AliasGroup, PartialTensor, mapped, partials
from cnnviz.heatmaps.occlusion.patches import Patches, set_into, whole_maps
from cnnviz.introspection.operator_kinds import is_pointwise

FULL_SHARE = 0.9
"""Patches that would cover more than this share of a map give way to whole maps: above it, cutting
windows out costs more than it saves."""


class NotFollowedError(Exception):
    """An operation writes to memory in a way that patches cannot follow."""


class PatchRunner:
    """Runs a network on patches, and keeps what is the same for all of them.

    Parameters
    ----------
    cap : float, optional
        The largest share of a map's side that a patch may cover; by default patches are exact.
    packs : bool
        Whether the weights of convolutions may be packed for this processor.

    Attributes
    ----------
    dense_from : str or None
        The first operation without a rule that met patches, and was given whole maps.
    """

    def __init__(self, cap: float | None = None, *, packs: bool = False) -> None:
        self.cap = cap
        self.packs = packs
        self.dense_from: str | None = None
        self._order = 0
        self._kept: dict[tuple[int, str], tuple[list[Any], Any]] = {}

    def begin(self, patches: Patches, clean: torch.Tensor) -> PartialTensor:
        """Return the input of the next pass."""
        self._order = 0
        return self.wrap(patches, clean)

    def wrap(
        self, patches: Patches, clean: torch.Tensor | None, family: AliasGroup | None = None
    ) -> PartialTensor:
        """Return a partial tensor of this passage."""
        return PartialTensor(patches, None if patches.full else clean, self.run, family)

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operation on partial tensors, on patches alone where there is a rule."""
        self._order += 1
        if not func._schema.is_mutable:
            found = self._ruled(func, args, kwargs)
            return self.leave(func, args, kwargs) if found is NotImplemented else found
        written = args[0] if _writes_to_first_only(func) else None
        if written is None or (isinstance(written, PartialTensor) and written.family.shared):
            raise NotFollowedError(func.overloadpacket.__name__)
        plain = _out_of_place(func)
        if plain is None or not isinstance(written, PartialTensor):
            return self.leave(func, args, kwargs)
        found = self._ruled(plain, args, kwargs)
        if found is NotImplemented:
            return self.leave(func, args, kwargs)
        if found.shape != written.shape or found.dtype != written.dtype:
            raise NotFollowedError(func.overloadpacket.__name__)
        written.patches, written.clean = found.patches, found.clean
        return written

    def _ruled(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        rule = _find_rule(func)
        return NotImplemented if rule is None else rule(Call(self, func, args, kwargs, self._order))

    def leave(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, named: bool = True
    ) -> Any:
        """Run an operation on whole maps, and go on with what it returns."""
        inputs = partials((args, kwargs))
        if named and self.dense_from is None and not all(one.patches.full for one in inputs):
            self.dense_from = func.overloadpacket.__name__.strip("_")
        if _returns_views(func):
            for one in inputs:
                one.patches, one.clean = whole_maps(self.whole(one).contiguous()), None
                one.family.exported = True
        given_args, given_kwargs = mapped(self.whole, (args, kwargs))
        if func._schema.is_mutable and isinstance(args[0], PartialTensor):
            # A copy, as the patches may be in use elsewhere.
            written = given_args[0].clone()
            func(written, *given_args[1:], **given_kwargs)
            args[0].patches, args[0].clean = whole_maps(written), None
            return args[0]
        return func(*given_args, **given_kwargs)

    def whole(self, one: PartialTensor) -> torch.Tensor:
        """Return the whole maps of a partial tensor."""
        patches = one.patches
        if patches.full or one.clean is None:
            return patches.values
        count = len(patches.values)
        rows, columns = whole(count, patches.rows.length), whole(count, patches.columns.length)
        return set_into(patches, one.clean, rows, columns)

    def kept(self, key: tuple[int, str], given: Sequence[Any], compute: Callable[[], Any]) -> Any:
        """Return what `compute` gave in an earlier pass for the very same tensors and settings."""
        flat = _flat(given)
        known, found = self._kept.get(key, ([], None))
        if len(known) == len(flat) and all(map(_same, known, flat)):
            return found
        found = compute()
        self._kept[key] = (flat, found)
        return found

    def reach(
        self,
        patches: Patches,
        windows: tuple[SlidingWindow, SlidingWindow],
        outputs: tuple[int, int],
    ) -> tuple[ChangedSpan, ChangedSpan]:
        """Return the part of an output that sliding windows carry the patches to."""
        found = (
            reached(patches.rows, windows[0], outputs[0], self.cap),
            reached(patches.columns, windows[1], outputs[1], self.cap),
        )
        area = found[0].size * found[1].size
        if self.cap is None and area > FULL_SHARE * outputs[0] * outputs[1]:
            count = len(patches.values)
            return whole(count, outputs[0]), whole(count, outputs[1])
        return found


def _find_rule(func: Any) -> Rule | None:
    name = func.overloadpacket.__name__ if func.namespace == "aten" else str(func)
    found = RULES.get(name)
    return rules.pointwise if found is None and is_pointwise(func) else found


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [found for entry in value for found in _flat(entry)]
    return [value]


def _same(one: Any, other: Any) -> bool:
    if one is other or isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return one is other
    return bool(one == other)


def _out_of_place(func: Any) -> Any:
    """Return the operator that computes what an in-place one writes; None if there is none."""
    name = func.overloadpacket.__name__
    if func.namespace != "aten" or not name.endswith("_") or name.startswith("__"):
        return None
    packet = getattr(torch.ops.aten, name[:-1], None)
    return getattr(packet, func._overloadname, None)


def _writes_to_first_only(func: Any) -> bool:
    written = [one.is_write for one in func._schema.arguments]
    return bool(written[0]) and not any(written[1:])


def _returns_views(func: Any) -> bool:
    written = func._schema.is_mutable
    return not written and any(one.alias_info is not None for one in func._schema.returns)
