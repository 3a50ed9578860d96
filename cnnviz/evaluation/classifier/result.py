"""The evaluation of a classifier as a result: a table of its classes, curves, and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.evaluation.answers.measures import BINS, ClassMeasures, Share, mean_of
from cnnviz.evaluation.answers.result import CountedAnswers
from cnnviz.evaluation.classifier.chance_calibration import ChanceCalibration
from cnnviz.evaluation.classifier.conditions import Condition
from cnnviz.evaluation.classifier.measures import (
    FEW,
    NONE,
    Brier,
    Estimate,
    TopK,
    f1_of,
    mean_error,
)
from cnnviz.evaluation.classifier.ranking import ClassRanking, RocCurve
from cnnviz.models import OutputKind
from cnnviz.results import drawing
from cnnviz.results.checks import Check, Checked
from cnnviz.results.table import Table
from cnnviz.results.text import listed, number, percent, plural, three_digits

_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ClassifierEvaluation(Checked, CountedAnswers):
    """How good a classifier is over labelled images.

    What it holds besides is what `CountedAnswers` does; `mistakes` are all wrong answers, the
    surest first.

    Attributes
    ----------
    image_names : tuple of str
        The N images that were answered.
    labels : ndarray of bool
        Which classes are right, [N, K].
    probabilities : ndarray of float64
        What the network gives each class, [N, K].
    top_k : tuple of TopK
        How often the label is among the k likeliest classes; none for independent labels.
    all_right : Share or None
        Of independent labels the images with every label right; None otherwise.
    rankings : tuple of ClassRanking
        Each class that has images, against all others.
    curves : tuple of RocCurve
        The ROC curves that are drawn: of up to 8 classes all, of more those with the least area,
        least first, and those with 10 images or more before others; of two classes that exclude
        each other the second's, whose mirror image is the first's.
    brier : Brier
        The Brier score.
    by_chance : ChanceCalibration
        How large the calibration error of a perfectly calibrated network would be.
    checks : tuple of Check
        The conditions that were asked for with `fail_on`: one that holds has failed.
    """

    left_out: ClassVar[tuple[str, ...]] = ("image_names", "labels", "probabilities")
    derived: ClassVar[tuple[str, ...]] = (
        *CountedAnswers.derived,
        "error_rate",
        "balanced_error_rate",
        "macro_auc",
        "few_images",
        "failed",
        "unanswered",
    )

    image_names: tuple[str, ...]
    labels: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    top_k: tuple[TopK, ...]
    all_right: Share | None
    rankings: tuple[ClassRanking, ...]
    curves: tuple[RocCurve, ...]
    brier: Brier
    by_chance: ChanceCalibration
    checks: tuple[Check, ...] = ()

    @property
    def error_rate(self) -> Share:
        """How many of the answers are wrong."""
        return Share(self.wrong, self.decisions)

    @property
    def balanced_error_rate(self) -> Estimate:
        """The mean of the error rates of the classes that have images, each counted once.

        Of independent labels it is the mean over the labels of two error rates: of the images that
        have the label, and of those that have not.
        """
        errors = [Share(one.labelled - one.right, one.labelled) for one in self.measures]
        if self.kind == OutputKind.LABELS:
            without = [
                Share(one.answered - one.right, self.images - one.labelled) for one in self.measures
            ]
            both = zip(errors, without, strict=True)
            errors = [each for pair in both if all(one.of for one in pair) for each in pair]
        return mean_error(errors)

    @property
    def macro_auc(self) -> float:
        """The mean area under the ROC curves of the classes that have one."""
        return mean_of([each.auc.value for each in self.rankings])

    @property
    def few_images(self) -> tuple[str, ...]:
        """The classes with fewer than 10 images, of which the measures say little."""
        return tuple(one.name for one in self.measures if self.has_few(one))

    def has_few(self, measured: ClassMeasures) -> bool:
        """Return whether a class has too few images to say much."""
        return measured.labelled < FEW

    def f1(self, measured: ClassMeasures) -> Estimate:
        """Return the F1 of a class with its interval."""
        return f1_of(measured)

    def summary(self) -> str:
        """Say how many answers are wrong, and how well classes are recognised."""
        over = f" over {plural(self.images, self.noun)}" if self.kind == OutputKind.LABELS else ""
        parts = [
            f"{self.wrong:,} of {plural(self.decisions, self.decided)} wrong{over}, "
            f"error rate {self.error_rate}",
            f"balanced {self.balanced_error_rate}",
            *(f"top-{top.k} error {top.wrong}" for top in self.top_k if top.k > 1),
            f"mean AUC {three_digits(self.macro_auc)}",
            f"calibration error {percent(self.calibration.error)}",
        ]
        return f"{self.provenance.model}: {'; '.join(parts)}{self.assumed}"

    def caption(self) -> str:
        """Say how to read the picture and the table, and what was taken how."""
        return (
            f"{self._measures_told()}. "
            f"{self._balanced_told()} {self._curves_told()} {self._calibration_told()} "
            f"{self._brier_told()}{self._few_told()} {self.matched}"
        )

    def _balanced_told(self) -> str:
        if self.kind == OutputKind.LABELS:
            return (
                "The balanced error rate is the mean over the labels of the error rates of the "
                f"{self.noun}s with it and without it."
            )
        return (
            f"The balanced error rate counts every class that has {self.noun}s alike, however "
            "many it "
            "has."
        )

    def _curves_told(self) -> str:
        if not self.curves:
            return (
                f"No class has {self.noun}s with and without its label, so there is no ROC curve."
            )
        known = sum(1 for one in self.rankings if one.auc.value == one.auc.value)
        which = ""
        if len(self.curves) < known:
            which = (
                " Of the two classes the second's is drawn; the first's is its mirror image."
                if known == 2
                else f" Drawn are the {len(self.curves)} of {known} classes with the least area, "
                f"those with {FEW} {self.noun}s or more before others."
            )
        return (
            f"A ROC curve sets a class against all others: the {self.noun}s are taken in the "
            "order of its "
            "probability, those with the label count upwards and those without it to the right. "
            "The area under it (AUC) is how often one with the label is put before one "
            f"without; 0.5 is chance (intervals: Newcombe 2006).{which}"
        )

    def _calibration_told(self) -> str:
        chance = self.by_chance
        return (
            "In a calibrated network the answers that are p% sure are right in p% of cases; the "
            f"expected calibration error over {BINS} equal bins of confidence (Guo et al. 2017) is "
            f"{percent(self.calibration.error)}, and would be {percent(chance.mean)} by chance, or "
            f"up to {percent(chance.high)}, of answers exactly as often right as they are sure "
            f"({chance.draws} draws, seed {chance.seed})."
        )

    def _brier_told(self) -> str:
        form = {
            OutputKind.CLASSES: "summed over the classes, 0 to 2",
            OutputKind.LABELS: "the mean over the labels, 0 to 1",
            OutputKind.LOGIT: "of the positive class, 0 to 1",
        }.get(self.kind, "")
        return (
            f"The Brier score is the squared distance of the probabilities from what is right, "
            f"{form}: {self.brier.score.written(number)}; always giving the shares of the labels "
            f"would have {number(self.brier.of_frequencies)}."
        )

    def _few_told(self) -> str:
        few = self.few_images
        if not few:
            return ""
        have = "has" if len(few) == 1 else "have"
        return (
            f" {listed(few, _MOST_NAMED)} {have} fewer than {FEW} {self.noun}s, too few to say "
            "how well "
            "the class is recognised: the intervals show it."
        )

    def table(self) -> Table:
        """Return a row for each class: its counts, and its measures with their intervals."""
        counted = self.class_table()
        of = {one.index: one for one in self.rankings}
        further = ("f1 low", "f1 high", "AUC", "AUC low", "AUC high", "average precision", "few")
        rows = []
        for one, row in zip(self.measures, counted.rows, strict=True):
            ranking, f1 = of.get(one.index), self.f1(one)
            auc = NONE if ranking is None else ranking.auc
            precise = float("nan") if ranking is None else ranking.average_precision
            beside = (auc.value, auc.low, auc.high, precise, self.has_few(one))
            rows.append((*row, f1.low, f1.high, *beside))
        return Table.of([*counted.headings, *further], rows)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return labels and probabilities, names, the ROC curves, and what is counted."""
        found = {
            **super().arrays(),
            "labels": self.labels,
            "probabilities": self.probabilities,
            "image names": np.array(self.image_names),
        }
        for one in self.curves:
            found[f"ROC of class {one.index}"] = np.stack(
                [one.false_positive_rate, one.true_positive_rate, one.thresholds]
            )
        return found

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw confusion matrix and classes over ROC curves and calibration."""
        from cnnviz.evaluation.classifier.picture import draw

        return draw(self, into)


def with_failures(
    found: ClassifierEvaluation, conditions: Sequence[Condition]
) -> ClassifierEvaluation:
    """Return an evaluation that says which of the conditions hold."""
    name = found.provenance.model
    return replace(found, checks=tuple(each.check(found, name) for each in conditions))
