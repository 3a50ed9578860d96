"""Finished pictures, one file for each goal, so that interrupted work can go on."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.results.resume_store import Keep
from cnnviz.units.visualization.goals import Goal
from cnnviz.units.visualization.loop import Made, Recipe


class Store:
    """The pictures of one network, and of one picture to start from.

    Parameters
    ----------
    folder : Path, optional
        Where they are kept; they live as long as the store without it.
    settings : mapping
        Whatever the pictures depend on besides the goal and the recipe.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self._settings = dict(settings)
        self._keeps: dict[Recipe, Keep] = {}

    def get(self, goal: Goal, recipe: Recipe) -> Made | None:
        """Return what was made of a goal, or None where nothing readable was kept."""
        held = self._keep(recipe).get(_name(goal))
        if held is None or held.get("goal") != goal.describe():
            return None
        try:
            packed = io.BytesIO(base64.b64decode(held["arrays"]))
            with np.load(packed, allow_pickle=False) as arrays:
                return Made(**{entry.name: arrays[entry.name] for entry in fields(Made)})
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def put(self, goal: Goal, recipe: Recipe, made: Made) -> None:
        """Keep what was made of a goal, whole or not at all."""
        packed = io.BytesIO()
        arrays: dict[str, Any] = {entry.name: getattr(made, entry.name) for entry in fields(Made)}
        np.savez_compressed(packed, allow_pickle=False, **arrays)
        text = base64.b64encode(packed.getvalue()).decode("ascii")
        self._keep(recipe).put(_name(goal), {"goal": goal.describe(), "arrays": text})

    def _keep(self, recipe: Recipe) -> Keep:
        if recipe not in self._keeps:
            self._keeps[recipe] = Keep(self._folder, {**self._settings, "recipe": recipe})
        return self._keeps[recipe]


def _name(goal: Goal) -> str:
    readable = "".join(c if c.isalnum() or c in ".-" else "-" for c in goal.name)
    return f"{readable[:60]}-{goal.digest}"
