"""The table of methods and measures, with intervals, as data and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError, did_you_mean
from cnnviz.evaluation.best_threshold import best_threshold
from cnnviz.evaluation.data import EvaluationImage
from cnnviz.evaluation.records import MapMeasurements, MeasureColumn
from cnnviz.evaluation.resampling import intervals
from cnnviz.heatmaps.checks.localisation import ENOUGH
from cnnviz.heatmaps.checks.measure_ends import ends_of
from cnnviz.heatmaps.checks.measure_groups import MEASURE_GROUPS, CheckSettings
from cnnviz.heatmaps.checks.random_maps import p_value
from cnnviz.heatmaps.checks.verdicts import Check
from cnnviz.heatmaps.map_boxes import BOX_THRESHOLD
from cnnviz.results import drawing
from cnnviz.results.intervals import LEVEL
from cnnviz.results.provenance import Provenance
from cnnviz.results.table import Table, TableResult
from cnnviz.results.text import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_MANY_IMAGES = 40
"""From how many images on a few with far larger values than the others are usually among them."""


@dataclass(frozen=True)
class EvaluationCell:
    """One measure of one method over all images that have it.

    Attributes
    ----------
    method, measure : str
        Their names in data.
    images : int
        How many images have a value.
    mean, low, high : float
        The mean over the images, and the ends of its 95% interval.
    random : float
        The mean of the random maps.
    beaten, chance : float
        The share of random maps that are beaten, and how probable that is for random maps; NaN
        where neither direction speaks for a map.
    """

    method: str
    measure: str
    images: int
    mean: float
    low: float
    high: float
    random: float
    beaten: float
    chance: float

    @property
    def random_mean(self) -> float:
        """The mean of the random maps, as a check asks for it."""
        return self.random


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Evaluation(TableResult):
    """M methods of making heatmaps, measured by K measures on N images.

    Attributes
    ----------
    methods, titles : tuple of str
        The methods, as they are asked for and as they are written.
    columns : tuple of MeasureColumn
        The measures.
    images : tuple of str
        The names of the images.
    values, random, beaten : ndarray of float
        Each measure of each map, the mean of its random maps, and the share of these that it
        beats, [M, K, N]; NaN where an image has no such value.
    low, high : ndarray of float
        The 95% interval of the mean over the images, [M, K]: Student's t on a scale on which the
        measure has no ends, NaN for one image; of shares that of Wilson (1927). Of a measure
        without ends, from ten images on, percentiles of the means of 2000 resamples of the images
        (Efron 1979), the same resamples for all methods, expanded as few images ask for (Hesterberg
        2015). Where all values are equal, the share that Wilson leaves to none of the images may
        lie anywhere between the ends of the measure; NaN where it has not got two.
    random_count : int
        How many random maps each map was compared with.
    settings : CheckSettings
        What was measured, and how finely.
    best_thresholds : tuple of float
        Of each method the part of a map's maximum at which most boxes are found; NaN where none was
        measured, and empty where no object is marked.
    """

    derived: ClassVar[tuple[str, ...]] = ("cells", "verdicts", "confidence")

    methods: tuple[str, ...]
    titles: tuple[str, ...]
    columns: tuple[MeasureColumn, ...]
    images: tuple[str, ...]
    values: NDArray[np.float64]
    random: NDArray[np.float64]
    beaten: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    random_count: int
    settings: CheckSettings
    best_thresholds: tuple[float, ...] = ()

    def cell(self, method: str, measure: str) -> EvaluationCell:
        """Return one cell of the table.

        Raises
        ------
        UsageError
            If the method or the measure is not in it.
        """
        row = _place(method, self.methods, "method")
        column = _place(measure, [one.key for one in self.columns], "measure")
        held = np.isfinite(self.values[row, column])
        beaten = self.beaten[row, column][held]
        judged = bool(beaten.size) and bool(np.isfinite(beaten).all())
        return EvaluationCell(
            method=method,
            measure=measure,
            images=int(held.sum()),
            mean=_mean(self.values[row, column]),
            low=float(self.low[row, column]),
            high=float(self.high[row, column]),
            random=_mean(self.random[row, column][held]),
            beaten=float(beaten.mean()) if judged else float("nan"),
            chance=p_value(beaten, self.random_count) if judged else float("nan"),
        )

    @property
    def cells(self) -> tuple[EvaluationCell, ...]:
        """Every cell, method by method."""
        return tuple(self.cell(m, column.key) for m in self.methods for column in self.columns)

    @property
    def confidence(self) -> float:
        """The share of such intervals that hold the true mean, 0.95."""
        return LEVEL

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Which methods fail a check, and of which that is not known; one where none fails.

        A method without a value on any image is not judged: its map may be of a layer that images
        pass by under other weights, or have one value everywhere.
        """
        checks = self._checks()
        found = []
        for check in checks:
            taken = {m: self.cell(m, check.measure).images > 0 for m in self.methods}
            judged = {m: check.judge(partial(self.cell, m)) for m in self.methods if taken[m]}
            for verdict, said in ((False, check.failed_by), (None, check.unknown_by)):
                found += self._named(said, [m for m in judged if judged[m] is verdict])
            said = f"Measured on no image, and so not judged by the check {check.name}"
            found += self._named(said, [m for m in self.methods if not taken[m]])
        if checks and not found:
            found.append("No method fails a check.")
        return tuple(found)

    def _named(self, said: str, methods: Sequence[str]) -> list[str]:
        named = [t for m, t in zip(self.methods, self.titles, strict=True) if m in methods]
        return [f"{said}: {', '.join(named)}."] if named else []

    def _checks(self) -> list[Check]:
        """Return the checks whose measure was taken."""
        keys = {column.key for column in self.columns}
        every = (group.check for group in MEASURE_GROUPS.values())
        return [check for check in every if check is not None and check.measure in keys]

    def limit(self, method: str, measure: str) -> float | None:
        """Return the value that a method's measure must stay below; None where there is none."""
        for check in self._checks():
            if check.measure == measure:
                return check.limit(partial(self.cell, method))
        return None

    def main_columns(self) -> list[MeasureColumn]:
        """Return the measures that stand for their groups, in the order of the groups."""
        held = {column.key: column for column in self.columns}
        keys = [key for group in MEASURE_GROUPS.values() for key in group.main]
        return [held[key] for key in keys if key in held]

    def summary(self) -> str:
        """Say how much was compared."""
        count = len(self.images)
        return (
            f"{plural(len(self.methods), 'method')} on {plural(count, 'image')} with "
            f"{self.provenance.model}"
        )

    def caption(self) -> str:
        """Say how to read the picture and the table."""
        return (
            "Each dot is the mean of a method over the images, with its 95% interval "
            "(Student's t on the scale of the logit or logarithm where a measure has ends, and of "
            "shares that of Wilson 1927; bootstrap over the images where it has none and they are "
            "ten or more); each grey line is the mean of the "
            "random maps of the same images, "
            "which have the same values in random places. A dot on its line means nothing. Maps "
            "that keep more similarity than the dotted limit while weights are redrawn, a little "
            "more than the plain gradient keeps, show the photos more than the network. "
            + self._boxes_told()
            + " ".join([*self.counted(), *self.verdicts])
        )

    def counted(self) -> tuple[str, ...]:
        """Say which of the main measures are of fewer images, and where intervals assume more."""
        main = [place for place, one in enumerate(self.columns) if one in self.main_columns()]
        counts = [np.isfinite(self.values[:, place]).sum(-1) for place in main]
        fewer = list(filter(None, map(self._fewer, main, counts)))
        told = [f"Over as many images as have such a value: {', '.join(fewer)}."] if fewer else []
        if any(((each > 0) & (each < _MANY_IMAGES)).any() for each in counts):
            at_best = ", nor at a best threshold of fewer than ten" if self.best_thresholds else ""
            # In words: what a picture has in digits is a value of the result.
            told.append(
                f"Of one image there is no interval{at_best}. Where a few images have far larger "
                "values than the others, intervals over fewer than forty hold the mean less often "
                "than they say."
            )
        return tuple(told)

    def _fewer(self, place: int, counts: NDArray[np.int64]) -> str:
        """Return how many images have a value of a measure, and of which methods fewer have."""
        every = int(np.isfinite(self.values[:, place]).any(0).sum())
        named = zip(self.titles, counts, strict=True)
        fewer = [f"{title} {count}" for title, count in named if 0 < count < every]
        if not fewer and every in (0, len(self.images)):
            return ""
        beside = f" ({', '.join(fewer)})" if fewer else ""
        return f"{self.columns[place].title} {every}{beside}"

    def _boxes_told(self) -> str:
        """Say at which threshold each method finds most boxes."""
        known = [
            f"{title} {100 * threshold:.0f}%"
            for title, threshold in zip(self.titles, self.best_thresholds, strict=False)
            if math.isfinite(threshold)
        ]
        if not known:
            return ""
        return (
            f"A box is found if it overlaps the object's by {ENOUGH:g} or more of their union; it "
            "is the one around the largest connected piece of a map above "
            f"{100 * BOX_THRESHOLD:.0f}% of its maximum (Zhou et al. 2016). With the best "
            "threshold (Choe et al. 2020), chosen on these images, it is above: "
            f"{', '.join(known)}. "
        )

    def table(self) -> Table:
        """Return a row for each method and measure."""
        columns = [entry.name for entry in fields(EvaluationCell)]
        return Table.of(columns, [[getattr(c, name) for name in columns] for c in self.cells])

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw a panel for each of the main measures."""
        from cnnviz.evaluation.picture import draw

        return draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Draw the one measure, where no more are drawn."""
        from cnnviz.evaluation.picture import draw_panel

        if len(self.main_columns()) > 1:
            super().draw_panel(axes)
        draw_panel(self, axes)


