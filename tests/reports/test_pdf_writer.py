"""The PDF: A4 pages with every picture, contents that lead to them, and tables that fit."""

import logging
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from fpdf.fonts import TTFFont
from matplotlib.figure import Figure
from PIL import Image

from cnnviz.reports import pdf_pages, pdf_writer
from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.html_writer import Chapter, ContentsLine
from cnnviz.reports.layout import layout
from cnnviz.reports.pictures import DrawnPicture

CREATED = datetime(2026, 1, 2, tzinfo=UTC)
STRANGE = (
    "\x00\x1b[31m\n\ttab",
    "\u202egnp.exe",
    "مرحبا",
    "漢字 \U0001f468\u200d\U0001f469 कख",
    "{nb}",
    "\ud800",
    "**a** __b__",
    "x" * 2500,
    "a b " * 700,
    "",
    " ",
)


@pytest.fixture
def book():
    with closing(pdf_writer._Book({}, Path())) as opened:
        yield opened


def table(*rows, columns=3, total=()):
    headings = tuple(TableColumn(f"column {place}", numeric=place > 0) for place in range(columns))
    return Table("title", "caption", headings, rows, total)


def columns_of(book, *rows):
    return book._columns(["column 0", "column 1", "column 2"], rows, [])


def written(page, path):
    pdf_writer.write_pdf(page, {}, path.parent, path, CREATED)
    return path.read_bytes()


def bare(page, *sections):
    """Return a page that holds these sections and no picture."""
    lines = tuple(ContentsLine(section.title, section.anchor) for section in sections)
    chapter = Chapter(sections)
    return replace(page, answers=(), chapters=(chapter,), contents=lines, notes=())


@pytest.mark.parametrize("name", ["saved", "saved_several", "saved_hostile"])
def test_it_holds_every_picture_on_a4(name, request):
    manifest = request.getfixturevalue(name)
    content = manifest.pdf.read_bytes()
    assert content.startswith(b"%PDF")
    boxes = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content))
    assert [(round(float(width)), round(float(height))) for width, height in boxes] == [(595, 842)]
    figures = {
        entry.path
        for entry in manifest.files
        if entry.path.endswith(".png") and "thumbnail" not in entry.path
    }
    # An image with a mask or a palette may count more than once, but never less. What is drawn
    # twice, such as two equal pictures, is kept once.
    distinct = {(manifest.directory / path).read_bytes() for path in figures}
    assert content.count(b"/Subtype /Image") >= len(distinct)


def test_pictures_are_kept_pixel_by_pixel(saved):
    content = saved.pdf.read_bytes()
    sizes = set(re.findall(rb"/Height (\d+).*?/Width (\d+)", content, re.DOTALL))
    for entry in saved.files:
        if entry.path.endswith("-predictions.png"):
            with Image.open(saved.directory / entry.path) as picture:
                size = tuple(str(side).encode() for side in (picture.height, picture.width))
    assert size in sizes


def test_contents_and_bookmarks_lead_to_every_section(several, tmp_path):
    page = bare(layout(several), *(replace(part, pictures=()) for part in several.sections))
    content = written(page, tmp_path / "a.pdf")
    # A title and its number both lead there.
    assert content.count(b"/Subtype /Link") == 2 * len(several.sections)
    assert content.count(b"/Dest") >= 3 * len(several.sections)
    assert b"/Outlines" in content
    for part in several.sections:
        assert f"/Title ({part.title})".encode() in content


def test_text_is_text_in_fonts_of_its_letters_only(saved):
    content = saved.pdf.read_bytes()
    assert content.count(b"/ToUnicode") == 2
    assert b"/Type3" not in content
    assert saved.pdf.stat().st_size < 150_000 + sum(
        (saved.directory / entry.path).stat().st_size * 1.5
        for entry in saved.files
        if entry.path.endswith(".png")
    )


def test_the_same_report_makes_the_same_bytes(several, tmp_path):
    page = bare(layout(several), *(replace(part, pictures=()) for part in several.sections))
    assert written(page, tmp_path / "a.pdf") == written(page, tmp_path / "b.pdf")


def test_it_says_what_it_is(several, tmp_path):
    content = written(bare(layout(several)), tmp_path / "a.pdf")
    title = "What small sees in 2 images".encode("utf-16-be")
    assert f"/Title <feff{title.hex()}".encode() in content
    assert b"/Creator (cnnviz " in content
    assert b"/Keywords (Network: small" in content
    assert b"/CreationDate (D:20260102000000" in content


