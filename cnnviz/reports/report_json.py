"""What report.json holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnnviz.reports.content import ImageAnswer, Picture, Section, WrongAnswer
from cnnviz.reports.destination import FORMAT
from cnnviz.reports.pictures import DrawnPicture
from cnnviz.reports.sections.provenance import versions
from cnnviz.results.json_values import JsonValues

if TYPE_CHECKING:
    from cnnviz.reports.document import Report, ReportFile

SCHEMA = "cnnviz/report/1"
"""What report.json says of its form; `docs/json.md` has it."""


def report_json(
    report: Report,
    drawings: Mapping[str, DrawnPicture],
    files: Sequence[ReportFile],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return all of a report, as `docs/json.md` has it: what it says, its pictures and files."""
    names = {entry.slug: entry.name for entry in report.answers}
    times = {step: round(spent, 4) for step, spent in report.steps.times.items()}
    found = {
        "format": FORMAT,
        "created": report.created.isoformat(timespec="seconds"),
        "versions": versions(),
        "provenance": report.provenance,
        "facts": dict(report.facts),
        "notes": [*report.notes, *notes],
        "images": [_answer_to_json(entry, drawings) for entry in report.answers],
        "refused": report.refused,
        "sections": [_section_to_json(part, names, drawings) for part in report.sections],
        "seconds": {**times, "total": round(sum(report.steps.times.values()), 4)},
        "files": [entry.to_json() for entry in files],
        # Only where there are any, as of the preface: few reports have them.
        **({"preface": list(report.preface)} if report.preface else {}),
        **({"failures": report.failures} if report.failures else {}),
    }
    values = JsonValues()
    told = values.plain(found)
    infinite = {"infinite": values.infinite} if values.infinite else {}
    return {"schema": SCHEMA, **infinite, **told}


def _answer_to_json(entry: ImageAnswer, drawings: Mapping[str, DrawnPicture]) -> dict[str, Any]:
    return {
        "name": entry.name,
        "guesses": entry.guesses,
        "output": entry.output,
        "target": entry.target,
        "notes": list(entry.notes),
        "photo": _picture_to_json(entry.photo, drawings),
        "overlay": _picture_to_json(entry.overlay, drawings) if entry.overlay else None,
    }


def _section_to_json(
    part: Section, names: Mapping[str, str], drawings: Mapping[str, DrawnPicture]
) -> dict[str, Any]:
    # Only where there are any: few reports are about wrong answers.
    answers = [_wrong_to_json(one, drawings) for one in part.answers]
    return {
        "key": part.key,
        "title": part.title,
        "anchor": part.anchor,
        "image": names.get(part.subject),
        "lead": list(part.lead),
        "notes": list(part.notes),
        "pictures": [_picture_to_json(picture, drawings) for picture in part.pictures],
        "tables": part.tables,
        **({"answers": answers} if answers else {}),
    }


def _wrong_to_json(entry: WrongAnswer, drawings: Mapping[str, DrawnPicture]) -> dict[str, Any]:
    told = {name: value for name, value in vars(entry).items() if name != "picture"}
    return {**told, "picture": _picture_to_json(entry.picture, drawings)}


def _course(picture: Picture) -> dict[str, Any]:
    """Return what is told around a picture and how it is made, of those that have it."""
    words = {"before": list(picture.before), "after": list(picture.after)}
    calls = {"code": picture.code, "command": picture.command}
    return {name: value for name, value in {**words, **calls}.items() if value}


def _picture_to_json(picture: Picture, drawings: Mapping[str, DrawnPicture]) -> dict[str, Any]:
    drawn = drawings[picture.name]
    return {
        "file": drawn.path,
        "width": drawn.width,
        "height": drawn.height,
        "title": picture.title,
        "caption": picture.caption,
        "alt": picture.alt,
        **_course(picture),
        # The origin of every picture stands once, at the top and in the file itself.
        "data": drawn.numbers,
    }
