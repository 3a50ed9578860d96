"""Pictures of many objectives at many layers: timed, made batch by batch, and kept."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise

import torch

from cnnviz.errors import UsageError
from cnnviz.introspection.fast_copy.checked_copy import without_measure
from cnnviz.models import Model
from cnnviz.passes.processes import ALONE, Processes
from cnnviz.passes.scan_plan import apart
from cnnviz.results.progress import Announce, Progress, silent
from cnnviz.results.text import estimated_time, plural
from cnnviz.units.visualization.gradient_ascent import AscentSettings, OptimisedPictures, ascend
from cnnviz.units.visualization.job_plan import Group
from cnnviz.units.visualization.objective_scorer import scoring
from cnnviz.units.visualization.objectives import Objective
from cnnviz.units.visualization.store import VisualizationStore

_TRIAL = 3
_LONGEST = 365 * 86_400.0
"""Seconds of a budget at most: a year."""
_KEPT_ALONE = "not recorded: all pictures were kept from an earlier run"
_SPANS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


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
        # Full-sized steps are timed, of which the first one warms up.
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
        # The shortest: what else the machine does only ever makes a step longer.
        step = min((after - before for before, after in pairwise(times)), default=0.0)
        self._pace = step / (len(objectives) * group.settings.diverse * group.work)
        seconds = self._pace * sum(len(left[id(each)]) * self._cost(each) for each in self.groups)
        already = f" ({known:,} more were made before)" if known else ""
        whose = "" if self.processes.size == 1 else f" of {self.processes.name}"
        if self.announce is not None:
            self.announce(
                f"{plural(waiting, 'unit')}{whose}{already}: about {estimated_time(seconds)} on "
                "this machine; name fewer of them, or give --budget 10m."
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
