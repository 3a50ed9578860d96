"""What the reports on answers to labelled images share: the head, and tables beside the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cnnviz.reports.document import Report
from cnnviz.reports.progress import DRAWING_SHARE, WRITING_STEPS, ReportProgress, Steps
from cnnviz.results.text import count

if TYPE_CHECKING:
    from cnnviz.evaluation.answers.result import CountedAnswers
    from cnnviz.reports.content import Section
    from cnnviz.results.table import Table


def answer_report(
    found: CountedAnswers,
    heading: str,
    measured: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    beside: Sequence[tuple[str, Callable[[Path], object]]],
    progress: ReportProgress | None,
) -> Report:
    """Return a report on answers to labelled images.

    Parameters
    ----------
    found : CountedAnswers
        The answers.
    heading : str
        The first line of the page.
    measured : sequence of (str, str)
        What its head says after the network and the data.
    sections : sequence of Section
        In reading order.
    beside : sequence of (str, callable)
        Further files: the name of each, and what writes it to a path.
    progress : callable, optional
        As `Report.save` calls it while it draws.
    """
    steps = Steps(progress)
    steps.rest(DRAWING_SHARE * len(sections) + WRITING_STEPS)
    answers = [("Answers", count(found.decisions))] if found.decisions != found.images else []
    return Report(
        provenance=found.provenance,
        created=datetime.now().astimezone(),
        facts=(
            ("Network", found.provenance.model),
            ("Weights", found.provenance.weights),
            ("Data", found.data),
            (f"{found.noun.capitalize()}s", count(found.images)),
            *answers,
            *measured,
        ),
        answers=(),
        sections=tuple(sections),
        notes=found.provenance.notes,
        steps=steps,
        heading=heading,
        beside=tuple(beside),
    )


def write_csv(table: Callable[[], Table], path: Path) -> None:
    """Write a table as CSV; a name that is not UTF-8 is written with escapes."""
    path.write_bytes(table().to_csv().encode("utf-8", errors="backslashreplace"))
