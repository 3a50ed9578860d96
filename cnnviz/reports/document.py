"""A report as data, and its way onto the disk."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from cnnviz.images import Refusal
from cnnviz.reports import own_files
from cnnviz.reports.content import ImageAnswer, Picture, Section
from cnnviz.reports.destination import staged
from cnnviz.reports.draw_all import draw_all
from cnnviz.reports.failure import Failure
from cnnviz.reports.html_writer import render
from cnnviz.reports.layout import layout
from cnnviz.reports.live_maps import packed
from cnnviz.reports.pictures import DrawnPicture, data_uri
from cnnviz.reports.progress import DRAWING_SHARE, ReportProgress, Steps
from cnnviz.reports.report_json import report_json
from cnnviz.results.json_values import pretty
from cnnviz.results.notebook import shown_facts, shown_figure, shown_pixels
from cnnviz.results.provenance import Provenance
from cnnviz.results.text import file_size, first_few, plural

# Past this size mail programs refuse the file and browsers stutter.
SINGLE_FILE_LIMIT = 10_000_000
_MOST_SHOWN = 3
"""Of how many images a notebook shows a preview."""


@dataclass(frozen=True)
class ReportFile:
    """A file of a report: its path in the folder, its size in bytes, and its SHA-256."""

    path: str
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return the file as plain data."""
        return {"path": self.path, "bytes": self.size, "sha256": self.sha256}


