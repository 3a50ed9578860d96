"""From a report to a page: heads, chapters and the table of contents."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from cnnviz.reports.html_writer import OVERVIEW, Chapter, ContentsLine, Page
from cnnviz.results.text import measured_time, plural

if TYPE_CHECKING:
    from cnnviz.reports.document import Report


# With more images than this, the table of contents lists them without their sections.
MOST_UNFOLDED = 8


def layout(report: Report) -> Page:
    """Arrange a report for reading from top to bottom."""
    heading = _heading(report)
    chapters = _chapters(report)
    return Page(
        title=f"{heading} · cnnviz",
        heading=heading,
        kind=report.kind,
        kicker=f"cnnviz {report.kind}, {_day(report.created)}",
        description=_description(report),
        model=report.provenance.model,
        version=report.provenance.cnnviz,
        made=f"{_day(report.created)}, {report.created:%H:%M %Z}".rstrip(),
        closing=_closing(report),
        facts=report.facts,
        preface=report.preface,
        notes=report.notes,
        refused=report.refused,
        answers=report.answers,
        chapters=chapters,
        contents=_contents(report, chapters),
        failures=tuple(map(str, report.failures)),
    )


def _heading(report: Report) -> str:
    model, answers = report.provenance.model, report.answers
    if report.heading:
        return report.heading
    if not answers:
        return f"A look inside {model}"
    if len(answers) == 1:
        return f"What {model} sees in {answers[0].name}"
    return f"What {model} sees in {plural(len(answers), 'image')}"


def _description(report: Report) -> str:
    said = [
        f"{entry.name}: {entry.best.category} ({entry.best.said})"
        for entry in report.answers[:5]
        if entry.guesses
    ]
    return f"{_heading(report)}. {'; '.join(said)}" if said else _heading(report)


def _closing(report: Report) -> str:
    spent = measured_time(sum(report.steps.times.values()))
    return f"Looking and drawing took {spent}. Every number of this page is in report.json."


def _day(moment: datetime) -> str:
    # Without the day's leading zero, which strftime cannot leave out on every system.
    return f"{moment.day} {moment:%B %Y}"


def _chapters(report: Report) -> tuple[Chapter, ...]:
    """Put neighbouring sections about the same image together, where there are several images."""
    if len(report.answers) < 2:
        return (Chapter(report.sections),)
    answers = {entry.slug: entry for entry in report.answers}
    chapters: list[Chapter] = []
    for part in report.sections:
        owner = answers.get(part.subject)
        if chapters and chapters[-1].answer is owner:
            chapters[-1] = Chapter((*chapters[-1].sections, part), owner)
        else:
            chapters.append(Chapter((part,), owner))
    return tuple(chapters)


def _contents(report: Report, chapters: tuple[Chapter, ...]) -> tuple[ContentsLine, ...]:
    entries = [ContentsLine("Overview", OVERVIEW)] if len(report.answers) > 1 else []
    for chapter in chapters:
        lines = tuple(ContentsLine(part.title, part.anchor) for part in chapter.sections)
        if chapter.answer is None:
            entries += lines
        else:
            inner = lines if len(report.answers) <= MOST_UNFOLDED else ()
            entries.append(ContentsLine(chapter.answer.name, chapter.answer.anchor, inner))
    return tuple(entries)
