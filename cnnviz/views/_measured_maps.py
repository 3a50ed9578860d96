"""The maps of a heatmap beside random ones, how they are made anew, and measures taken on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cnnviz.errors import NothingFoundError, NotReachedError, UsageError, did_you_mean
from cnnviz.heatmaps.checks.explained_batch import Explain, ExplainedBatch, Maps, as_drawn
from cnnviz.heatmaps.checks.measure_groups import (
    CheckSettings,
    MeasuredMaps,
    MeasureGroup,
    MeasureResult,
)
from cnnviz.heatmaps.checks.random_maps import random_maps
from cnnviz.heatmaps.checks.similarity import rank_correlation
from cnnviz.heatmaps.heatmap import Heatmap, evidence
from cnnviz.images import Batch
from cnnviz.introspection.tolerance import COARSE_SHARE
from cnnviz.passes.independence import independence
from cnnviz.results.progress import Progress
from cnnviz.results.text import number, plural
from cnnviz.views._explainers import explainer

_SAME = 0.99
"""The rank correlation from which on two maps count as made by the same settings."""


def measured_maps(
    subject: ExplainedBatch, heatmap: Heatmap, layer: str | None, random: int | None, seed: int
) -> MeasuredMaps:
    """Return the maps of a layer, the last by default, with random ones as smooth as they are."""
    maps = _maps(heatmap, layer)
    count = _random_count(len(subject.batch)) if random is None else random
    # The signed map says how smooth a random one must be, which its many zeros would not.
    random_ones = random_maps(maps, count, seed)
    return MeasuredMaps(
        subject=subject,
        maps=evidence(maps, relu=heatmap.relu),
        random=evidence(random_ones, relu=heatmap.relu),
        relu=heatmap.relu,
        clip_percentile=heatmap.clip_percentile,
    )


def _random_count(images: int) -> int:
    # So many that maps which beat all of them are better at the level of the verdict.
    return 19 if images == 1 else 5 if images < 4 else 3


def _maps(heatmap: Heatmap, layer: str | None) -> Maps:
    if layer is not None and layer not in heatmap.layers:
        raise UsageError(
            f"The heatmap has no layer {layer!r}.",
            did_you_mean(layer, heatmap.layers, f"It has {', '.join(heatmap.layers)}."),
        )
    place = -1 if layer is None else heatmap.layers.index(layer)
    maps = np.asarray(heatmap.maps[place], np.float32)
    if not np.isfinite(maps).all():
        raise UsageError(
            "The heatmap has values that are not finite.", "Look for a division by zero in it."
        )
    return maps


def what_to_know(
    measured: MeasuredMaps, held: Heatmap, groups: Sequence[MeasureGroup]
) -> list[str]:
    """Return notes on what bears on measures of these maps, in sentences, before any is taken."""
    repeating = independence(measured.subject.model, measured.subject.inputs).repeating
    notes = [repeating] if repeating and repeating not in held.provenance.notes else []
    notes += _flat_maps(measured.maps)
    if any(group.follows for group in groups):
        notes += _coarse_scores(measured.subject)
    return notes


def _flat_maps(maps: Maps) -> list[str]:
    """Say how many maps are one value everywhere."""
    flat = int((np.ptp(maps.reshape(len(maps), -1), axis=1) == 0.0).sum())
    return [f"{flat} of {len(maps)} maps have one value everywhere: they mark nothing."] * bool(
        flat
    )


def _coarse_scores(subject: ExplainedBatch) -> list[str]:
    """Say of how many photos a score can be followed coarsely, or not at all, for its rounding."""
    count, noun = len(subject.batch), subject.model.space.shown
    still = int((~subject.moved).sum())
    rounding = subject.rounding[subject.moved]
    said = []
    if still:
        said.append(
            f"Of {still} of {plural(count, noun)} the score is that of a blank one, to within "
            "rounding: what changes of it is measured in its own unit."
        )
    if len(rounding) and rounding.max() > COARSE_SHARE:
        said.append(
            f"The {noun} changes little of a large score, so rounding reaches up to "
            f"{number(float(rounding.max()))} of that change: curves are no more exact than this."
        )
    return said


def with_explainer(
    measured: MeasuredMaps, held: Heatmap, layer: str, *, fresh: bool = False
) -> tuple[MeasuredMaps, list[str]]:
    """Add how the maps are made anew, and say so where that is not known.

    Maps that were given are made once more, to see that they are of these settings. Those that are
    fresh from their settings are not, unless the network answers otherwise each time.
    """
    explain = measured.explain or _known_explainer(held, layer)
    if explain is None:
        return replace(measured, explain=None), [
            f"How {held.title} is made anew is not known, so neither its answer to random "
            "weights nor its stability was measured."
        ]
    explain = as_drawn(explain, relu=held.relu)
    subject = measured.subject
    if not fresh or independence(subject.model, subject.inputs).repeating:
        _check_same(held, measured, explain)
    return replace(measured, explain=explain), []


def _known_explainer(held: Heatmap, layer: str) -> Explain | None:
    if held.settings is None:
        return None
    return explainer(held.settings.of_map(held.layers.index(layer)))


def _check_same(held: Heatmap, measured: MeasuredMaps, explain: Explain) -> None:
    """Make the maps once more: those of other settings would answer to random weights otherwise."""
    subject = measured.subject
    made = explain(subject.model, subject.batch, subject.asked)
    if made.shape != measured.maps.shape or any(
        rank_correlation(first, second) < _SAME
        for first, second in zip(measured.maps, made, strict=True)
    ):
        if independence(subject.model, subject.inputs).repeating:
            raise UsageError(
                f"{held.title} is another map each time that it is made: "
                f"{subject.model.name} answers the same image otherwise each time.",
                "Have its forward draw from torch's, NumPy's or Python's random numbers, or from a "
                "generator that it holds: these begin alike in every pass.",
            )
        raise UsageError(
            f"{held.title} made anew is another map than the one given.",
            "Give explain=, which makes the map with your settings.",
        )


def taken(
    measured: MeasuredMaps,
    title: str,
    groups: Sequence[MeasureGroup],
    settings: CheckSettings,
    progress: Progress,
) -> tuple[dict[str, MeasureResult], list[str]]:
    """Return what each group of measures found, and of those that were not taken why, in sentences.

    Raises
    ------
    UsageError
        If none of them could be taken.
    """
    found: dict[str, MeasureResult] = {}
    notes = []
    for done, group in enumerate(groups):
        progress(done, len(groups), f"{title}: {group.name}")
        lacking = group.lacks(measured)
        if lacking:
            notes.append(f"The group {group.name} was not measured: {lacking}.")
            continue
        try:
            found[group.name] = group.take(measured, settings)
        except (NothingFoundError, NotReachedError) as error:
            # Changed weights or pixels may send an image another way, where there is no map.
            notes.append(
                f"The group {group.name} was not measured, because on changed weights or images no "
                f"such map can be made: {error.what}"
            )
    if not found:
        raise UsageError(" ".join(notes), "Name other measures.")
    progress(len(groups), len(groups), title)
    return found, notes


def check_images(heatmap: Heatmap, batch: Batch) -> None:
    """Raise a `UsageError` unless a heatmap is of the images that were given."""
    given = tuple(photo.sha256 for photo in batch.photos)
    explained = tuple(source.sha256 for source in heatmap.provenance.images)
    if given != explained:
        raise UsageError(
            f"The heatmap is of {', '.join(heatmap.images)}, and other images were given.",
            "Give the images of the heatmap, in its order.",
        )
