"""The report as one PDF: a page for each picture with its words, and the tables as text."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from cnnviz import drawing
from cnnviz.reports.content import Answer, Picture, Section, Table
from cnnviz.reports.page import Page
from cnnviz.reports.wording import percent

# A4 in inches, and the margin around everything.
WIDTH, HEIGHT = 8.27, 11.69
MARGIN = 0.75
INSIDE = WIDTH - 2 * MARGIN
POINT = 1 / 72
MONOSPACED = "DejaVu Sans Mono"


@dataclass(frozen=True)
class _Style:
    """A size of type in points, how many characters fill a line, and the space below, in inches."""

    size: float
    characters: int
    after: float
    weight: str = "normal"
    colour: str = drawing.INK

    def lines(self, text: str) -> list[str]:
        return textwrap.wrap(text, self.characters) or [""]

    def height(self, text: str) -> float:
        return len(self.lines(text)) * self.size * LEADING * POINT + self.after


LEADING = 1.42
KICKER = _Style(8, 100, 0.16, colour=drawing.QUIET)
TITLE = _Style(24, 32, 0.25, "bold")
HEADING = _Style(15, 52, 0.16, "bold")
BODY = _Style(9.5, 90, 0.12)
CAPTION = _Style(8.5, 100, 0.08, colour=drawing.QUIET)
Paragraph = tuple[str, _Style]


def write_pdf(page: Page, path: Path, created: datetime) -> None:
    """Write the report as one PDF of A4 pages.

    Pictures are drawn as vectors where matplotlib draws them, so that they stay sharp in print.
    """
    metadata = {
        "Title": page.title,
        "Creator": f"cnnviz {page.version}",
        "CreationDate": created,
        "ModDate": None,
    }
    with _any_letter(), PdfPages(path, metadata=metadata) as pages:
        for figure, box in _sheets(page):
            pages.savefig(figure, bbox_inches=box)


@contextmanager
def _any_letter() -> Iterator[None]:
    # A name may hold letters that the font lacks; they come out as boxes, which is no fault.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _sheets(page: Page) -> Iterator[tuple[Figure, Bbox | None]]:
    yield from _title_sheets(page)
    for chapter in page.chapters:
        if chapter.answer is not None:
            yield _answer_sheet(chapter.answer, page), None
        for section in chapter.sections:
            yield from _section_sheets(section, chapter.answer)


class _Sheet:
    """One A4 page that is filled with text from the top."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
        self.top = HEIGHT - MARGIN

    @property
    def room(self) -> float:
        """Inches that are left above the lower margin."""
        return self.top - MARGIN

    def write(self, text: str, style: _Style, left: float = MARGIN) -> None:
        """Write a paragraph below what is there."""
        self.figure.text(
            left / WIDTH,
            self.top / HEIGHT,
            "\n".join(style.lines(text)),
            fontsize=style.size,
            fontweight=style.weight,
            color=style.colour,
            linespacing=LEADING * 0.85,
            va="top",
            parse_math=False,
        )
        self.top -= style.height(text)

    def place(self, pixels: NDArray[np.uint8], left: float, width: float, most: float) -> float:
        """Put an image below what is there, at most `most` inches high; return its height."""
        ratio = float(pixels.shape[0] / pixels.shape[1])
        height = min(width * ratio, most)
        axes = self.figure.add_axes(
            (left / WIDTH, (self.top - height) / HEIGHT, height / ratio / WIDTH, height / HEIGHT)
        )
        drawing.show(axes, pixels, smooth=True)
        return height


def _title_sheets(page: Page) -> Iterator[tuple[Figure, Bbox | None]]:
    sheet = _Sheet()
    sheet.write(page.kicker, KICKER)
    sheet.write(page.heading, TITLE)
    if len(page.answers) == 1:
        _write_answer(sheet, page.answers[0], page.model)
    for label, value in page.facts:
        sheet.write(f"{label}: {value}", BODY)
    for note in (*page.notes, *map(str, page.refused)):
        sheet.write(note, BODY)
    yield sheet.figure, None
    if len(page.answers) > 1:
        yield from ((figure, None) for figure in _overview(page.answers))


