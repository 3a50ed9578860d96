"""What was measured so far, one file for each method and image, so that a run can go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.passes.scan_plan import apart
from cnnviz.results.json_values import plain
from cnnviz.results.resume_store import ResumeStore

_LOST = "lost"


@dataclass(frozen=True)
class Measurement:
    """One measure of one map.

    Attributes
    ----------
    value, random : float
        Its value, and the mean of its random maps.
    beaten : float
        The share of the random maps that it beats, a tie counting half.
    """

    value: float
    random: float
    beaten: float


@dataclass(frozen=True)
class MeasureColumn:
    """What a measure is called, and which direction speaks for a map."""

    key: str
    title: str
    better: str


@dataclass(frozen=True)
class MapMeasurements:
    """Every measure of one method on one image, and on what the map was computed."""

    title: str
    columns: tuple[MeasureColumn, ...]
    entries: tuple[Measurement, ...]
    computed_on: str = ""

    @classmethod
    def of(cls, title: str, measures: Sequence[Measure], computed_on: str = "") -> MapMeasurements:
        """Keep the measures of a single image."""
        return cls(
            title,
            tuple(MeasureColumn(one.key, one.title, one.better) for one in measures),
            tuple(Measurement(one.mean, one.random_mean, one.beaten) for one in measures),
            computed_on,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain data."""
        return {
            "title": self.title,
            "columns": plain(self.columns),
            "entries": plain(self.entries, by_name=True),
            "computed_on": self.computed_on,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> MapMeasurements:
        """Return the record that `to_json` wrote."""
        return cls(
            str(data["title"]),
            tuple(MeasureColumn(**column) for column in data["columns"]),
            # A number that is not finite is written as its name.
            tuple(
                Measurement(**{name: float(value) for name, value in entry.items()})
                for entry in data["entries"]
            ),
            str(data.get("computed_on", "")),
        )


class MeasurementStore:
    """The records of one network and one choice of settings.

    Parameters
    ----------
    folder : Path, optional
        Where the records are kept; they live as long as the store without it.
    settings : mapping
        Whatever the numbers depend on besides the method and the image. Another value of any of
        them has other records.
    """

    def __init__(self, folder: Path | None, settings: dict[str, Any]) -> None:
        self._keep = ResumeStore(folder, settings)

    def get(self, method: str, image: str) -> MapMeasurements | None:
        """Return a record, or None where nothing readable was kept."""
        held = self._keep.get(_name(method, image))
        try:
            return None if held is None else MapMeasurements.from_json(held)
        except (ValueError, KeyError, TypeError):
            return None

    def put(self, method: str, image: str, record: MapMeasurements) -> None:
        """Keep a record, whole or not at all."""
        self._keep.put(_name(method, image), record.to_json())

    def held(self, method: str, image: str) -> MapMeasurements:
        """Return a record that was kept.

        Raises
        ------
        UsageError
            If it is not there, or cannot be read any more.
        """
        found = self.get(method, image)
        if found is None:
            raise apart()
        return found

    def lose(self, image: str, why: str) -> None:
        """Keep why an image could not be measured; a run that goes on tries it again."""
        self._keep.put(_name(_LOST, image), {"why": why})

    def why_lost(self, image: str) -> str | None:
        """Return why an image could not be measured, or None."""
        return (self._keep.get(_name(_LOST, image)) or {}).get("why")


def _name(method: str, image: str) -> str:
    return f"{method}-{image[:32]}"
