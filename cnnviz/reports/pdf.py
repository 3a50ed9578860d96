"""The report as one PDF of A4 pages: the pictures with their words, and the tables as text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from cnnviz.reports.content import ImageAnswer, Picture, Section, Table
from cnnviz.reports.page import Page
from cnnviz.reports.pictures import DrawnPicture
from cnnviz.results import drawing
from cnnviz.results.drawing import any_letter
from cnnviz.results.text import percent

# A4 in inches, and the margin around everything.
WIDTH, HEIGHT = 8.27, 11.69
MARGIN = 0.75
INSIDE = WIDTH - 2 * MARGIN
POINT = 1 / 72
LEADING = 1.42
MONOSPACED = "DejaVu Sans Mono"
# The width of a letter of this typeface, in parts of its size.
LETTER = 0.602


@dataclass(frozen=True)
class _Style:
    """A size of type in points, how many characters fill a line, and the space below in inches."""

    size: float
    characters: int
    after: float
    weight: str = "normal"
    colour: str = drawing.INK

    def lines(self, text: str) -> list[str]:
        return textwrap.wrap(text, self.characters) or [""]

    def height(self, text: str) -> float:
        return len(self.lines(text)) * self.size * LEADING * POINT + self.after


KICKER = _Style(8, 116, 0.1, colour=drawing.QUIET)
TITLE = _Style(24, 32, 0.25, "bold")
HEADING = _Style(15, 52, 0.14, "bold")
BODY = _Style(9.5, 97, 0.12)
CAPTION = _Style(8.5, 108, 0.3, colour=drawing.QUIET)
SMALL_CAPTION = _Style(8, 114, 0.05, colour=drawing.QUIET)
BAR = _Style(9.5, 97, 0.02)


def write_pdf(
    page: Page, drawings: Mapping[str, DrawnPicture], folder: Path, path: Path, created: datetime
) -> None:
    """Write the report as one PDF.

    Parameters
    ----------
    page : Page
        What it says.
    drawings : mapping of str to DrawnPicture
        The drawn pictures by name.
    folder : Path
        The folder that their paths start from.
    path : Path
        The file to write.
    created : datetime
        When the report was begun.
    """
    metadata = {
        "Title": page.title,
        "Creator": f"cnnviz {page.version}",
        "CreationDate": created,
        "ModDate": None,
    }
    with any_letter(), PdfPages(path, metadata=metadata) as pages:
        _Book(pages, drawings, folder).write(page)


class _Book:
    """A4 pages that are filled from the top; a new one is begun where something does not fit."""

    def __init__(self, pages: PdfPages, drawings: Mapping[str, DrawnPicture], folder: Path) -> None:
        self._pages = pages
        self._drawings = drawings
        self._folder = folder
        self._number = 0
        self._begin()

    def write(self, page: Page) -> None:
        """Write the title page and every chapter."""
        self._write_title(page)
        for chapter in page.chapters:
            if chapter.answer is not None:
                self._turn()
                self._text(chapter.answer.name, HEADING)
                self._write_answer(chapter.answer, page.model)
            for section in chapter.sections:
                self._write_section(section, chapter.answer)
        self._finish()

    def _begin(self) -> None:
        self._sheet = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
        self._top = HEIGHT - MARGIN
        self._number += 1

    def _finish(self) -> None:
        self._sheet.text(
            0.5,
            MARGIN / 2 / HEIGHT,
            str(self._number),
            fontsize=8,
            ha="center",
            color=drawing.QUIET,
        )
        self._pages.savefig(self._sheet)  # type: ignore[no-untyped-call]

    def _turn(self) -> None:
        """Go on at the top of a new page, unless this one is empty."""
        if self._top < HEIGHT - MARGIN:
            self._finish()
            self._begin()

    @property
    def _room(self) -> float:
        return self._top - MARGIN

    def _text(self, text: str, style: _Style, left: float | None = None) -> None:
        """Write a paragraph below what is there; on a new page where it does not fit.

        One that is not at the margin stands in a place of its own, and stays there.
        """
        if left is None and style.height(text) - style.after > self._room:
            self._turn()
        left = MARGIN if left is None else left
        for line in style.lines(text):
            self._top -= style.size * LEADING * POINT
            self._line(line, style, left)
        self._top -= style.after

    def _line(
        self,
        text: str,
        style: _Style,
        left: float,
        align: Literal["left", "right"] = "left",
        family: str = "sans-serif",
    ) -> None:
        # Line by line from the baseline: a text of several lines grows where a letter is tall, and
        # columns of a table would drift apart.
        self._sheet.text(
            left / WIDTH,
            (self._top + 0.28 * style.size * POINT) / HEIGHT,
            text,
            family=family,
            fontsize=style.size,
            fontweight=style.weight,
            color=style.colour,
            ha=align,
            va="baseline",
            parse_math=False,
        )

    def _pixels(self, picture: Picture) -> NDArray[np.uint8]:
        with Image.open(self._folder / self._drawings[picture.name].path) as image:
            return np.asarray(image.convert("RGB"))

    def _ratio(self, picture: Picture) -> float:
        drawn = self._drawings[picture.name]
        return drawn.height / drawn.width

    def _place(self, picture: Picture, left: float, width: float, most: float) -> float:
        """Put a picture below what is there, at most `most` inches high; return its height."""
        ratio = self._ratio(picture)
        height = min(width * ratio, most)
        axes = self._sheet.add_axes(
            (left / WIDTH, (self._top - height) / HEIGHT, height / ratio / WIDTH, height / HEIGHT)
        )
        # Not resampled: the file holds the very pixels of the PNG.
        axes.imshow(self._pixels(picture), interpolation="none", aspect="auto")
        axes.set_axis_off()
        return height

    def _write_title(self, page: Page) -> None:
        self._text(page.kicker, KICKER)
        self._text(page.heading, TITLE)
        if len(page.answers) == 1:
            self._write_answer(page.answers[0], page.model)
        self._text(" · ".join(f"{label}: {value}" for label, value in page.facts), BODY)
        for note in (*page.notes, *(f"Not read: {refusal}" for refusal in page.refused)):
            self._text(note, BODY)
        if len(page.answers) > 1:
            self._write_overview(page.answers)
        self._turn()

    def _write_answer(self, answer: ImageAnswer, model: str) -> None:
        """Put the photo beside the overlay, and the answer with its bars below."""
        shown = [answer.photo, *([answer.overlay] if answer.overlay else [])]
        gap = 0.2
        width = (INSIDE - gap) / 2
        heights = [
            self._place(picture, MARGIN + place * (width + gap), width, 3.8)
            for place, picture in enumerate(shown)
        ]
        self._top -= max(heights) + 0.12
        for picture in shown:
            self._text(picture.caption, SMALL_CAPTION)
        self._top -= 0.25
        if answer.guesses:
            self._text(f"{model} answers {answer.best.category}", HEADING)
        for place, guess in enumerate(answer.guesses):
            self._text(f"{guess.category}, {percent(guess.probability)}", BAR)
            self._bar(1.0, drawing.FAINT)
            self._bar(guess.probability, drawing.QUIET if place else drawing.ACCENT)
            self._top -= 0.19
        self._top -= 0.2

    def _bar(self, share: float, colour: str) -> None:
        corner = (MARGIN / WIDTH, (self._top - 0.06) / HEIGHT)
        size = (share * INSIDE / WIDTH, 0.06 / HEIGHT)
        self._sheet.add_artist(Rectangle(corner, *size, color=colour, linewidth=0))

    def _write_overview(self, answers: Sequence[ImageAnswer], across: int = 4) -> None:
        """Lay out thumbnails with their answers, row by row."""
        width, height = INSIDE / across, 1.95
        self._top -= 0.2
        for start in range(0, len(answers), across):
            if self._room < height:
                self._turn()
            top = self._top
            for place, answer in enumerate(answers[start : start + across]):
                self._top, left = top, MARGIN + place * width
                self._top -= self._place(answer.thumbnail, left, width - 0.15, 1.15) + 0.06
                if answer.guesses:
                    said = f"{answer.best.category}, {percent(answer.best.probability)}"
                    self._text(said, _Style(8, 23, 0.02, "bold"), left)
                self._text(answer.name, _Style(6.5, 30, 0.0, colour=drawing.QUIET), left)
            self._top = top - height

    def _write_section(self, section: Section, answer: ImageAnswer | None) -> None:
        opening = [(answer.name, KICKER)] if answer else []
        opening.append((section.title, HEADING))
        opening += [(text, BODY) for text in (*section.lead, *section.notes)]
        needed = sum(style.height(text) for text, style in opening)
        if section.pictures:
            needed += min(4.0, INSIDE * self._ratio(section.pictures[0])) + 0.5
        if needed > self._room:
            self._turn()
        for text, style in opening:
            self._text(text, style)
        for picture in section.pictures:
            self._write_picture(picture)
        for table in section.tables:
            self._write_table(table)
        self._top -= 0.25

    def _write_picture(self, picture: Picture) -> None:
        words = f"{picture.title}. {picture.caption}"
        under = CAPTION.height(words) + 0.12
        width = INSIDE if picture.wide else INSIDE * 0.75
        height = width * self._ratio(picture)
        # A picture may shrink by a fifth before it moves to a page of its own.
        if 0.8 * height + under > self._room:
            self._turn()
        self._top -= self._place(picture, MARGIN, width, self._room - under) + 0.12
        self._text(words, CAPTION)

    def _write_table(self, table: Table) -> None:
        widths, size = _columns(table)
        style, bold = _Style(size, 0, 0.0), _Style(size, 0, 0.0, "bold")
        heading = _cells([column.heading for column in table.columns], widths)
        lines = [line for row in table.rows for line in _cells(row, widths)]
        words = f"{table.title}. {table.caption}"
        if SMALL_CAPTION.height(words) + 6 * size * LEADING * POINT > self._room:
            self._turn()
        self._text(words, SMALL_CAPTION)
        while lines:
            self._write_cells(heading, table, widths, bold)
            # One line is kept for the sums.
            count = max(1, int(self._room / (size * LEADING * POINT)) - 1)
            self._write_cells(lines[:count], table, widths, style)
            lines = lines[count:]
            if lines:
                self._turn()
        if table.total:
            self._write_cells(_cells(table.total, widths), table, widths, bold)
        self._top -= 0.3

    def _write_cells(
        self,
        lines: Sequence[tuple[str, ...]],
        table: Table,
        widths: Sequence[int],
        style: _Style,
    ) -> None:
        """Write lines of cells, each column as wide as its widest cell."""
        letter = style.size * LETTER * POINT
        for line in lines:
            self._top -= style.size * LEADING * POINT
            left = MARGIN
            for cell, column, width in zip(line, table.columns, widths, strict=True):
                if cell and column.numeric:
                    self._line(cell, style, left + width * letter, "right", MONOSPACED)
                elif cell:
                    self._line(cell, style, left, family=MONOSPACED)
                left += (width + 2) * letter


def _columns(table: Table) -> tuple[list[int], float]:
    """Return the width of each column in characters, and the size of type in points.

    Headings are wrapped between words. The type shrinks as far as it stays legible; after that the
    widest column is wrapped.
    """
    widths = [
        max(len(text) for text in (*column.heading.split(), *cells))
        for column, *cells in zip(
            table.columns, *table.rows, *([table.total] if table.total else []), strict=True
        )
    ]
    size, smallest = 7.5, 5.5
    while size > smallest and sum(widths) > _fitting(size, len(widths)):
        size -= 0.5
    while sum(widths) > _fitting(size, len(widths)) and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1
    return widths, size


def _fitting(size: float, columns: int) -> int:
    """Return how many characters fit between the margins, less two between columns."""
    return int(INSIDE / (size * LETTER * POINT)) - 2 * (columns - 1)


def _cells(row: Sequence[str], widths: Sequence[int]) -> list[tuple[str, ...]]:
    """Wrap the cells of a row; return its lines, each with a text for every column."""
    wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
    depth = max(map(len, wrapped))
    return [
        tuple(cell[line] if line < len(cell) else "" for cell in wrapped) for line in range(depth)
    ]
