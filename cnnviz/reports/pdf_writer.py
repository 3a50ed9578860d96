"""The report as one PDF of A4 pages: the pictures with their words, and the tables as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fpdf import FontFace
from fpdf.enums import Align, TableBordersLayout

from cnnviz.reports.content import ImageAnswer, Picture, Section, Table
from cnnviz.reports.html_writer import OVERVIEW, ContentsLine, Page
from cnnviz.reports.pdf_pages import LEADING, MARGIN, POINT, PdfPages, Style, plain
from cnnviz.reports.pictures import DrawnPicture
from cnnviz.results import drawing
from cnnviz.results.text import shortened

LARGEST_TYPE, SMALLEST_TYPE = 7.5, 5.5
"""The type of a table, in points: it shrinks until the table fits, as far as it stays legible."""
_GAP = 2.0
"""What lies between two columns of a table."""
_NARROWEST = 7.0
"""A column that is wrapped stays wide enough for a few letters."""
_NUMBER = 10.0
"""The room for the number of a page."""
_SHRUNK = 0.8
"""How much smaller a picture may become before it moves to a page of its own."""
_WORTHWHILE = 0.2
"""What must be left of a page for a table to be put before a picture."""
_LONGEST_CELL = 600
"""A cell must fit on a page. Only a name that nobody reads to its end is longer."""


@dataclass(frozen=True)
class _Entry:
    """A line of the contents: where it stands, and what it leads to."""

    page: int
    right: float
    y: float
    anchor: str
    link: int


KICKER = Style(8, 2.5, colour=drawing.QUIET)
TITLE = Style(24, 6.5, bold=True)
HEADING = Style(15, 3.5, bold=True)
BODY = Style(9.5, 3)
ENTRY = Style(9.5, 1)
CAPTION = Style(8.5, 7.5, colour=drawing.QUIET)
SMALL_CAPTION = Style(8, 1.5, colour=drawing.QUIET)
BAR = Style(9.5, 0.5)
THUMBNAIL = Style(8, 0.5, bold=True)
FILE = Style(6.5, 0, colour=drawing.QUIET)


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
    with closing(_Book(drawings, folder)) as book:
        book.set_title(plain(page.title))
        book.set_subject(plain(page.description))
        book.set_keywords(plain("; ".join(f"{label}: {value}" for label, value in page.facts)))
        book.set_creator(f"cnnviz {page.version}")
        book.set_producer("fpdf2")
        book.set_lang("en")
        book.set_creation_date(created)
        book.write_page(page)
        path.write_bytes(book.output())


class _Book(PdfPages):
    """The pages of a report."""

    def __init__(self, drawings: Mapping[str, DrawnPicture], folder: Path) -> None:
        self._drawings = drawings
        self._folder = folder
        self._entries: list[_Entry] = []
        self._pages: dict[str, int] = {}
        super().__init__()

    def write_page(self, page: Page) -> None:
        """Write the title page and every chapter."""
        self._write_title(page)
        if page.chapters:
            self._turn()
        for chapter in page.chapters:
            if chapter.answer is not None:
                self._turn()
                self._mark(chapter.answer.name, chapter.answer.anchor, 0)
                self._write(chapter.answer.name, HEADING)
                self._write_answer(chapter.answer, page.model)
            for section in chapter.sections:
                self._write_section(section, chapter.answer)
        if page.failures:
            self._write("What broke", HEADING)
            for failure in page.failures:
                self._write(failure, BODY)
        self._number_contents()

    def _mark(self, title: str, anchor: str, level: int) -> None:
        """Let the contents, and the bookmarks beside the page, lead here."""
        self.start_section(plain(title), level)
        self._pages[anchor] = self.page
        for entry in self._entries:
            if entry.anchor == anchor:
                self.set_link(entry.link, self.y, page=self.page)

    def _write_contents(self, page: Page) -> None:
        lines = [line for line in page.contents if line.anchor != OVERVIEW]
        shown = [
            (entry, inset)
            for line in lines
            for entry, inset in ((line, 0.0), *((child, 6.0) for child in line.children))
        ]
        step = ENTRY.leading + ENTRY.after
        # A line or two on a page of their own would leave the rest of that page empty.
        needed = -(-len(shown) // 2)
        if needed * step > self._room > needed * ENTRY.leading:
            step = 0.999 * self._room / needed
        while shown:
            if self._room < min(len(shown) / 2, 4) * step:
                self._turn()
            rows = min(-(-len(shown) // 2), int(self._room / step))
            for column, left in enumerate((MARGIN, MARGIN + self.epw / 2 + _GAP)):
                top = self.y
                for place, (line, inset) in enumerate(shown[column * rows : (column + 1) * rows]):
                    self.set_xy(left + inset, top + place * step)
                    self._write_entry(line, left + self.epw / 2 - _GAP)
                self.set_y(top)
            self.set_xy(MARGIN, self.y + rows * step)
            shown = shown[2 * rows :]

    def _write_entry(self, line: ContentsLine, right: float) -> None:
        self._type(ENTRY)
        title = self._letters(line.title)
        room = right - self.x - _NUMBER
        while title and self.get_string_width(title) > room:
            title = shortened(title, min(len(title), 60) - 1, "end")
        link = self.add_link()
        self._entries.append(_Entry(self.page, right, self.y, line.anchor, link))
        self.cell(room, ENTRY.leading, title, link=link)

    def _number_contents(self) -> None:
        """Add the numbers of pages to the contents, now that they are known."""
        last = self.page
        for entry in self._entries:
            if entry.anchor in self._pages:
                self.page = entry.page
                self.set_xy(entry.right - _NUMBER, entry.y)
                # A page that is taken up again does not know which font it had.
                self.current_font_is_set_on_page = False
                self._type(ENTRY)
                number = str(self._pages[entry.anchor])
                self.cell(_NUMBER, ENTRY.leading, number, align=Align.R, link=entry.link)
        self.page = last

    def _write_title(self, page: Page) -> None:
        self._write(page.kicker, KICKER)
        self._write(page.heading, TITLE)
        if len(page.answers) == 1:
            self._write_answer(page.answers[0], page.model)
        self._write(" · ".join(f"{label}: {value}" for label, value in page.facts), BODY)
        for note in (
            *page.preface,
            *page.notes,
            *(f"Not read: {refusal}" for refusal in page.refused),
        ):
            self._write(note, BODY)
        self.ln(2)
        if len(page.answers) > 1:
            self._write_overview(page.answers)
        self._write_contents(page)

    def _ratio(self, picture: Picture) -> float:
        drawn = self._drawings[picture.name]
        return drawn.height / drawn.width

    def _place(self, picture: Picture, left: float, width: float, most: float) -> float:
        """Put a picture below what is there, at most `most` high; return its height."""
        ratio = self._ratio(picture)
        height = min(width * ratio, most)
        path = self._folder / self._drawings[picture.name].path
        alt = plain(picture.alt)
        self.image(path, left, self.y, height / ratio, height, alt_text=alt)
        return height

    def _write_answer(self, answer: ImageAnswer, model: str) -> None:
        """Put the photo beside the overlay, and the answer with its bars below."""
        shown = [answer.photo, *([answer.overlay] if answer.overlay else [])]
        gap = 5.0
        width = (self.epw - gap) / 2
        top = self.y
        heights = []
        for place, picture in enumerate(shown):
            self.set_xy(MARGIN, top)
            heights.append(self._place(picture, MARGIN + place * (width + gap), width, 96))
        self.set_xy(MARGIN, top + max(heights) + 3)
        for picture in shown:
            self._write(picture.caption, SMALL_CAPTION)
        self.ln(6)
        if answer.guesses:
            self._write(f"{model} answers {answer.best.category}", HEADING)
        for place, guess in enumerate(answer.guesses):
            self._write(f"{guess.category}, {guess.said}", BAR)
            self._bar(1.0, drawing.FAINT)
            self._bar(guess.share, drawing.QUIET if place else drawing.ACCENT)
            self.ln(4.8)
        if answer.output:
            self._write(f"The output is read as {answer.output}.", SMALL_CAPTION)
        self.ln(5)

    def _bar(self, share: float, colour: str) -> None:
        with self.local_context(fill_color=colour):
            self.rect(MARGIN, self.y, share * self.epw, 1.5, style="F")

    def _write_overview(self, answers: Sequence[ImageAnswer], across: int = 4) -> None:
        """Lay out thumbnails with their answers, row by row."""
        width, height = self.epw / across, 50.0
        for start in range(0, len(answers), across):
            if self._room < height:
                self._turn()
            top = self.y
            for place, answer in enumerate(answers[start : start + across]):
                self.set_xy(MARGIN + place * width, top)
                self._write_thumbnail(answer, width - 4)
            self.set_xy(MARGIN, top + height)

    def _write_thumbnail(self, answer: ImageAnswer, width: float) -> None:
        left, top = self.x, self.y
        height = self._place(answer.thumbnail, left, width, 29)
        self.set_xy(left, top + height + 1.5)
        if answer.guesses:
            said = f"{shortened(answer.best.category, 40)}, {answer.best.said}"
            self._write(said, THUMBNAIL, width)
        self._write(shortened(answer.name, 60), FILE, width)

    def _write_section(self, section: Section, answer: ImageAnswer | None) -> None:
        opening = [(answer.name, KICKER)] if answer else []
        opening.append((section.title, HEADING))
        opening += [(text, BODY) for text in (*section.lead, *section.notes)]
        needed = sum(self._height(text, style) for text, style in opening)
        if section.pictures:
            # As low as it may become: it would shrink rather than leave half a page empty.
            first = _SHRUNK * min(100.0, self.epw * self._ratio(section.pictures[0])) + 13
            floats = section.tables[:1] if not section.pictures[0].before else ()
            needed += min(first, *map(self._whole, floats), first)
        if needed > self._room:
            self._turn()
        self._mark(section.title, section.anchor, 1 if answer else 0)
        for text, style in opening:
            self._write(text, style)
        tables = list(section.tables)
        for picture in section.every_picture:
            # A table may stand in the room that a picture overleaf would leave empty.
            while tables and not picture.before and self._leaves_room(picture, tables[0]):
                self._write_table(tables.pop(0))
            self._write_picture(picture)
        for table in tables:
            self._write_table(table)
        self.ln(6)

    def _needed(self, picture: Picture) -> tuple[float, float, float]:
        """Return the width of a picture, the height below it, and the least height of both."""
        under = self._height(_words(picture), CAPTION) + 3
        width = self.epw if picture.wide else self.epw * 0.75
        return width, under, _SHRUNK * width * self._ratio(picture) + under

    def _leaves_room(self, picture: Picture, table: Table) -> bool:
        """Whether a picture goes to the next page, and a table fits before it or fills the page."""
        if self._needed(picture)[2] <= self._room or self._room < _WORTHWHILE * self.eph:
            return False
        whole = self._whole(table)
        return whole <= self._room or whole > self.eph / 2

    def _whole(self, table: Table) -> float:
        """Return about how high a table is, with its words and headings of two lines."""
        row = LARGEST_TYPE * LEADING * POINT + 0.8
        return self._height(_words(table), SMALL_CAPTION) + (2 + len(table.rows)) * row + 7.5

    def _write_picture(self, picture: Picture) -> None:
        for text in picture.before:
            self._write(text, BODY)
        words = _words(picture)
        width, under, needed = self._needed(picture)
        if needed > self._room:
            self._turn()
        height = self._place(picture, MARGIN, width, self._room - under)
        self.set_xy(MARGIN, self.y + height + 3)
        self._write(words, CAPTION)
        for text in filter(None, (picture.code, picture.command)):
            self._write(text, FILE)
        for text in picture.after:
            self._write(text, BODY)

    def _write_table(self, table: Table) -> None:
        """Write a table; where it goes on on another page, its headings stand there again."""
        headings = self._cells([column.heading for column in table.columns])
        rows, total = [self._cells(row) for row in table.rows], self._cells(table.total)
        widths, size = self._columns(headings, rows, total)
        words = _words(table)
        if self._height(words, SMALL_CAPTION) + 6 * size * LEADING * POINT > self._room:
            self._turn()
        self._write(words, SMALL_CAPTION)
        self._type(Style(size, 0))
        self.set_draw_color(drawing.FAINT)
        bold = FontFace(emphasis="BOLD")
        with self.table(
            align=Align.L,
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            col_widths=tuple(widths),
            headings_style=bold,
            line_height=size * LEADING * POINT,
            padding=(0.4, _GAP / 2),
            text_align=tuple(Align.R if column.numeric else Align.L for column in table.columns),
            v_align="TOP",
            width=sum(widths),
        ) as drawn:
            for row in (headings, *rows):
                drawn.row(row)
            if total:
                drawn.row(total, style=bold)
        self.ln(7.5)

    def _cells(self, row: Sequence[str]) -> list[str]:
        return [shortened(self._letters(cell), _LONGEST_CELL) for cell in row]

    def _columns(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str]
    ) -> tuple[list[float], float]:
        """Return the width of each column, and the size of type in points.

        Headings are wrapped between words. The type shrinks as far as it stays legible; after that
        the widest columns are wrapped.
        """
        size = LARGEST_TYPE
        widths = self._natural(headings, rows, total, size)
        while size > SMALLEST_TYPE and sum(widths) > self.epw:
            size -= 0.5
            widths = self._natural(headings, rows, total, size)
        while sum(widths) > self.epw and max(widths) > _NARROWEST:
            widths[widths.index(max(widths))] -= 1.0
        # More columns than fit at their narrowest share what there is.
        share = min(1.0, self.epw / sum(widths))
        return [width * share for width in widths], size

    def _natural(
        self,
        headings: Sequence[str],
        rows: Sequence[Sequence[str]],
        total: Sequence[str],
        size: float,
    ) -> list[float]:
        """Return how wide each column is without a line break in its cells."""
        self._type(Style(size, 0))
        inside = [max(map(self.get_string_width, cells)) for cells in zip(*rows, strict=True)]
        self._type(Style(size, 0, bold=True))
        # A little more than the letters take: what is as wide as its column must not be wrapped.
        return [
            max(width, *map(self.get_string_width, (*heading.split(), last))) + _GAP + 0.3
            for heading, width, last in zip(
                headings,
                inside or [0.0] * len(headings),
                total or [""] * len(headings),
                strict=True,
            )
        ]


def _words(shown: Picture | Table) -> str:
    return f"{shown.title}. {shown.caption}"