def _place(name: str, known: Sequence[str], what: str) -> int:
    if name not in known:
        raise UsageError(
            f"There is no {what} {name!r} in this table.",
            did_you_mean(name, known, f"There are {', '.join(known)}."),
        )
    return list(known).index(name)


def _mean(values: NDArray[np.float64]) -> float:
    held = values[np.isfinite(values)]
    return float(held.mean()) if held.size else float("nan")


def summarised(
    methods: Sequence[str],
    records: Sequence[Sequence[MapMeasurements]],
    items: Sequence[EvaluationImage],
    provenance: Provenance,
    *,
    random: int,
    settings: CheckSettings,
) -> Evaluation:
    """Make the table from a record for each method and image."""
    columns = _columns(records)
    shape = (len(methods), len(columns), len(items))
    held = {name: np.full(shape, np.nan) for name in ("value", "random", "beaten")}
    for row, several in enumerate(records):
        for image, record in enumerate(several):
            for column, entry in zip(record.columns, record.entries, strict=True):
                for name, array in held.items():
                    array[row, columns.index(column), image] = getattr(entry, name)
    low, high = intervals(held["value"], settings.seed, [ends_of(column.key) for column in columns])
    best = best_threshold(columns, held, settings.seed)
    if best is not None:
        columns = [*columns, best.column]
        held = {
            name: np.concatenate([array, best.held[name][:, None]], axis=1)
            for name, array in held.items()
        }
        low = np.concatenate([low, best.low[:, None]], axis=1)
        high = np.concatenate([high, best.high[:, None]], axis=1)
    return Evaluation(
        provenance=provenance,
        methods=tuple(methods),
        titles=tuple(several[0].title for several in records),
        columns=tuple(columns),
        images=tuple(item.name for item in items),
        values=held["value"],
        random=held["random"],
        beaten=held["beaten"],
        low=low,
        high=high,
        random_count=random,
        settings=settings,
        best_thresholds=() if best is None else best.thresholds,
    )


def _columns(records: Sequence[Sequence[MapMeasurements]]) -> list[MeasureColumn]:
    """Return all measures, in the order of the record that has most of them."""
    every = [record for several in records for record in several]
    found = dict.fromkeys(max(every, key=lambda record: len(record.columns)).columns)
    for record in every:
        found.update(dict.fromkeys(record.columns))
    return list(found)
