"""What is said of pictures that were made by ascent."""

from __future__ import annotations

from typing import Any

from cnnviz.models import Model
from cnnviz.results.space import IMAGE
from cnnviz.results.text import dimensions, estimated_time, listed
from cnnviz.units.visualization import AscentSettings, Objective
from cnnviz.units.visualization.value_range import DEVIATIONS, is_open

_NAMED = 8
"""Layers and units named in one sentence before the rest are counted."""


def budget_notes(
    objectives: tuple[Objective, ...], made: list[Objective], span: float | None
) -> tuple[str, ...]:
    """Say how many units were finished, where not all were within the budget."""
    if len(made) == len(objectives) or span is None:
        return ()
    return (
        f"Within the budget of {estimated_time(span)}, {len(made):,} of {len(objectives):,} "
        "units were finished; the others are not shown.",
    )


def about_pictures(
    made: list[tuple[Objective, AscentSettings, Any]], model: Model
) -> tuple[str, ...]:
    """Say what was done to single units, and what sizes the pictures have."""
    woken = [objective.name for objective, _, one in made if one.woken.any()]
    dead = [objective.name for objective, _, one in made if one.dead.all()]
    notes = []
    sizes = sorted({settings.size for _, settings, _ in made})
    if sizes != [tuple(model.input_shape[1:])]:
        written = ", ".join(dimensions(size) for size in sizes)
        drawn = ", drawn at one size" if len(sizes) > 1 else ""
        what = "pictures" if model.space == IMAGE else f"{model.space.noun}s"
        notes.append(f"The {what} have {written} {model.space.unit}{drawn}.")
    linear = list(
        dict.fromkeys(
            objective.layer[0]
            for objective, _, _ in made
            if objective.rectified and objective.layer
        )
    )
    if linear:
        notes.append(
            f"Of {listed(linear, _NAMED)}, linear in the picture, only what is above zero counts: "
            "the plain mean would cancel."
        )
    if woken:
        notes.append(
            "At some step a rectifier stopped all gradient, and leaked instead: "
            f"{listed(woken, _NAMED)}."
        )
    if dead:
        notes.append(
            f"No gradient was ever found, so the unit could not be woken: {listed(dead, _NAMED)}."
        )
    if is_open(model.preprocessing):
        notes.append(
            f"Nothing says how far a {model.space.noun} goes: each value stays within "
            f"{DEVIATIONS:g} deviations (std) of the mean of the preprocessing."
        )
    elif model.space == IMAGE and (model.channels == 2 or model.channels > 4):
        notes.append(f"Of {model.channels} channels the mean is shown as grey.")
    return tuple(notes)
