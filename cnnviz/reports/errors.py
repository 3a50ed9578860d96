"""The report on wrong answers: which there are, what is mixed up, how well classes are told."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from cnnviz.reports.answer_sections import classes, mixed_up, provenance, unless_nan, wrong
from cnnviz.reports.document import Report
from cnnviz.reports.progress import DRAWING_SHARE, WRITING_STEPS, ReportProgress, Steps
from cnnviz.results.text import count, percent

if TYPE_CHECKING:
    from pathlib import Path

    from cnnviz.evaluation.mistakes import ErrorAnalysis


def error_report(found: ErrorAnalysis, *, progress: ReportProgress | None = None) -> Report:
    """Tell the wrong answers of a network as a report, with a page to leaf through them.

    Parameters
    ----------
    found : ErrorAnalysis
        What `cnnviz.error_analysis` returned.
    progress : callable, optional
        Called as ``progress(done, total, what)`` while `Report.save` draws.

    Returns
    -------
    Report
        `Report.save` also writes ``errors.csv``, ``classes.csv`` and ``errors.json``.
    """
    sections = (
        wrong(found, found.order, found.filters),
        mixed_up(found),
        classes(found),
        provenance(found),
    )
    steps = Steps(progress)
    steps.rest(DRAWING_SHARE * len(sections) + WRITING_STEPS)
    return Report(
        provenance=found.provenance,
        created=datetime.now().astimezone(),
        facts=_facts(found),
        answers=(),
        sections=sections,
        notes=found.provenance.notes,
        steps=steps,
        heading=f"Where {found.provenance.model} is wrong",
        beside=(
            ("errors.csv", found.save),
            ("errors.json", found.save),
            ("classes.csv", partial(_write_classes, found)),
        ),
    )


def _write_classes(found: ErrorAnalysis, path: Path) -> None:
    path.write_bytes(found.class_table().to_csv().encode("utf-8", errors="backslashreplace"))


def _facts(found: ErrorAnalysis) -> tuple[tuple[str, str], ...]:
    answers = [("Answers", count(found.decisions))] if found.decisions != found.images else []
    return (
        ("Network", found.provenance.model),
        ("Weights", found.provenance.weights),
        ("Data", found.data),
        ("Images", count(found.images)),
        *answers,
        ("Wrong", count(found.wrong)),
        ("Right", str(found.accuracy)),
        ("Mean recall of the classes", unless_nan(found.balanced_accuracy, percent)),
        ("Mean F1", unless_nan(found.macro_f1)),
        ("Calibration error", percent(found.calibration.error)),
    )
