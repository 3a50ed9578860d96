"""Pictures as wide as a column, with letters of a chosen size and without titles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import cnnviz
from cnnviz.errors import UsageError
from cnnviz.results import drawing
from cnnviz.results.legibility import UnreadableError, as_wide, crowded
from cnnviz.results.lengths import inches_of
from cnnviz.results.letters import scale_letters
from cnnviz.results.picture_style import PictureStyle, read_size, read_style
from tests.helpers.each_case import each_case

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def heatmap() -> Any:
    photo = cnnviz.Shapes(split="held-out")[19].image
    return cnnviz.cam(cnnviz.capture(cnnviz.load(), photo, layers="stages"))


@each_case(
    ("written", "inches"),
    [("85mm", 85 / 25.4), ("8.5 cm", 8.5 / 2.54), ("3.3in", 3.3), (" 3.3 ", 3.3), (3.3, 3.3)],
)
def test_how_a_length_is_written(written: Any, inches: float) -> None:
    assert inches_of(written) == pytest.approx(inches)


@each_case("written", ["", "wide", "85px", "-3", "0mm", "1e3mm", float("nan"), -1, None])
def test_what_is_no_length(written: Any) -> None:
    with pytest.raises(UsageError, match="no length"):
        inches_of(written)


@each_case("text", ["85x60mm", "85mmx60mm", "8.5cm x 60mm"])
def test_a_size_may_have_a_unit(text: str) -> None:
    assert read_size(text) == pytest.approx((85 / 25.4, 60 / 25.4))


def test_a_heatmap_fits_into_a_column(heatmap: Any, tmp_path: Path) -> None:
    style = {"width": "85mm", "font_size": 7, "title": False}
    svg = ET.parse(heatmap.save(tmp_path / "a.svg", **style)).getroot()
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    assert width == pytest.approx(85 / 25.4 * 72, abs=0.1)
    assert height < 0.8 * width, "no margin is left above or below the panels"
    texts = [*svg.iter(f"{SVG}text"), *svg.iter(f"{SVG}tspan")]
    words = ["".join(text.itertext()) for text in texts]
    assert "evidence: weighted" in " ".join(words), "text is text"
    assert not [word for word in words if "Grad-CAM" in word]
    # That size was found; the other forms are as large.
    style = {"size": (width / 72, height / 72), "font_size": 7, "title": False}
    pdf = heatmap.save(tmp_path / "a.pdf", **style).read_bytes()
    assert b"/CIDFontType2" in pdf, "TrueType, as publishers ask for"
    assert b"/Type3" not in pdf
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf)
    assert box is not None
    assert float(box[1]) == pytest.approx(width, abs=0.1)
    with Image.open(heatmap.save(tmp_path / "a.png", dpi=300, **style)) as picture:
        assert picture.width == pytest.approx(85 / 25.4 * 300, abs=1)


def test_letters_of_another_size_keep_their_proportions(heatmap: Any) -> None:
    def drawn(style: PictureStyle) -> tuple[Figure, dict[str, float]]:
        with style.applied():
            figure = style.drawn(lambda empty: heatmap.figure(figure=empty))
            assert crowded(figure) == ""
        shown = [one for one in figure.findobj(Text) if one.get_text().strip()]
        return figure, {one.get_text(): one.get_fontsize() for one in shown}

    figure, before = drawn(PictureStyle())
    larger, after = drawn(PictureStyle(font_size=1.5 * drawing.TEXT_SIZE))
    assert list(larger.get_size_inches()) == pytest.approx(1.5 * figure.get_size_inches())
    for text in set(before) & set(after):
        assert after[text] == pytest.approx(1.5 * before[text])

    def numbers(sizes: dict[str, float]) -> set[float]:
        return {size for text, size in sizes.items() if re.fullmatch(r"0\.\d+", text)}

    assert numbers(before) == {drawing.SMALL_SIZE}
    assert numbers(after) == {1.5 * drawing.SMALL_SIZE}, "those of an axis too"


def test_a_width_in_which_nothing_can_be_read_tells_one_that_does() -> None:
    def draw(size: tuple[float, float] | None) -> Figure:
        figure = Figure(size or (8.0, 2.0))
        figure.text(0.0, 0.5, "letters " * 10)
        return figure

    with pytest.raises(UsageError, match=r"width of 2 inches \(51 mm\).*cut off.*or more") as told:
        as_wide(draw, 2.0)
    least = re.search(r"Give a width of ([\d.]+) inches", str(told.value))
    assert least is not None
    assert as_wide(draw, float(least[1])).get_figwidth() == pytest.approx(float(least[1]))


def test_a_picture_that_needs_a_little_more_than_its_own_width_is_told_how_much() -> None:
    def draw(size: tuple[float, float] | None) -> Figure:
        figure = Figure(size or (8.0, 2.0))
        figure.text(0.0, 0.5, "n" * 68, fontsize=14)
        return figure

    assert crowded(draw(None))
    with pytest.raises(UsageError, match="cut off") as told:
        as_wide(draw, 2.0)
    least = re.search(r"Give a width of ([\d.]+) inches", told.value.remedy)
    assert least is not None
    assert 8.0 < float(least[1]) <= 10.1


def test_what_stands_some_points_from_a_place_stays_as_many_letters_from_it() -> None:
    figure = Figure((4.0, 2.0))
    axes = figure.subplots()
    beside = axes.annotate("a", (0, 0), xytext=(-8, 4), textcoords="offset points", fontsize=9)
    placed = axes.annotate("b", (0, 0), xytext=(0.5, 0.5), textcoords="axes fraction")
    scale_letters(figure, 0.5)
    assert beside.get_fontsize() == 4.5
    assert beside.xyann == (-4, 2)
    assert placed.xyann == (0.5, 0.5)


def test_what_would_not_help_is_not_advised() -> None:
    """Where no width does, the picture's own is told; what has no title is not told to lose it."""

    def draw(size: tuple[float, float] | None) -> Figure:
        figure = Figure(size or (8.0, 2.0))
        figure.text(0.0, 0.5, "letters " * 30)
        return figure

    with pytest.raises(UsageError, match="cut off") as told:
        as_wide(draw, 2.0, titled=False)
    assert told.value.remedy == (
        "Leave the width out: the picture takes 8 inches (203 mm), or give smaller letters "
        "(font size)."
    )
    with pytest.raises(UsageError, match="or leave the title out"):
        as_wide(draw, 2.0)


