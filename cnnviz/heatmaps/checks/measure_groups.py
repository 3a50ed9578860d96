"""The groups of measures by name, and how each is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError, did_you_mean
from cnnviz.heatmaps.checks.deletion_insertion import deletion_insertion
from cnnviz.heatmaps.checks.drop_increase import drop_increase
from cnnviz.heatmaps.checks.explained_batch import Explain, ExplainedBatch, Maps
from cnnviz.heatmaps.checks.localisation import Mark, localisation
from cnnviz.heatmaps.checks.randomisation import beside_gradient, randomisation
from cnnviz.heatmaps.checks.stability import stability
from cnnviz.images.baselines import BASELINES

Group = Literal["curves", "drop", "randomisation", "stability", "localisation"]
GROUPS: tuple[Group, ...] = ("curves", "drop", "randomisation", "stability", "localisation")
ANEW: tuple[Group, ...] = ("randomisation", "stability")
"""The groups for which maps are made anew."""


@dataclass(frozen=True)
class CheckSettings:
    """What is measured, and how finely.

    Attributes
    ----------
    groups : tuple of str
        The groups, in the order of `GROUPS`.
    baselines : tuple of str
        What stands for deleted pixels.
    steps : int
        In how many steps pixels are deleted and inserted.
    stages : int
        At most how many stages the weights are redrawn in.
    seed : int
        The seed of whatever is drawn at random.

    Raises
    ------
    UsageError
        If a name is unknown or a number too small.
    """

    groups: tuple[Group, ...] = GROUPS
    baselines: tuple[str, ...] = ("blur", "mean")
    steps: int = 10
    stages: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        _check_names("group of measures", self.groups, GROUPS)
        _check_names("baseline", self.baselines, BASELINES)
        for name, value, least in (("steps", self.steps, 2), ("stages", self.stages, 1)):
            if value < least:
                raise UsageError(f"{name} cannot be {value}.", f"Give {least} or more.")


def _check_names(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            remedy = did_you_mean(name, known, f"Choose from {', '.join(known)}.")
            raise UsageError(f"There is no {what} {name!r}.", remedy)
    if not names:
        raise UsageError(f"No {what} was named.", f"Choose from {', '.join(known)}.")


@dataclass(frozen=True, eq=False)
class MeasuredMaps:
    """Maps, and what is needed to measure them.

    Attributes
    ----------
    subject : ExplainedBatch
        The images and classes.
    maps, random : ndarray of float32
        The maps [N, h, w] and the random maps [N, R, h, w].
    relu, clip_percentile : bool, float
        How the maps are drawn; see `cnnviz.heatmaps.heatmap.Heatmap`.
    explain : callable, optional
        Makes the maps of a network and a batch; without it `ANEW` cannot be measured.
    marks : sequence of ndarray of bool or Box, optional
        The objects; without them localisation cannot be measured.
    """

    subject: ExplainedBatch
    maps: Maps
    random: NDArray[np.float32]
    relu: bool
    clip_percentile: float
    explain: Explain | None = None
    marks: Sequence[Mark] | None = None

    def takes(self, group: Group) -> bool:
        """Return whether there is what a group needs."""
        if group == "localisation":
            return self.marks is not None
        return group not in ANEW or self.explain is not None

    def take(self, group: Group, settings: CheckSettings) -> Any:
        """Take the measures of one group."""
        given = (self.subject, self.maps, self.random)
        seed = settings.seed
        if group == "curves":
            kinds: Any = settings.baselines
            return deletion_insertion(*given, baselines=kinds, steps=settings.steps, seed=seed)
        if group == "drop":
            return drop_increase(*given)
        if group == "localisation" and self.marks is not None:
            return localisation(*given, self.marks)
        if self.explain is None or group not in ANEW:
            raise LookupError(f"What {group} needs is not there.")
        if group == "stability":
            return stability(*given, self.explain, seed=seed)
        stages = settings.stages
        found = randomisation(
            *given,
            self.explain,
            relu=self.relu,
            clip_percentile=self.clip_percentile,
            stages=stages,
            seed=seed,
        )
        count = self.random.shape[1]
        return beside_gradient(found, self.subject, count=count, stages=stages, seed=seed)
