"""Which pictures are made together, of what size, and how many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from cnnviz.errors import CnnvizError, UsageError
from cnnviz.introspection.tracing import Trace, trace
from cnnviz.introspection.tracing.map_layout import MapLayout
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.call_order import call_order
from cnnviz.results.space import IMAGE
from cnnviz.units.visualization.gradient_ascent import AscentSettings
from cnnviz.units.visualization.objective_scorer import scoring
from cnnviz.units.visualization.objectives import Objective
from cnnviz.units.visualization.transforms import ArrayTransforms, RandomTransforms

_MOST = 64
_FIELDS = 3
"""How many receptive fields wide a picture of a channel is, where the whole image is wider."""
_LEAST = 96
_EVEN = 32
_LINEAR = ("conv", "norm", "identity", "dropout", "pad", "scale")


@dataclass(frozen=True, eq=False)
class Group:
    """Objectives at one layer, made with the same settings."""

    objectives: tuple[Objective, ...]
    settings: AscentSettings
    texture: tuple[str, int] | None
    rows: int
    """How many pictures go through the network together."""
    work: float
    """What one step of one objective costs, in proportion to other groups."""


def plan(
    model: Model,
    objectives: Sequence[Objective],
    settings: AscentSettings,
    size: int | None,
    from_photo: bool,
) -> list[Group]:
    """Group objectives by layer, and choose the size of the pictures and the batches of each group.

    Without a `size` a picture is as large as the network's input. Of a channel whose receptive
    field is much smaller it shows three fields side by side instead, for the rest would be the same
    texture again.
    """
    native = tuple(model.input_shape[1:])
    traced = trace(model.module, model.input_shape)
    inputs = torch.zeros(1, *model.input_shape, device=model.device, dtype=model.dtype)
    at_once = rows_at_once(model, inputs, traced.activation_bytes)
    stages = call_order(model, inputs).stage_keys()
    by_layer: dict[object, list[Objective]] = {}
    for objective in objectives:
        whole = objective.kind in ("position", "layer", "class")
        by_layer.setdefault((objective.layer, whole and objective.kind), []).append(objective)
    groups = []
    for together in by_layer.values():
        members = _rectified(together, traced)
        own = _Fitting(model, traced, members, native)
        side = own.size(size, from_photo)
        one = replace(settings, size=side)
        if model.space != IMAGE:
            # Growth about the middle would move a place far from it.
            still = {"scale": 0.0} if members[0].kind == "position" else {}
            one = replace(one, moves=ArrayTransforms(**still))
        elif own.is_texture() and not from_photo:
            one = replace(one, moves=RandomTransforms(tiled=True))
        one = replace(one, coarse=own.may_be_coarse(one) and not from_photo)
        texture = own.texture(stages) if settings.diverse > 1 else None
        share = math.prod(side) / math.prod(native)
        rows = max(1, min(_MOST, int(at_once / share)))
        groups.append(Group(tuple(members), one, texture, rows, own.macs() * share))
    return groups


def sized(native: tuple[int, ...], side: int) -> tuple[int, ...]:
    """Return the size with sides of so many pixels; a volume keeps its depth."""
    return (*native[:-2], side, side) if len(native) > 1 else (side,)


def _rectified(objectives: Sequence[Objective], traced: Trace) -> list[Objective]:
    """Let only what is above zero count, where the layer is linear in the picture."""
    layer = objectives[0].layer
    if layer is None or objectives[0].kind not in ("channel", "direction"):
        return list(objectives)
    last = traced.find(*layer).order
    linear = all(call.kind in _LINEAR for call in traced.calls if call.order <= last)
    return [replace(objective, rectified=linear) for objective in objectives]


@dataclass(frozen=True, eq=False)
class _Fitting:
    """Which sizes the objectives of one layer can be made at."""

    model: Model
    traced: Trace
    objectives: Sequence[Objective]
    native: tuple[int, ...]

    def size(self, wanted: int | None, from_photo: bool) -> tuple[int, ...]:
        if wanted is not None:
            sides = sized(self.native, wanted)
            if self.objectives[0].kind == "position" and not self._runs(sides):
                space = self.model.space
                raise UsageError(
                    f"{self.objectives[0].name} is a position at {space.size(self.native)}, and "
                    f"there is none like it at {wanted} {space.unit}.",
                    "Leave the size out, or name a position that lies inside.",
                )
            return sides
        found = self._enough()
        if from_photo or self.objectives[0].kind not in ("channel", "direction") or found is None:
            return self.native
        return found if self._runs(found) else self.native

    def _enough(self) -> tuple[int, ...] | None:
        layer = self.objectives[0].layer
        seen = None if layer is None else self.traced.find(*layer).receptive_field
        if seen is None:
            return None
        sides = [
            min(whole, max(_LEAST, -(-_FIELDS * length // _EVEN) * _EVEN))
            for whole, length in zip(self.native, seen.local.size, strict=True)
        ]
        return tuple(sides)

    def may_be_coarse(self, settings: AscentSettings) -> bool:
        """Whether the first steps may be done at half the size.

        Not where a picture was cut to the fields of its unit: it is a texture then, whose grain has
        a size in pixels.
        """
        if self.model.space != IMAGE:
            return False
        first = settings.side_at(0)
        if first == settings.size or self.objectives[0].kind == "position":
            return False
        return not self.is_texture() and self._runs(first)

    def is_texture(self) -> bool:
        """Whether some fields of the unit show all of it, and the rest is the same once more."""
        enough = self._enough()
        several = self.objectives[0].kind in ("channel", "direction")
        return several and enough is not None and enough != self.native

    def _runs(self, size: tuple[int, ...]) -> bool:
        """Whether the network takes this size, as far as the layer."""
        image = torch.zeros(
            1, self.model.channels, *size, device=self.model.device, dtype=self.model.dtype
        )
        objective = self.objectives[0]
        try:
            with scoring(self.model, objective.layer) as probe, torch.no_grad():
                return bool(probe.scores(image, [objective])[0].isfinite().all())
        except (CnnvizError, RuntimeError, IndexError):
            return False

    def texture(self, stages: Sequence[tuple[str, int]]) -> tuple[str, int] | None:
        """Return the layer whose textures tell pictures apart: the objectives', or the last stage.

        A layer without a spatial extent has no texture.
        """
        layer = self.objectives[0].layer
        if layer is not None:
            layout = self.traced.find(*layer).map
            if isinstance(layout, MapLayout) and layout.dims:
                return layer
        return stages[-1] if stages else None

    def macs(self) -> float:
        """Return the multiply-accumulate operations as far as the layer, and of a picture."""
        layer = self.objectives[0].layer
        drawing = 300.0 * math.prod(self.native)
        if layer is None:
            return self.traced.macs + drawing
        last = self.traced.find(*layer).order
        return sum(call.macs for call in self.traced.calls if call.order <= last) + drawing
