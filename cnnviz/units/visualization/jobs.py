"""Pictures of many objectives at many layers: planned, timed, made batch by batch, and kept."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import torch

from cnnviz.errors import CnnvizError, UsageError
from cnnviz.introspection.fast_copy.checked_copy import without_measure
from cnnviz.introspection.tracing import Trace, trace
from cnnviz.introspection.tracing.map_layout import MapLayout
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.call_order import call_order
from cnnviz.passes.processes import ALONE, Processes
from cnnviz.passes.shared_scan import apart
from cnnviz.results.progress import Announce, Progress, silent
from cnnviz.results.space import IMAGE
from cnnviz.results.text import estimated_time, plural
from cnnviz.units.visualization.gradient_ascent import AscentSettings, OptimisedPictures, ascend
from cnnviz.units.visualization.objective_scorer import scoring
from cnnviz.units.visualization.objectives import Objective
from cnnviz.units.visualization.store import VisualizationStore
from cnnviz.units.visualization.transforms import ArrayTransforms, RandomTransforms

_MOST = 64
_FIELDS = 3
"""How many receptive fields wide a picture of a channel is, where the whole image is wider."""
_LEAST = 96
_EVEN = 32
_LINEAR = ("conv", "norm", "identity", "dropout", "pad", "scale")
_TRIAL = 3
_LONGEST = 365 * 86_400.0
"""Seconds of a budget at most: a year."""
_KEPT_ALONE = "not recorded: all pictures were kept from an earlier run"
_SPANS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


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


def read_span(budget: float | str | None) -> float | None:
    """Return a time in seconds from a number of them, or from text such as 90s, 10m or 1.5h.

    Raises
    ------
    UsageError
        If it is no time, or none at all.
    """
    if budget is None:
        return None
    match = re.fullmatch(r"\s*([\d.]+)\s*([a-z]*)\s*", str(budget))
    try:
        seconds = float(match[1]) * _SPANS[match[2]] if match else -1.0
    except (KeyError, ValueError):
        seconds = -1.0
    if not 0.0 < seconds <= _LONGEST:
        raise UsageError(f"{budget!r} is no time.", "Give seconds, or a time such as 90s, 10m, 2h.")
    return seconds


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


@dataclass
class Job:
    """Makes the pictures of all groups.

    Attributes
    ----------
    model : Model
        The network.
    groups : list of Group
        What to make.
    store : Store
        What was made before, and where to keep what is made.
    start : torch.Tensor, optional
        The picture to start from, [C, H, W], with values between 0 and 1.
    budget : float, optional
        Seconds after which no further batch is begun.
    progress, announce, clock : callable
        Told how far it has come; told once what it will cost; and what tells the time.
    processes : Processes
        Which process this is of how many; they share the batches, and see the same store.
    computed_on : str
        On what the pictures were computed, for the provenance.
    """

    model: Model
    groups: list[Group]
    store: VisualizationStore
    start: torch.Tensor | None = None
    budget: float | None = None
    progress: Progress = silent
    announce: Announce | None = None
    clock: Callable[[], float] = time.monotonic
    processes: Processes = ALONE
    computed_on: str = field(init=False, default=_KEPT_ALONE)
    _begun: float = field(init=False, default=0.0)
    _pace: float | None = field(init=False, default=None)
    """Seconds for a unit of work."""

    def run(self) -> dict[str, tuple[Objective, AscentSettings, OptimisedPictures]]:
        """Return what was made, by the objectives' names; what the budget left out is missing."""
        self._begun = self.clock()
        batches = self._batches()
        self._make_all(self.processes.share(batches))
        self.processes.wait()
        # With a budget nobody knows how many the others have made.
        self.processes.patiently(
            lambda: self.budget is not None or not any(map(self._missing, self.groups))
        )
        return self._found()

    def _batches(self) -> list[tuple[Group, list[Objective]]]:
        """Return what is left to make, in batches, the same in every process."""
        every = [(group, one) for group in self.groups for one in group.objectives]
        missing = {id(group): {one.name for one in self._missing(group)} for group in self.groups}
        places = range(len(every))
        left = [at for at in places if every[at][1].name in missing[id(every[at][0])]]
        found = []
        # Nobody writes before everybody knows what is left.
        for group, several in groupby(
            (every[at] for at in self.processes.agreed(left)), key=lambda one: one[0]
        ):
            todo, size = [one for _, one in several], self._goals_at_once(group)
            found += [(group, todo[at : at + size]) for at in range(0, len(todo), size)]
        return found

    def _make_all(self, mine: Sequence[tuple[Group, list[Objective]]]) -> None:
        """Make the batches that fall to this process, as far as the budget goes."""
        left: dict[int, list[Objective]] = {id(group): [] for group in self.groups}
        for group, batch in mine:
            left[id(group)] += batch
        waiting = sum(map(len, left.values()))
        total = waiting
        if self.processes.size == 1:
            total = sum(len(group.objectives) for group in self.groups)
        if waiting and (self.announce is not None or self.budget is not None):
            self._tell(left, waiting, total - waiting)
        done = total - waiting
        for group, batch in mine:
            todo = batch
            while todo:
                count = self._affordable(group, len(todo))
                if count == 0:
                    return
                some, todo = todo[:count], todo[count:]
                self._make(group, some, done, total)
                done += count
        self.progress(total, total, "done")

    def _missing(self, group: Group) -> list[Objective]:
        return [
            objective
            for objective in group.objectives
            if self.store.get(objective, group.settings) is None
        ]

    def _goals_at_once(self, group: Group) -> int:
        return max(1, group.rows // group.settings.diverse)

    def _cost(self, group: Group) -> float:
        """Return the work that one objective takes, as if its pictures never settled early."""
        settings = group.settings
        pixels = sum(
            math.prod(side) / math.prod(settings.size)
            for side in map(settings.side_at, range(settings.steps))
        )
        return group.work * settings.diverse * pixels

    def _tell(self, left: dict[int, list[Objective]], waiting: int, known: int) -> None:
        """Measure a step of the group that takes longest and say how long all will take."""
        group = max(self.groups, key=lambda each: len(left[id(each)]) * self._cost(each))
        objectives = left[id(group)][: self._goals_at_once(group)]
        # A full-sized step is timed, the second of its kind: the first one warms up.
        settings = replace(group.settings, steps=_TRIAL, coarse=False, early=False)
        times: list[float] = []
        self.progress(0, waiting + known, "timing a step")
        with scoring(self.model, group.objectives[0].layer, group.texture) as probe:
            ascend(
                probe,
                objectives,
                settings,
                self.model.channels,
                self.start,
                lambda step: times.append(self.clock()),
            )
        step = times[-1] - times[-2] if len(times) > 1 else 0.0
        self._pace = step / (len(objectives) * group.settings.diverse * group.work)
        seconds = self._pace * sum(len(left[id(each)]) * self._cost(each) for each in self.groups)
        already = f" ({known:,} more were made before)" if known else ""
        whose = "" if self.processes.size == 1 else f" of {self.processes.name}"
        if self.announce is not None:
            self.announce(
                f"{plural(waiting, 'unit')}{whose}{already}: about {estimated_time(seconds)} on "
                "this machine; name fewer with --units, or give --budget 10m."
            )

    def _affordable(self, group: Group, count: int) -> int:
        """Return how many objectives of a group still fit into the budget."""
        if self.budget is None or self._pace is None:
            return count
        each = self._pace * self._cost(group)
        remaining = self.budget - (self.clock() - self._begun)
        return count if each <= 0.0 else max(0, min(count, int(remaining / each)))

    def _make(self, group: Group, batch: Sequence[Objective], done: int, total: int) -> None:
        steps = group.settings.steps
        names = batch[0].name if len(batch) == 1 else f"{batch[0].name} and {len(batch) - 1} more"
        begun = self.clock()

        def tick(step: int) -> None:
            self.progress(done, total, f"{names}: step {step + 1} of {steps}")

        with scoring(self.model, group.objectives[0].layer, group.texture) as probe:
            made = ascend(probe, batch, group.settings, self.model.channels, self.start, tick)
            told = without_measure(probe.computed_on())
        for objective, one in zip(batch, made, strict=True):
            self.store.put(objective, group.settings, one, batch, told)
        taken = self.clock() - begun
        self._pace = taken / (len(batch) * self._cost(group))

    def _found(self) -> dict[str, tuple[Objective, AscentSettings, OptimisedPictures]]:
        found = {}
        for group in self.groups:
            for objective in group.objectives:
                made = self.store.get(objective, group.settings)
                if made is not None:
                    found[objective.name] = (objective, group.settings, made)
        told = [
            self.store.computed_on(objective, settings) for objective, settings, _ in found.values()
        ]
        self.computed_on = "; ".join(dict.fromkeys(filter(None, told))) or _KEPT_ALONE
        if not found and self.budget is not None:
            raise UsageError(
                f"The budget of {estimated_time(self.budget)} is too small for a single unit.",
                "Give more time, fewer steps or a smaller size.",
            )
        wanted = {objective.name for group in self.groups for objective in group.objectives}
        if self.budget is None and found.keys() != wanted:
            raise apart()
        return found