def test_a_title_is_left_out_with_its_room() -> None:
    with drawing.headings(shown=False):
        figure = Figure()
        drawing.heading(figure, "a title")
        assert figure.get_suptitle() == ""
        assert drawing.heading_height("a title", 5.0) == 0.0
    drawing.heading(figure, "a title")
    assert figure.get_suptitle() == "a title"


@each_case(
    ("style", "said"),
    [
        ({"width": "85px"}, "no length"),
        ({"width": 0.5}, "No picture can be read"),
        ({"width": 500.0}, "more pixels than can be drawn"),
        ({"width": 3.0, "size": "4x3"}, "Both a size and a width"),
        ({"font_size": 2}, "font_size cannot be 2"),
        ({"font_size": float("nan")}, "font_size cannot be nan"),
    ],
)
def test_what_cannot_be(style: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_style(**style)


def test_frames_of_other_letters_are_larger_pictures_at_other_dpi() -> None:
    style = PictureStyle(width=4.0, font_size=0.5 * drawing.TEXT_SIZE, dpi=100, title=False)
    settled = style.settled(lambda empty: empty or Figure((12, 6)))
    assert settled == PictureStyle((8.0, 4.0), dpi=50, title=False)


def test_a_picture_of_numbers_says_how_wide_it_has_to_be() -> None:
    def draw(size: tuple[float, float] | None) -> Figure:
        if size is not None and size[0] < 5.0:
            raise UnreadableError("Too small.", "Give a larger size.")
        return Figure(size or (8.0, 2.0))

    with pytest.raises(UsageError, match="its numbers could not be read") as told:
        as_wide(draw, 3.0)
    # Smaller letters would be read even less.
    (least,) = re.findall(
        r"^Give a width of ([\d.]+) inches \(\d+ mm\) or more\.$", told.value.remedy
    )
    assert as_wide(draw, float(least)).get_figwidth() == pytest.approx(float(least))
    assert float(least) < 6.0
