"""The lecture as a notebook: the same words, and the same calls to be run again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cnnviz.reports.document import Report


def write_notebook(report: Report, beginning: str, path: Path) -> None:
    """Write a notebook (nbformat 4.5) of a lecture, with no output in it.

    Parameters
    ----------
    report : Report
        The lecture.
    beginning : str
        What defines the names of its calls.
    path : Path
        The file.
    """
    cells = [_words(f"# {report.heading}"), _code(beginning)]
    for section in report.sections:
        cells.append(_words("\n\n".join((f"## {section.title}", *section.lead, *section.notes))))
        for picture in section.pictures:
            if picture.before:
                cells.append(_words("\n\n".join(picture.before)))
            variable = picture.code.partition(" = ")[0]
            cells.append(_code(f"{picture.code}\n{variable}"))
            if picture.after:
                cells.append(_words("\n\n".join(picture.after)))
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
        "cells": [{"id": _identity(place, cell), **cell} for place, cell in enumerate(cells)],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _words(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": _lines(text)}


def _code(text: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": _lines(text),
    }


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _identity(place: int, cell: dict[str, Any]) -> str:
    """Return a cell's id: the same whenever the same lecture is written."""
    text = f"{place} {''.join(cell['source'])}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]
