"""The PDF: A4 pages with every picture, and tables whose columns fit."""

import re

import pytest

from cnnviz.reports import pdf
from cnnviz.reports.content import Table, TableColumn


def table(*rows, columns=3):
    headings = tuple(TableColumn(f"column {place}", numeric=place > 0) for place in range(columns))
    return Table("title", "caption", headings, rows)


@pytest.mark.parametrize("name", ["saved", "saved_several", "saved_hostile"])
def test_it_holds_every_picture_on_a4(name, request):
    manifest = request.getfixturevalue(name)
    content = manifest.pdf.read_bytes()
    assert content.startswith(b"%PDF")
    boxes = set(re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", content))
    assert [(round(float(width)), round(float(height))) for width, height in boxes] == [(595, 842)]
    figures = {
        entry.path
        for entry in manifest.files
        if entry.path.endswith(".png") and "thumbnail" not in entry.path
    }
    # An image with a mask or a palette may count more than once, but never less.
    assert content.count(b"/Subtype /Image") >= len(figures)


def test_a_narrow_table_keeps_its_type():
    widths, size = pdf._columns(table(("a", "1", "22")))
    # As wide as the longest word of the heading, "column".
    assert widths == [6, 6, 6]
    assert size == 7.5


def test_a_wide_table_shrinks_its_type_first():
    widths, size = pdf._columns(table(("a" * 60, "b" * 40, "c" * 10)))
    assert widths == [60, 40, 10]
    assert 5.5 <= size < 7.5


def test_a_very_wide_table_wraps_its_widest_column():
    long = "0123456789abcdef " * 40
    widths, size = pdf._columns(table((long, "b" * 40, "c" * 10)))
    assert size == 5.5
    assert widths[1:] == [40, 10]
    lines = pdf._cells((long, "b", "c"), widths)
    assert len(lines) > 3
    assert [line[1] for line in lines] == ["b"] + [""] * (len(lines) - 1)
    assert "".join(line[0] for line in lines).replace(" ", "") == long.replace(" ", "")
    assert max(len(line[0]) for line in lines) <= widths[0]
