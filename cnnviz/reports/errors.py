"""The report on wrong answers: which they are, and which classes are confused."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cnnviz.reports.answer_report import answer_report, write_csv
from cnnviz.reports.answer_sections import classes, confusion, provenance, unless_nan, wrong
from cnnviz.reports.own_files import CLASSES, ERROR_NUMBERS, ERRORS
from cnnviz.results.text import count, percent

if TYPE_CHECKING:
    from cnnviz.evaluation.mistakes import ErrorAnalysis
    from cnnviz.reports.document import Report
    from cnnviz.reports.progress import ReportProgress


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
        confusion(found),
        classes(found),
        provenance(found),
    )
    measured = (
        ("Wrong", count(found.wrong)),
        ("Right", str(found.accuracy)),
        ("Mean recall of the classes", unless_nan(found.macro_recall, percent)),
        ("Mean F1", unless_nan(found.macro_f1)),
        ("Calibration error", percent(found.calibration.error)),
    )
    beside = (
        (ERRORS, found.save),
        (ERROR_NUMBERS[0], found.save),
        (CLASSES, partial(write_csv, found.class_table)),
    )
    heading = f"Where {found.provenance.model} is wrong"
    return answer_report(found, heading, measured, sections, beside, progress)
