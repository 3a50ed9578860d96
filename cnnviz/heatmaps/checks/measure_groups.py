"""The table of groups of measures: what each needs, how it is taken, and what it is judged by.

A new measure is its file, which computes it and names its measures, and one entry of
`MEASURE_GROUPS`, at the end; for type checkers its name joins `Group`. `faithfulness`, its table
and verdicts, `explanations` and the evaluation read the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cnnviz.bounds import STAGES, STEPS, Seed, check_arguments
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.heatmaps.checks.deletion_insertion import Curves, deletion_insertion
from cnnviz.heatmaps.checks.drop_increase import DropIncrease, drop_increase
from cnnviz.heatmaps.checks.explained_batch import Explain, ExplainedBatch, Maps
from cnnviz.heatmaps.checks.localisation import Localisation, Mark, localisation
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.checks.randomisation import (
    Randomisation,
    beside_gradient,
    randomisation,
    weighted_layers,
)
from cnnviz.heatmaps.checks.stability import Stability, stability
from cnnviz.heatmaps.checks.verdicts import AgainstRandom, AgainstRandomisation, Check
from cnnviz.images.baselines import BASELINES
from cnnviz.results.choosing import words_of

Group = Literal["curves", "drop", "randomisation", "stability", "localisation"]
"""The names of the table, for type checkers; a test holds the two together."""
Need = Literal["", "explain", "marks"]


@dataclass(frozen=True)
class CheckSettings:
    """What is measured, and how finely.

    Attributes
    ----------
    groups : tuple of str
        The groups, by their names.
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

    groups: tuple[Group, ...] = field(default_factory=lambda: GROUPS)
    baselines: tuple[str, ...] = ("blur", "mean")
    steps: Annotated[int, STEPS] = 10
    stages: Annotated[int, STAGES] = 8
    seed: Seed = 0

    def __post_init__(self) -> None:
        for name in self.groups:
            _check_no_measure(name)
        _check_names("group of measures", self.groups, tuple(MEASURE_GROUPS))
        _check_names("baseline", self.baselines, BASELINES)
        check_arguments(CheckSettings, vars(self))


def _check_no_measure(name: str) -> None:
    """Refuse a measure, such as deletion, in place of its group, and name that."""
    word = name.lower().replace("-", "_").partition("_")[0]
    for group in MEASURE_GROUPS.values():
        told = f"{group.summary} {' '.join(group.main)}".lower().replace("_", " ").split()
        if name not in MEASURE_GROUPS and len(word) > _LEAST_LETTERS and word in told:
            raise UsageError(
                f"There is no group of measures {name!r}.",
                f"Choose {group.name}: {group.summary}.",
            )