@dataclass(frozen=True)
class Manifest:
    """What `Report.save` wrote.

    Attributes
    ----------
    directory : Path
        The report's folder.
    page, data : Path
        ``report.html`` and ``report.json``.
    pdf, single_file : Path or None
        The PDF and the page with the pictures inside, where they were asked for.
    files : tuple of ReportFile
        Every file but ``report.json``, which holds this list.
    notes : tuple of str
        What the reader of the command's output should know.
    """

    directory: Path
    page: Path
    data: Path
    pdf: Path | None
    single_file: Path | None
    files: tuple[ReportFile, ...]
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        size = file_size(sum(entry.size for entry in self.files))
        facts = [("folder", str(self.directory)), ("files", f"{len(self.files)} ({size})")]
        links = [
            f' <a href="{quote(path.as_posix())}" target="_blank">{html.escape(path.name)}</a>'
            for path in (self.page, self.pdf, self.single_file)
            if path is not None
        ]
        return shown_facts("Saved:", [*facts, *(("note", note) for note in self.notes)], *links)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as plain data."""
        return {
            "directory": str(self.directory),
            "page": str(self.page),
            "data": str(self.data),
            "pdf": str(self.pdf) if self.pdf else None,
            "single_file": str(self.single_file) if self.single_file else None,
            "files": [entry.to_json() for entry in self.files],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, repr=False, eq=False)
class Report:
    """What was found out about images and a network, in sections; nothing is drawn yet.

    Attributes
    ----------
    provenance : Provenance
        Where everything came from.
    created : datetime
        When the report was begun, with its time zone.
    facts : tuple of (str, str)
        Labels and values for the head of the page.
    answers : tuple of ImageAnswer
        One for each image, in the order given.
    sections : tuple of Section
        In reading order.
    refused : tuple of Refusal
        Images that could not be read.
    notes : tuple of str
        What a reader must know first.
    steps : Steps
        How far the job has come, and how long its steps took.
    heading : str
        The first line, where the report is not about what a network sees.
    preface : tuple of str
        Paragraphs before everything else.
    kind : str
        What it is called, in one word, and so its files: ``report.html``.
    beside : tuple of (str, callable)
        Further files: the name of each, and what writes it to a path.
    failures : list of Failure
        What is missing because it broke, which drawing may add to.
    """

    provenance: Provenance
    created: datetime
    facts: tuple[tuple[str, str], ...]
    answers: tuple[ImageAnswer, ...]
    sections: tuple[Section, ...]
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    steps: Steps = field(default_factory=Steps)
    heading: str = ""
    preface: tuple[str, ...] = ()
    kind: str = own_files.REPORT
    beside: tuple[tuple[str, Callable[[Path], object]], ...] = ()
    failures: list[Failure] = field(default_factory=list)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Every picture, those of the heads first."""
        heads = [picture for entry in self.answers for picture in _heads(entry, self.answers)]
        return (*heads, *(picture for part in self.sections for picture in part.every_picture))

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why maps of it must not be read as evidence, each sentence once."""
        return tuple(dict.fromkeys(doubt for part in self.sections for doubt in part.doubts))

    def file(self, suffix: str) -> str:
        """Return what its file of this kind is called."""
        return f"{self.kind}.{suffix}"

    @property
    def single(self) -> str:
        """What the page with its pictures inside is called."""
        return own_files.single_page(self.kind)

    def __repr__(self) -> str:
        said = [f"{entry.name}: {entry.best.category}" for entry in self.answers if entry.guesses]
        found = f" ({first_few(said, 3)})" if said else ""
        images = plural(len(self.answers), "image")
        parts = plural(len(self.sections), "section")
        return f"<Report: {self.provenance.model} on {images}{found}, {parts}>"

    def _repr_html_(self) -> str:
        heads = [entry.overlay or entry.photo for entry in self.answers[:_MOST_SHOWN]]
        titles = list(dict.fromkeys(part.title for part in self.sections))
        facts = [
            *self.facts,
            *_told_answers(self.answers),
            ("sections", "; ".join(titles)),
            *(("note", note) for note in (*self.notes, *self.doubts)),
            ("to read it", 'save("FOLDER") writes the page, and shows a link to it'),
        ]
        title = self.heading or repr(self)[1:-1]
        return shown_facts(title, facts, *map(_preview, heads))

    def save(
        self,
        directory: str | Path,
        *,
        pdf: bool = False,
        single_file: bool = False,
        force: bool = False,
        progress: ReportProgress | None = None,
    ) -> Manifest:
        """Draw the pictures and write the report, whole or not at all.

        Parameters
        ----------
        directory : str or Path
            The folder to make.
        pdf : bool
            Whether to write everything as one PDF, too.
        single_file : bool
            Whether to write one page with the pictures inside, too.
        force : bool
            Whether a report that is already there may be replaced.
        progress : callable, optional
            As for `report`, whose callback goes on being called where none is given here.

        Returns
        -------
        Manifest
            What was written.

        Raises
        ------
        OutputError
            If the folder holds anything but a report, holds a report and `force` is not set, or
            cannot be written to.
        """
        if progress is not None:
            self.steps.progress = progress
        with staged(directory, force=force) as folder:
            drawings = self._draw(folder)
            notes = self._live_note(drawings)
            with self.steps.step("writing the page", "writing the page"):
                self._write_page(folder / self.file("html"), drawings)
                if single_file:
                    notes += self._write_single_file(folder, drawings)
                if pdf:
                    self._write_pdf(folder, drawings)
                for name, write in self.beside:
                    write(folder / name)
            files = _files(folder)
            _write_json(folder / own_files.MANIFEST, report_json(self, drawings, files, notes))
        self.steps.finish()
        target = Path(directory)
        return Manifest(
            directory=target,
            page=target / self.file("html"),
            data=target / own_files.MANIFEST,
            pdf=target / self.file("pdf") if pdf else None,
            single_file=target / self.single if single_file else None,
            files=files,
            notes=notes,
        )

    def _draw(self, folder: Path) -> dict[str, DrawnPicture]:
        heads = [picture for entry in self.answers for picture in _heads(entry, self.answers)]
        parts: list[tuple[int, Sequence[Picture]]] = [(1, heads)]
        parts += [(DRAWING_SHARE, part.every_picture) for part in self.sections]
        self.steps.done += sum(worth for worth, pictures in parts if not pictures)
        plan = [
            (picture, worth if picture is pictures[-1] else 0)
            for worth, pictures in parts
            for picture in pictures
        ]
        # Other files may be made of what drawing leaves behind, as slides are.
        return draw_all(plan, folder, self.steps, here=bool(self.beside))

    def _write_page(self, path: Path, drawings: Mapping[str, DrawnPicture]) -> None:
        page = render(
            layout(self),
            drawings,
            source=lambda drawn: drawn.path,
            link=lambda drawn: drawn.path,
        )
        path.write_text(page, "utf-8", newline="\n")

    def _live_note(self, drawings: Mapping[str, DrawnPicture]) -> tuple[str, ...]:
        live = packed(self.answers, drawings)
        if live is None:
            return ()
        said = f"What the page answers with takes {file_size(live.size)} of it."
        return (said,)

    def _write_single_file(
        self, folder: Path, drawings: Mapping[str, DrawnPicture]
    ) -> tuple[str, ...]:
        inside = {name: data_uri(folder / drawn.path) for name, drawn in drawings.items()}
        page = render(
            layout(self),
            drawings,
            source=lambda drawn: inside[drawn.picture.name],
            # Browsers open no data address from a link: without scripts the click stays here.
            link=lambda drawn: f"#picture-{drawn.picture.name}",
        )
        (folder / self.single).write_text(page, "utf-8", newline="\n")
        size = len(page.encode())
        if size <= SINGLE_FILE_LIMIT:
            return ()
        return (
            f"{self.single} has {file_size(size)}, more than "
            f"{file_size(SINGLE_FILE_LIMIT)}: rather pass on the whole folder, whose "
            f"{self.file('html')} loads its pictures one by one.",
        )

    def _write_pdf(self, folder: Path, drawings: Mapping[str, DrawnPicture]) -> None:
        from cnnviz.reports.pdf_writer import write_pdf

        write_pdf(layout(self), drawings, folder, folder / self.file("pdf"), self.created)


def _heads(entry: ImageAnswer, answers: Sequence[ImageAnswer]) -> list[Picture]:
    heads = [entry.photo]
    if len(answers) > 1:
        heads.append(entry.thumbnail)
    if entry.overlay is not None:
        heads.append(entry.overlay)
    return heads


def _told_answers(answers: Sequence[ImageAnswer]) -> list[tuple[str, str]]:
    best = [(entry.name, entry.best) for entry in answers if entry.guesses]
    return [(name, f"{guess.category} ({guess.said})") for name, guess in best]


def _preview(picture: Picture) -> str:
    drawn = picture.draw()
    if isinstance(drawn, np.ndarray):
        return shown_pixels(drawn, picture.alt)
    return shown_figure(drawn, picture.alt)


def _files(folder: Path) -> tuple[ReportFile, ...]:
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        found.append(
            ReportFile(
                path.relative_to(folder).as_posix(), len(data), hashlib.sha256(data).hexdigest()
            )
        )
    return tuple(found)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(pretty(data), "utf-8", newline="\n")