@pytest.mark.parametrize("name", STRANGE)
def test_no_name_breaks_it(name, brief, tmp_path, caplog):
    cells = [(name, name, name)] * 3
    part = Section("a", name, "here", (name,), (), (table(*cells, total=(name,) * 3),), (name,))
    page = replace(
        bare(layout(brief), part), title=name, heading=name, facts=((name, name),), notes=(name,)
    )
    with caplog.at_level(logging.WARNING):
        content = written(page, tmp_path / "a.pdf")
    assert content.startswith(b"%PDF")
    assert b"{nb}" not in content or name == "{nb}", "what stands for the number of pages is gone"
    assert not caplog.records


def test_a_line_that_grows_is_as_wide_as_one_that_is_measured_whole(book):
    font = book.fonts["dejavu"]
    grown = [*("AVA wide"[:end] for end in range(9)), "other", "AVA wide", "AVA wider", "b", "bi"]
    for text in grown:
        measured = font.get_text_width(text, 9.0, None)
        assert measured == TTFFont.get_text_width(font, text, 9.0, None), text


def test_a_letter_without_a_shape_is_a_box_and_stays_the_letter(book):
    assert book._letters("漢a") == "漢a"
    font = book.fonts["dejavu"]
    box, drawn = (font.subset.get_glyph(unicode=ord(letter)) for letter in "□漢")
    assert (drawn.glyph_id, drawn.unicode) == (box.glyph_id, (ord("漢"),))


def test_what_no_line_can_hold_is_left_out():
    assert pdf_pages.plain("a\n\tb\x00\x1b[31m\u202ec\ud800") == "a b[31mc?"


def test_a_narrow_table_keeps_its_type(book):
    widths, size = columns_of(book, ("a", "1", "22"))
    # As wide as the longest word of the heading, "column".
    assert len(set(widths)) == 1
    assert size == pdf_writer.LARGEST_TYPE


def test_a_wide_table_shrinks_its_type_first(book):
    widths, size = columns_of(book, ("a" * 60, "b" * 50, "c" * 10))
    assert pdf_writer.SMALLEST_TYPE <= size < pdf_writer.LARGEST_TYPE
    assert sum(widths) <= book.epw
    book.set_font(pdf_pages.FONT, "", size)
    assert widths[0] > book.get_string_width("a" * 60), "so that nothing is wrapped"


def test_a_very_wide_table_wraps_its_widest_column(book):
    others = ("b" * 40, "c" * 10)
    widths, size = columns_of(book, ("0123456789abcdef " * 40, *others))
    assert size == pdf_writer.SMALLEST_TYPE
    assert sum(widths) <= book.epw
    natural = book._natural(["", "", ""], [("", *others)], [], size)
    assert widths[1:] == natural[1:], "the others keep theirs"
    book._write_table(table(("0123456789abcdef " * 40, *others)))
    assert book.y > 30, "it takes several lines"
    assert book.page_no() == 1


def test_a_long_table_goes_on_below_its_headings_on_the_next_page(book):
    book._write_table(table(*[("a", "1", "2")] * 200))
    assert book.page_no() > 2


@pytest.mark.parametrize("before", [(), ("It is told in order.",)])
def test_a_table_stands_in_the_room_that_a_picture_overleaf_would_leave_empty(before, tmp_path):
    Image.new("RGB", (100, 90), "red").save(tmp_path / "one.png")
    shown = Picture("one", "a picture", "caption", "red", draw=Figure, provenance=None)
    shown = replace(shown, before=before)
    drawn = {"one": DrawnPicture(shown, "one.png", 100, 90)}
    with closing(pdf_writer._Book(drawn, tmp_path)) as book:
        placed = []
        for name in ("_write_table", "_place"):
            setattr(book, name, partial(_told, placed, name, getattr(book, name), book))
        book.set_y(150)
        section = Section("a", "part", "at", ("lead",), (shown,), (table(("a", "1", "2")),))
        book._write_section(section, None)
    filled = [("_write_table", 1), ("_place", 2)]
    assert placed == (filled if not before else [("_place", 2), ("_write_table", 2)])


def _told(placed, name, write, book, *arguments):
    placed.append((name, book.page_no()))
    return write(*arguments)


def test_the_last_lines_of_the_contents_get_no_page_of_their_own(book, brief):
    parts = [Section("a", f"part {place}", f"at-{place}", ()) for place in range(20)]
    step = pdf_writer.ENTRY.leading + pdf_writer.ENTRY.after
    book.set_y(book.y + book._room - 9.4 * step)
    book._write_contents(bare(layout(brief), *parts))
    assert len(book._entries) == 20
    assert {entry.page for entry in book._entries} == {1}


def test_the_contents_of_many_sections_go_on_on_another_page(brief, tmp_path):
    parts = [Section("a", f"part {place}", f"at-{place}", ()) for place in range(150)]
    content = written(bare(layout(brief), *parts), tmp_path / "a.pdf")
    assert content.count(b"/Subtype /Link") == 300
