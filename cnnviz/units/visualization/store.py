"""Finished pictures, one file for each objective, so that interrupted work can go on."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.results.parsed_again import parsed_again
from cnnviz.results.resume_store import ResumeStore
from cnnviz.units.visualization.gradient_ascent import AscentSettings, OptimisedPictures
from cnnviz.units.visualization.objectives import Objective


class VisualizationStore:
    """The pictures of one network, and of one picture to start from.

    Parameters
    ----------
    folder : Path, optional
        Where they are kept; they live as long as the store without it.
    settings : mapping
        Whatever the pictures depend on besides the objective and the settings.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self._settings = dict(settings)
        self._keeps: dict[AscentSettings, ResumeStore] = {}

    @parsed_again
    def get(self, objective: Objective, settings: AscentSettings) -> OptimisedPictures | None:
        """Return what was made of an objective, or None where nothing readable was kept.

        Pictures that were made together count together: where a run was ended before all of them
        were kept, they are made again, since others beside them would change the rounding.
        """
        keep = self._keep(settings)
        held = keep.get(_name(objective))
        if held is None or held.get("goal") != objective.describe():
            return None
        if any(keep.get(name) is None for name in held.get("beside", ())):
            return None
        try:
            packed = io.BytesIO(base64.b64decode(held["arrays"]))
            with np.load(packed, allow_pickle=False) as arrays:
                return OptimisedPictures(
                    **{entry.name: arrays[entry.name] for entry in fields(OptimisedPictures)}
                )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def put(
        self,
        objective: Objective,
        settings: AscentSettings,
        made: OptimisedPictures,
        beside: Sequence[Objective] = (),
        computed_on: str = "",
    ) -> None:
        """Keep what was made of an objective, whole or not at all.

        Parameters
        ----------
        objective, settings, made
            What was made, of what, and how.
        beside : sequence of Objective
            What was made together with it, all of it kept likewise.
        computed_on : str
            On what it was computed.
        """
        packed = io.BytesIO()
        arrays: dict[str, Any] = {
            entry.name: getattr(made, entry.name) for entry in fields(OptimisedPictures)
        }
        np.savez_compressed(packed, allow_pickle=False, **arrays)
        text = base64.b64encode(packed.getvalue()).decode("ascii")
        self._keep(settings).put(
            _name(objective),
            {
                "goal": objective.describe(),
                "beside": [_name(one) for one in beside],
                "computed_on": computed_on,
                "arrays": text,
            },
        )

    def computed_on(self, objective: Objective, settings: AscentSettings) -> str:
        """Return on what it was computed; empty where that was not kept."""
        return str((self._keep(settings).get(_name(objective)) or {}).get("computed_on", ""))

    def _keep(self, settings: AscentSettings) -> ResumeStore:
        if settings not in self._keeps:
            self._keeps[settings] = ResumeStore(
                self._folder, {**self._settings, "recipe": settings}
            )
        return self._keeps[settings]


def _name(objective: Objective) -> str:
    readable = "".join(c if c.isalnum() or c in ".-" else "-" for c in objective.name)
    return f"{readable[:60]}-{objective.digest}"