def _check_names(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            remedy = did_you_mean(name, known, f"Choose from {', '.join(known)}.")
            raise UsageError(f"There is no {what} {name!r}.", remedy)
    if not names:
        raise UsageError(f"No {what} was named.", f"Choose from {', '.join(known)}.")


_LEAST_LETTERS = 4
"""Shorter words, such as and, tell no measure."""


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
        Makes the maps of a network and a batch.
    marks : sequence of ndarray of bool or PhotoBox, optional
        The objects.
    """

    subject: ExplainedBatch
    maps: Maps
    random: NDArray[np.float32]
    relu: bool
    clip_percentile: float
    explain: Explain | None = None
    marks: Sequence[Mark] | None = None

    def made_anew(self) -> Explain:
        """Return what makes the maps."""
        if self.explain is None:
            raise LookupError("How the maps are made anew is not known.")
        return self.explain

    def marked(self) -> Sequence[Mark]:
        """Return the objects."""
        if self.marks is None:
            raise LookupError("No object is marked.")
        return self.marks


class MeasureResult(Protocol):
    """What a group of measures finds: a frozen dataclass of arrays."""

    def measures(self) -> tuple[Measure, ...]:
        """Return the measures, each with its key, title and direction."""


@dataclass(frozen=True)
class MeasureGroup:
    """An entry of the table.

    Attributes
    ----------
    name : str
        What the group is asked for by.
    summary : str
        What it measures, and who proposed it.
    take : callable
        ``take(measured, settings)``, which measures.
    main : tuple of str
        The keys of the measures that stand for the group where there is no room for all; at least
        one.
    needs : {"", "explain", "marks"}
        What it cannot do without: maps made anew, or marked objects.
    check : Check, optional
        What the group is judged by.
    caption : str
        How to read its panel in the picture, where it has one; a template for `Space.words`.
    lacks : callable
        ``lacks(measured)`` says what the network lacks to be measured so; empty where nothing.
    follows : bool
        Whether it follows the answer while the image is changed.
    """

    name: str
    summary: str
    take: Callable[[MeasuredMaps, CheckSettings], MeasureResult]
    main: tuple[str, ...]
    needs: Need = ""
    check: Check | None = None
    caption: str = ""
    lacks: Callable[[MeasuredMaps], str] = lambda measured: ""
    follows: bool = False


def measurable(groups: Sequence[str], *, explain: bool, marks: bool) -> tuple[MeasureGroup, ...]:
    """Return the groups that can be taken of those asked for, in the order of the table.

    Parameters
    ----------
    groups : sequence of str
        The names of the groups that were asked for.
    explain : bool
        Whether maps can be made anew.
    marks : bool
        Whether objects are marked.

    Raises
    ------
    UsageError
        If what all of them need is missing.
    """
    held: dict[Need, bool] = {"": True, "explain": explain, "marks": marks}
    wanted = [group for name, group in MEASURE_GROUPS.items() if name in groups]
    found = tuple(group for group in wanted if held[group.needs])
    if not found:
        what, remedy, option = _MISSING[wanted[0].needs]
        raise UsageError(f"{wanted[0].name} cannot be measured: {what}.", remedy, option=option)
    return found


def told_unmarked(groups: Sequence[str], *, marks: bool) -> list[str]:
    """Say what was asked for by name and cannot be taken, since no object is marked.

    Where all groups are asked for, as by default, nobody asked for that one.
    """
    if marks or set(groups) == set(MEASURE_GROUPS):
        return []
    lacking = [name for name in groups if MEASURE_GROUPS[name].needs == "marks"]
    return [f"{name} is not measured: {_MISSING['marks'][0]}." for name in lacking]


_MISSING: dict[Need, tuple[str, str, str]] = {
    "marks": (
        "no object is marked in a photo",
        "Mark it (masks=, or for evaluate NAME-mask.png beside an image), or name other measures.",
        "Mark it for evaluate with --boxes or NAME-mask.png beside an image, or name other "
        "measures.",
    ),
    "explain": (
        "how the maps are made anew is not known",
        "Give explain=, which makes them, or name other measures.",
        "Name other measures.",
    ),
}


def groups_named(measures: str | Sequence[str]) -> tuple[Any, ...]:
    """Return the names of groups of measures, each once."""
    return tuple(dict.fromkeys(words_of(measures)))


def _take_curves(measured: MeasuredMaps, settings: CheckSettings) -> Curves:
    kinds: Any = settings.baselines
    return deletion_insertion(
        measured.subject,
        measured.maps,
        measured.random,
        baselines=kinds,
        steps=settings.steps,
        seed=settings.seed,
    )


def _take_drop(measured: MeasuredMaps, settings: CheckSettings) -> DropIncrease:
    return drop_increase(measured.subject, measured.maps, measured.random)


def _lacks_weights(measured: MeasuredMaps) -> str:
    subject = measured.subject
    if weighted_layers(subject.model, subject.inputs):
        return ""
    return (
        "the network calls no layer that holds weights, so that there is none to redraw them from"
    )


def _take_randomisation(measured: MeasuredMaps, settings: CheckSettings) -> Randomisation:
    found = randomisation(
        measured.subject,
        measured.maps,
        measured.random,
        measured.made_anew(),
        relu=measured.relu,
        clip_percentile=measured.clip_percentile,
        stages=settings.stages,
        seed=settings.seed,
    )
    count = measured.random.shape[1]
    return beside_gradient(
        found, measured.subject, count=count, stages=settings.stages, seed=settings.seed
    )


def _take_stability(measured: MeasuredMaps, settings: CheckSettings) -> Stability:
    return stability(
        measured.subject,
        measured.maps,
        measured.random,
        measured.made_anew(),
        seed=settings.seed,
    )


def _take_localisation(measured: MeasuredMaps, settings: CheckSettings) -> Localisation:
    return localisation(measured.subject, measured.maps, measured.random, measured.marked())


MEASURE_GROUPS: dict[str, MeasureGroup] = {
    group.name: group
    for group in (
        MeasureGroup(
            "curves",
            "deletion and insertion, Petsiuk et al. 2018",
            _take_curves,
            main=("gain",),
            follows=True,
            check=AgainstRandom(),
            caption="Deletion takes away the {places} that the map marks most, and a good map "
            "makes the answer fall at once; insertion brings them back first, and the answer "
            "should rise at once. The legend has the area under each curve, its mean height.",
        ),
        MeasureGroup(
            "drop",
            "average drop and increase, Chattopadhay et al. 2018",
            _take_drop,
            main=("average_drop",),
            follows=True,
        ),
        MeasureGroup(
            "randomisation",
            "redrawn weights, Adebayo et al. 2018",
            _take_randomisation,
            main=("similarity_kept",),
            needs="explain",
            lacks=_lacks_weights,
            check=AgainstRandomisation(),
            caption="To the right the weights are redrawn layer by layer from the top: a map of "
            "what the network learned must lose its similarity to itself, and one that keeps it "
            "shows the {shown}.",
        ),
        MeasureGroup(
            "stability",
            "under slight noise",
            _take_stability,
            main=("noise_correlation",),
            needs="explain",
        ),
        MeasureGroup(
            "localisation",
            "with masks only",
            _take_localisation,
            main=("pointing", "energy_inside", "box_found", "max_box_found"),
            needs="marks",
        ),
    )
}
"""Every group of measures by its name, in the order in which they are taken and told."""
GROUPS: tuple[Any, ...] = tuple(MEASURE_GROUPS)
"""The names of all groups."""


def listed_groups() -> str:
    """Return the groups in words, each with what it measures."""
    return ", ".join(f'"{group.name}" ({group.summary})' for group in MEASURE_GROUPS.values())
