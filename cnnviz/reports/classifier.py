"""The report on how good a classifier is: its measures, its classes, and the worst answers."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from cnnviz.reports.answer_report import answer_report, write_csv
from cnnviz.reports.answer_sections import (
    classes,
    confusion,
    provenance,
    unless_nan,
    wrong,
)
from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.own_files import CLASSES, ERRORS, EVALUATION, EVALUATION_NUMBERS
from cnnviz.results.text import count, number, percent, three_digits

if TYPE_CHECKING:
    from pathlib import Path

    from cnnviz.evaluation.answers.measures import ClassMeasures
    from cnnviz.evaluation.classifier import ClassifierEvaluation
    from cnnviz.evaluation.classifier.ranking import ClassRanking
    from cnnviz.reports.document import Report
    from cnnviz.reports.progress import ReportProgress

_ALWAYS_OPEN = 40


def classifier_report(
    found: ClassifierEvaluation, *, progress: ReportProgress | None = None
) -> Report:
    """Tell how good a classifier is as a report.

    Parameters
    ----------
    found : ClassifierEvaluation
        What `cnnviz.evaluate_classifier` returned.
    progress : callable, optional
        Called as ``progress(done, total, what)`` while `Report.save` draws.

    Returns
    -------
    Report
        `Report.save` also writes ``evaluation.json``, ``evaluation.npz`` with every probability,
        ``classes.csv`` with the measures of each class, and ``errors.csv`` with every wrong answer.
    """
    sections = (
        _measures(found),
        classes(found, [_ranking(found)]),
        wrong(found),
        confusion(found, EVALUATION, pictured=False),
        provenance(found),
    )
    measured = (
        ("Error rate", str(found.error_rate)),
        ("Balanced error rate", str(found.balanced_error_rate)),
    )
    beside = (
        (EVALUATION_NUMBERS[0], partial(_write_numbers, found)),
        (CLASSES, found.save),
        (ERRORS, partial(write_csv, found.mistake_table)),
    )
    heading = f"How good {found.provenance.model} is"
    return answer_report(found, heading, measured, sections, beside, progress)


def _write_numbers(found: ClassifierEvaluation, path: Path) -> None:
    """Write the JSON, and the arrays beside it, which it writes itself where they are large."""
    found.save(path)
    arrays = path.with_suffix(".npz")
    if not arrays.exists():
        found.save(arrays)


def _measures(found: ClassifierEvaluation) -> Section:
    table = Table(
        title="Measures",
        caption="In parentheses the 95% interval. How each measure is taken stands under the "
        "picture.",
        columns=(TableColumn("Measure"), TableColumn("Value"), TableColumn("Of")),
        rows=_rows(found),
    )
    picture = Picture.of(found, EVALUATION, "Confusions, classes, ROC curves and calibration")
    return Section(
        "measures",
        "How good it is",
        "measures",
        (f"{found.summary()}.",),
        pictures=(picture,),
        tables=(table,),
    )


def _rows(found: ClassifierEvaluation) -> tuple[tuple[str, str, str], ...]:
    """Return each measure with its value, and over how many of what it was taken."""
    what = f"{count(found.decisions)} answers"
    of_classes = f"{count(sum(1 for one in found.measures if one.labelled))} classes"
    ranked = sum(1 for one in found.rankings if not math.isnan(one.auc.value))
    chance = found.by_chance
    rows = [
        ("Error rate", str(found.error_rate), what),
        ("Balanced error rate", str(found.balanced_error_rate), of_classes),
        *(
            (f"Top-{top.k} error rate", str(top.wrong), f"{count(top.right.of)} {found.noun}s")
            for top in found.top_k
            if top.k > 1
        ),
        ("Mean F1 of the classes", unless_nan(found.macro_f1), of_classes),
        (
            "Mean area under the ROC curves",
            three_digits(found.macro_auc),
            f"{count(ranked)} classes",
        ),
        ("Brier score", found.brier.score.written(number), what),
        ("Brier score of the shares of the labels", number(found.brier.of_frequencies), what),
        (
            "Expected calibration error",
            f"{percent(found.calibration.error)} (by chance {percent(chance.mean)}, up to "
            f"{percent(chance.high)})",
            f"{what} in {len(found.calibration.counts)} bins",
        ),
    ]
    if found.all_right is not None:
        nouns = f"{found.noun}s"
        rows.insert(
            1, (f"{nouns.capitalize()} with every label right", str(found.all_right), nouns)
        )
    return tuple(rows)


def _ranking(found: ClassifierEvaluation) -> Table:
    """Return the measures of each class that the page of wrong answers does without."""
    rankings = {one.index: one for one in found.rankings}
    ordered = found.least_recalled
    names = (
        f"{found.noun.capitalize()}s with the label",
        "Without",
        "F1",
        "Area under ROC",
        "Average precision",
    )
    return Table(
        title="Every class against all others",
        caption=(
            f"With 95% intervals. “few” marks classes with too few {found.noun}s to say much."
        ),
        columns=(TableColumn("Class"), *(TableColumn(name, numeric=True) for name in names)),
        rows=tuple(_row(found, each, rankings.get(each.index)) for each in ordered),
        folded=len(ordered) > _ALWAYS_OPEN,
    )


def _row(
    found: ClassifierEvaluation, measured: ClassMeasures, ranking: ClassRanking | None
) -> tuple[str, ...]:
    few = " (few)" if found.has_few(measured) else ""
    return (
        measured.name,
        f"{count(measured.labelled)}{few}",
        count(found.images - measured.labelled),
        found.f1(measured).written(unless_nan),
        "–" if ranking is None else ranking.auc.written(three_digits),
        "–" if ranking is None else unless_nan(ranking.average_precision),
    )