def _answer_sheet(answer: Answer, page: Page) -> Figure:
    sheet = _Sheet()
    sheet.write(answer.name, HEADING)
    _write_answer(sheet, answer, page.model)
    return sheet.figure


def _write_answer(sheet: _Sheet, answer: Answer, model: str) -> None:
    """Put the photo beside the overlay, and the answer with its bars below."""
    shown = [answer.photo, *([answer.overlay] if answer.overlay else [])]
    width = (INSIDE - 0.2) / 2
    heights = [
        sheet.place(_pixels(picture), MARGIN + place * (width + 0.2), width, 4.6)
        for place, picture in enumerate(shown)
    ]
    sheet.top -= max(heights) + 0.15
    for picture in shown:
        sheet.write(picture.caption, CAPTION)
    sheet.top -= 0.2
    if not answer.guesses:
        return
    sheet.write(f"{model} answers {answer.best.category}", HEADING)
    for place, guess in enumerate(answer.guesses):
        colour = drawing.ACCENT if place == 0 else drawing.QUIET
        _write_bar(
            sheet, f"{guess.category}  {percent(guess.probability)}", guess.probability, colour
        )
    sheet.top -= 0.15


def _write_bar(sheet: _Sheet, text: str, share: float, colour: str) -> None:
    from matplotlib.patches import Rectangle

    sheet.write(text, _Style(9.5, 90, 0.02))
    for width, paint in ((1.0, drawing.FAINT), (share, colour)):
        sheet.figure.add_artist(
            Rectangle(
                (MARGIN / WIDTH, (sheet.top - 0.02) / HEIGHT),
                width * INSIDE / WIDTH,
                0.06 / HEIGHT,
                color=paint,
                linewidth=0,
            )
        )
    sheet.top -= 0.16


def _overview(answers: Sequence[Answer], across: int = 4, down: int = 5) -> Iterator[Figure]:
    """Lay out thumbnails with their answers, twenty to a page."""
    width, height = INSIDE / across, (HEIGHT - 2 * MARGIN - 0.6) / down
    for start in range(0, len(answers), across * down):
        sheet = _Sheet()
        sheet.write("Overview", HEADING)
        top = sheet.top
        for place, answer in enumerate(answers[start : start + across * down]):
            row, column = divmod(place, across)
            sheet.top = top - row * height
            left = MARGIN + column * width
            sheet.top -= sheet.place(_pixels(answer.thumbnail), left, width - 0.15, height - 0.65)
            sheet.top -= 0.06
            if answer.guesses:
                said = f"{answer.best.category}, {percent(answer.best.probability)}"
                sheet.write(said, _Style(8.5, 22, 0.02, "bold"), left)
            sheet.write(answer.name, _Style(7, 28, 0.0, colour=drawing.QUIET), left)
        yield sheet.figure


def _pixels(picture: Picture) -> NDArray[np.uint8]:
    drawn = picture.draw()
    if isinstance(drawn, Figure):
        raise TypeError(f"The picture {picture.name!r} is no image.")
    return drawn


def _section_sheets(
    section: Section, answer: Answer | None
) -> Iterator[tuple[Figure, Bbox | None]]:
    opening: list[Paragraph] = [(answer.name, KICKER)] if answer else []
    opening.append((section.title, HEADING))
    opening += [(text, BODY) for text in (*section.lead, *section.notes)]
    for picture in section.pictures:
        words = [(f"{picture.title}. {picture.caption}", CAPTION)]
        drawn = picture.draw()
        figure = drawn if isinstance(drawn, Figure) else _as_figure(drawn)
        yield figure, _surround(figure, opening, words)
        opening = [(section.title, KICKER)]
    if section.tables:
        yield from ((figure, None) for figure in _table_sheets(opening, section.tables))
    elif not section.pictures:
        sheet = _Sheet()
        for text, style in opening:
            sheet.write(text, style)
        yield sheet.figure, None


def _as_figure(pixels: NDArray[np.uint8]) -> Figure:
    figure = drawing.new_figure(8.0, 8.0 * pixels.shape[0] / pixels.shape[1])
    drawing.show(figure.subplots(), pixels, smooth=True)
    return figure


