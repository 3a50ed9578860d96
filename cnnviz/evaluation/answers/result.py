"""What every result of a pass over labelled images holds: counts, measures, mistakes explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.evaluation.answers.examples import Example
from cnnviz.evaluation.answers.measures import Calibration, ClassMeasures, Share, mean_of
from cnnviz.evaluation.answers.tally import Mistake
from cnnviz.evaluation.answers.truth import Matching
from cnnviz.models import OutputKind
from cnnviz.results.intervals import LEVEL
from cnnviz.results.table import Table, TableResult


@dataclass(frozen=True)
class ConfusedPair:
    """How often one class is taken for another.

    Attributes
    ----------
    truth, answer : str
        What the label says, and what the network says.
    count, labelled : int
        So many of the images with the label.
    """

    derived: ClassVar[tuple[str, ...]] = ("share",)

    truth: str
    answer: str
    count: int
    labelled: int

    @property
    def share(self) -> float:
        """The share of the images with the label, 0 to 1."""
        return self.count / self.labelled if self.labelled else 0.0


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class CountedAnswers(TableResult):
    """The answers of a network to labelled images, counted; the worst explained.

    Attributes
    ----------
    kind : OutputKind
        What the output means: classes, labels, or one logit.
    data, fingerprint : str
        What the images are, and the SHA-256 of their names, sizes and times.
    matched_by : {"name", "number", "order", "wordnet"}
        What makes a label a class of the network: its name, its number, its place among the
        labels, which is an assumption, or its WordNet id.
    matched : str
        That in a sentence.
    images : int
        How many were answered.
    decisions : int
        How many answers that is: one an image, or one for each label of each.
    wrong : int
        How many of them are wrong.
    mistakes : tuple of Mistake
        Wrong answers, worst first.
    examples : tuple of Example
        The first of these, with their pictures.
    measures : tuple of ClassMeasures
        Recall, precision and F1 of each class that has a label or an answer, over all images.
    shown_classes : tuple of str
        The classes of the confusion matrix, those of `measures`; none for independent labels.
    confusion : ndarray of int64
        The confusion matrix: images with a label (rows) by answers (columns), both in the order of
        `shown_classes`.
    calibration : Calibration
        How often answers are right, by how sure the network is.
    layer : str
        The layer of the heatmaps; empty where there are none.
    noun : str
        What one input of the network is called: image, signal or volume.
    """

    derived: ClassVar[tuple[str, ...]] = (
        "accuracy",
        "macro_recall",
        "macro_f1",
        "pairs",
        "drawn_classes",
        "further_pairs",
        "level",
    )

    kind: OutputKind
    data: str
    fingerprint: str
    matched_by: Matching
    matched: str
    images: int
    decisions: int
    wrong: int
    mistakes: tuple[Mistake, ...]
    examples: tuple[Example, ...]
    measures: tuple[ClassMeasures, ...]
    shown_classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    calibration: Calibration
    layer: str = ""
    noun: str = "image"

    @property
    def assumed(self) -> str:
        """What the summary says of how labels were matched; nothing where that is known."""
        if self.matched_by != "order":
            return ""
        return "; labels taken for classes by their order, not by name"

    @property
    def accuracy(self) -> Share:
        """How many of the answers are right."""
        return Share(self.decisions - self.wrong, self.decisions)

    @property
    def macro_recall(self) -> float:
        """The mean of the recalls of the classes that have images."""
        return mean_of([each.recall.value for each in self.measures])

    @property
    def macro_f1(self) -> float:
        """The mean of the F1 of the classes that have images or answers."""
        return mean_of([each.f1 for each in self.measures])

    def _measures_told(self) -> str:
        """Say how to read the confusion matrix, where there is one, and recall and precision."""
        matrix = (
            "Confusion matrix: rows are labels, columns answers; a cell has its count, and its "
            "colour is the share of its row. "
            if len(self.shown_classes)
            else ""
        )
        return (
            f"{matrix}Recall is how many of the {self.noun}s with a label are answered so, "
            f"precision how many of the {self.noun}s answered so have the label; lines are 95% "
            "intervals (Wilson)"
        )

    @cached_property
    def pairs(self) -> tuple[ConfusedPair, ...]:
        """Pairs of classes that are confused, most often first."""
        labelled = self.confusion.sum(1)
        rows, columns = np.nonzero(self.confusion * (1 - np.eye(len(self.confusion), dtype=int)))
        found = [
            ConfusedPair(
                self.shown_classes[row],
                self.shown_classes[column],
                int(self.confusion[row, column]),
                int(labelled[row]),
            )
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        return tuple(sorted(found, key=lambda pair: (-pair.count, pair.labelled)))

    @property
    def least_recalled(self) -> tuple[ClassMeasures, ...]:
        """The classes, those that are recalled least first; without images they come last."""
        return tuple(
            sorted(
                self.measures,
                key=lambda each: (each.labelled == 0, each.recall.value, -each.labelled),
            )
        )

    @property
    def drawn_classes(self) -> tuple[str, ...]:
        """The classes whose recall and precision are drawn: all, or those recalled least."""
        from cnnviz.evaluation.answers.panels import shown_measures

        return tuple(each.name for each in shown_measures(self))

    @property
    def further_pairs(self) -> int:
        """How many of `pairs` there is no room for in the picture."""
        from cnnviz.evaluation.answers.panels import listed_pairs, matrix_fits

        return 0 if matrix_fits(self) else len(self.pairs) - len(listed_pairs(self))

    @property
    def level(self) -> float:
        """The share of the intervals that hold the true share, 0.95."""
        return LEVEL

    @property
    def decided(self) -> str:
        """What an answer is about: an image, or a label of an image."""
        return "label" if self.kind == OutputKind.LABELS else self.noun

    def class_table(self) -> Table:
        """Return a row for each class: its counts, recall and precision with intervals, and F1."""
        ends = [f"{name} {end}" for name in ("recall", "precision") for end in ("", "low", "high")]
        columns = ("class", "labelled", "answered", "right", *map(str.strip, ends), "f1")
        rows = [
            (
                each.name,
                each.labelled,
                each.answered,
                each.right,
                each.recall.value,
                *each.recall.interval,
                each.precision.value,
                *each.precision.interval,
                each.f1,
            )
            for each in self.measures
        ]
        return Table.of(columns, rows)

    def mistake_table(self) -> Table:
        """Return a row for each of `mistakes`."""
        columns = ("image", "truth", "answer", "confidence", "truth probability", "loss")
        rows = [
            (m.image, m.truth, m.answer, m.confidence, m.truth_probability, m.loss)
            for m in self.mistakes
        ]
        return Table.of(columns, rows)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the confusion matrix, the calibration, and the maps of the examples."""
        found: dict[str, NDArray[Any]] = {
            "confusion": self.confusion,
            "calibration counts": self.calibration.counts,
            "calibration right": self.calibration.right,
            "calibration confidence": self.calibration.confidence,
        }
        for place, example in enumerate(self.examples):
            for name, heat in zip(("answer", "truth"), example.maps, strict=False):
                found[f"example {place} {name}"] = heat
        return found


def confusion_of(
    pairs: Sequence[tuple[tuple[int, int], int]], measures: Sequence[ClassMeasures]
) -> NDArray[np.int64]:
    """Return the confusion matrix over the classes that have a label or an answer."""
    places = {each.index: place for place, each in enumerate(measures)}
    found = np.zeros((len(places), len(places)), np.int64)
    for (truth, answer), count in pairs:
        found[places[truth], places[answer]] = count
    return found
