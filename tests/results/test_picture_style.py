"""Pictures in a size, resolution and font of one's choice; words stay words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from matplotlib.figure import Figure
from PIL import Image

from cnnviz.errors import UsageError
from cnnviz.results import drawing
from cnnviz.results.legibility import crowded
from cnnviz.results.picture_style import PictureStyle, Shape, read_size
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from tests.helpers.each_case import each_case

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Line(Result):
    name: str = "a line"
    rows: int = 1

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        figure = drawing.canvas(3, 2, into)
        for axes in figure.subplots(self.rows, 1, squeeze=False).flat:
            axes.plot([1.0, 2.0], [1e-5, 1e3])
            # One will do for its words; it has eighty small ticks.
            axes.set_yscale("log" if self.rows == 1 else "linear")
        drawing.heading(figure, self.name)
        return figure

    def caption(self) -> str:
        return ""

    def summary(self) -> str:
        return ""


def line(**given: Any) -> Line:
    return Line(provenance=Provenance(model="m", weights="", weights_sha256=""), **given)


def words(path: Path) -> list[str]:
    return ["".join(text.itertext()) for text in ET.parse(path).iter(f"{SVG}text")]


def test_size_and_dpi(tmp_path: Path) -> None:
    def size(**style: Any) -> tuple[int, int]:
        with Image.open(line().save(tmp_path / "a.png", **style)) as picture:
            return picture.size

    assert size() == (480, 320)
    assert size(size=(4.5, 2.5)) == (720, 400)
    assert size(dpi=100) == (300, 200)
    assert size(size=(4, 3), dpi=50) == (200, 150)
    assert 'width="324pt" height="180pt"' in line().save(
        tmp_path / "a.svg", size=(4.5, 2.5)
    ).read_text("utf-8")


def test_a_font_changes_the_picture_and_nothing_after_it(tmp_path: Path) -> None:
    before = line().save(tmp_path / "a.png").read_bytes()
    serif = line().save(tmp_path / "b.png", font="dejavu SERIF").read_bytes()
    assert serif != before
    assert serif == line().save(tmp_path / "b.png", font="DejaVu Serif").read_bytes()
    assert line().save(tmp_path / "a.png").read_bytes() == before


def test_text_stays_text_in_svg_with_fonts_to_fall_back_on(tmp_path: Path) -> None:
    path = line(name="features.3 & <b>").save(tmp_path / "a.svg")
    assert "features.3 & <b>" in words(path)
    assert re.search(r"font-family: 'DejaVu Sans',[^;]* sans-serif;", path.read_text("utf-8"))
    path = line().save(tmp_path / "a.svg", font="DejaVu Serif")
    assert re.search(r"font-family: 'DejaVu Serif',[^;]* sans-serif;", path.read_text("utf-8"))


def test_text_stays_text_in_pdf(tmp_path: Path) -> None:
    written = line().save(tmp_path / "a.pdf").read_bytes()
    assert b"/CIDFontType2" in written, "TrueType, which can be searched and edited"
    assert b"/Type3" not in written


@pytest.mark.parametrize("name", ["a\x01b", "photo\udcff", "￾"])
def test_an_svg_stays_well_formed_whatever_a_name_holds(tmp_path: Path, name: str) -> None:
    assert any("\ufffd" in word for word in words(line(name=name).save(tmp_path / "a.svg")))


@pytest.mark.parametrize(
    ("style", "said"),
    [
        ({"dpi": 0}, "dpi cannot be 0"),
        ({"dpi": float("nan")}, "dpi cannot be nan"),
        ({"size": (0, 3)}, "cannot have 0 x 3 inches"),
        ({"size": (3,)}, "no size of a figure"),
        ({"size": "large"}, "no size of a figure"),
        ({"size": (4, float("inf"))}, "cannot have 4 x inf inches"),
        ({"size": (500, 1), "dpi": 160}, "more pixels than can be drawn"),
        ({"size": (100, 100), "dpi": 300}, "more pixels than can be drawn"),
        ({"font": "DejaVu Sanz"}, r"no font 'DejaVu Sanz'.*Did you mean 'DejaVu Sans'"),
        ({"font": ""}, "no font ''.*serif"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_no_file(
    tmp_path: Path, style: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        line().save(tmp_path / "a.png", **style)
    assert not list(tmp_path.iterdir())


def test_a_size_in_which_nothing_would_be_left_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No picture can be read at 0\.5 x 0\.5 inches"):
        line(rows=9).save(tmp_path / "a.png", size=(0.5, 0.5))
    with pytest.raises(UsageError, match=r"does not fit into 2 x 1 inches"):
        line(rows=9).save(tmp_path / "a.png", size=(2, 1))
    assert not list(tmp_path.iterdir())


def test_only_a_picture_has_a_style(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'a\.json' is none.*\.png, \.svg, \.pdf"):
        line().save(tmp_path / "a.json", dpi=100)


@each_case("text", ["7x4.5", "7 x 4.5", "7X4.5", "7×4.5", "7,4.5", " 7x4.5 "])
def test_how_a_size_is_written(text: str) -> None:
    assert read_size(text) == (7.0, 4.5)


@each_case("text", ["", "7", "7x", "x", "7x4x2", "wide"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 7x4\.5"):
        read_size(text)


@each_case(("text", "ratio"), [("16:9", 16 / 9), (" 4 : 3 ", 4 / 3), ("1:1", 1.0)])
def test_how_a_shape_is_written(text: str, ratio: float) -> None:
    assert read_size(text) == Shape(ratio)


@each_case("text", ["16:", "a:b", "16:0", "0:9", "100:1", "nan:1", "1:2:3"])
def test_what_is_no_shape(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 16:9"):
        read_size(text)


def test_a_slide_is_full_of_pixels_and_its_letters_are_large(tmp_path: Path) -> None:
    with Image.open(line().save(tmp_path / "a.png", size="16:9")) as picture:
        assert picture.size == (1920, 1080)
    with Image.open(line().save(tmp_path / "a.png", size="4:3", dpi=50)) as picture:
        assert picture.width == pytest.approx(4 / 3 * picture.height, abs=1)
        assert picture.width < 1000
    svg = ET.parse(line().save(tmp_path / "a.svg", size="16:9")).getroot()
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    assert width / height == pytest.approx(16 / 9, rel=1e-3)
    assert width / 72 == pytest.approx(10.0, abs=0.2), "no smaller, or a plot were all letters"


def test_a_slide_grows_until_every_text_can_be_read(tmp_path: Path) -> None:
    def wide(letters: int) -> Figure:
        def draw(empty: Figure | None) -> Figure:
            figure = empty or Figure((9.0, 9.0))
            for place in range(letters):
                figure.text(place / letters, 0.5, "letters")
            return figure

        return PictureStyle(Shape(16 / 9)).drawn(draw)

    few, many = wide(10), wide(26)
    assert crowded(few) == crowded(many) == ""
    assert many.get_figwidth() > few.get_figwidth()
    assert many.get_figwidth() <= 20.0
    with pytest.raises(UsageError, match="more than can be read in that shape"):
        wide(60)


def test_a_shape_settles_to_one_size_for_all_frames() -> None:
    def draw(empty: Figure | None) -> Figure:
        return empty or Figure((12, 6))

    settled = PictureStyle(Shape(16 / 9), dpi=30).settled(draw)
    assert isinstance(settled.size, tuple)
    assert settled.size[0] / settled.size[1] == pytest.approx(16 / 9)
    assert settled.dpi == 30
    assert PictureStyle().settled(draw) == PictureStyle()


def test_a_picture_is_drawn_at_the_size_that_was_asked_for() -> None:
    def draw(empty: Figure | None) -> Figure:
        return empty or Figure((5, 4))

    assert PictureStyle().drawn(draw).get_size_inches().tolist() == [5, 4]
    assert PictureStyle(size=(2, 1)).drawn(draw).get_size_inches().tolist() == [2, 1]