def _surround(figure: Figure, above: Sequence[Paragraph], below: Sequence[Paragraph]) -> Bbox:
    """Write text above and below a figure, and return the page around all of it.

    The figure keeps its own size and the page takes the shape of A4 around it, so that text is
    written in the page's scale and nothing in the figure moves.
    """
    over = sum(style.height(text) for text, style in above) + 0.1
    under = sum(style.height(text) for text, style in below) + 0.15
    room = HEIGHT - 2 * MARGIN - over - under
    width, height = figure.get_size_inches()
    scale = max(width / INSIDE, height / max(room, 1.5))
    # Constrained layout must not make room for text that stands outside the figure.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    left = -(WIDTH * scale - width) / 2
    _write_around(figure, above, left + MARGIN * scale, height + over * scale, scale)
    _write_around(figure, below, left + MARGIN * scale, -0.15 * scale, scale)
    top = height + (over + MARGIN) * scale
    return Bbox([[left, top - HEIGHT * scale], [left + WIDTH * scale, top]])


def _write_around(
    figure: Figure, paragraphs: Sequence[Paragraph], left: float, top: float, scale: float
) -> None:
    for text, style in paragraphs:
        figure.text(
            left,
            top,
            "\n".join(style.lines(text)),
            transform=figure.dpi_scale_trans,
            fontsize=style.size * scale,
            fontweight=style.weight,
            color=style.colour,
            linespacing=LEADING * 0.85,
            va="top",
            parse_math=False,
        )
        top -= style.height(text) * scale


def _table_sheets(opening: Sequence[Paragraph], tables: Sequence[Table]) -> Iterator[Figure]:
    sheet = _Sheet()
    for text, style in opening:
        sheet.write(text, style)
    for table in tables:
        if sheet.room < 1.5:
            yield sheet.figure
            sheet = _Sheet()
        sheet.write(f"{table.title}. {table.caption}", CAPTION)
        columns, size = _columns(table)
        rows = [tuple(column.heading for column in table.columns), *table.rows]
        lines = [line for row in (*rows, table.total) if row for line in _cells(row, columns)]
        while lines:
            fit = max(1, int(sheet.room / (size * LEADING * POINT)))
            _write_lines(sheet, lines[:fit], table, columns, size)
            lines = lines[fit:]
            if lines:
                yield sheet.figure
                sheet = _Sheet()
        sheet.top -= 0.25
    yield sheet.figure


def _columns(table: Table) -> tuple[list[int], float]:
    """Return the width of each column in characters, and the size of type in points.

    The type shrinks as far as it stays legible; after that the widest column is wrapped.
    """
    rows = (tuple(column.heading for column in table.columns), *table.rows, table.total)
    widths = [max(len(row[place]) for row in rows if row) for place in range(len(table.columns))]
    gaps = 2 * (len(widths) - 1)
    for size in (7.5, 7.0, 6.5, 6.0, 5.5):
        most = int(INSIDE / (size * 0.602 * POINT)) - gaps
        if sum(widths) <= most:
            return widths, size
    while sum(widths) > most and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1
    return widths, size


def _cells(row: Sequence[str], widths: Sequence[int]) -> list[tuple[str, ...]]:
    """Wrap the cells of a row; return its lines, each with a text for every column."""
    wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
    depth = max(map(len, wrapped))
    return [
        tuple(cell[line] if line < len(cell) else "" for cell in wrapped) for line in range(depth)
    ]


def _write_lines(
    sheet: _Sheet,
    lines: Sequence[tuple[str, ...]],
    table: Table,
    widths: Sequence[int],
    size: float,
) -> None:
    """Write lines of cells as one text for each column."""
    left, character = MARGIN, size * 0.602 * POINT
    for place, width in enumerate(widths):
        numeric = table.columns[place].numeric
        where = left + width * character if numeric else left
        align: Any = "right" if numeric else "left"
        sheet.figure.text(
            where / WIDTH,
            sheet.top / HEIGHT,
            "\n".join(line[place] for line in lines),
            family=MONOSPACED,
            fontsize=size,
            color=drawing.INK,
            linespacing=LEADING * 0.85,
            ha=align,
            multialignment=align,
            va="top",
            parse_math=False,
        )
        left += (width + 2) * character
    sheet.top -= len(lines) * size * LEADING * POINT
