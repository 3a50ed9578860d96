"""The slides: 16:9, as PNG and as SVG whose words are text and whose names are escaped."""

import shutil
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

import cnnviz
from cnnviz.errors import UsageError
from cnnviz.lectures.drawn_once import ACROSS, DOWN, DrawnOnce, in_shape
from cnnviz.lectures.slides import HEIGHT, WIDTH, write_slides
from cnnviz.reports import check_destination
from cnnviz.results.legibility import crowded
from tests.helpers.report_model import small_model

SVG = "{http://www.w3.org/2000/svg}"


def test_every_picture_has_its_slides(saved, told):
    names = {picture.name for section in told.sections for picture in section.pictures}
    folder = saved.directory / "slides"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{suffix}" for name in names for suffix in ("png", "svg")
    }
    for path in folder.glob("*.png"):
        with Image.open(path) as slide:
            assert slide.size == (WIDTH, HEIGHT)
    # Nothing of a lecture is taken for somebody's own file.
    assert check_destination(saved.directory, force=True).is_dir()


def test_a_slide_is_filled_by_its_picture(saved):
    for path in (saved.directory / "slides").glob("*.png"):
        with Image.open(path) as slide:
            rows, columns = np.nonzero(np.asarray(slide.convert("L"))[130:-70] < 250)
        # The picture touches two opposite edges of its room, but for a figure's own margin.
        filled = max(np.ptp(rows) / (HEIGHT - 200), np.ptp(columns) / (WIDTH - 120))
        assert filled > 0.9, path.name


def test_the_words_of_an_svg_are_text(saved, told):
    for section in told.sections:
        for picture in section.pictures:
            root = ET.parse(saved.directory / "slides" / f"{picture.name}.svg").getroot()
            words = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
            assert picture.title in words
            assert picture.code[:40] in " ".join(words)
            assert len(words) > 3
            assert root.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"


@pytest.mark.parametrize("title", ['a <b> & "c"', "x" * 300])
def test_any_title_makes_a_slide(told, saved, tmp_path, title):
    section = told.sections[0]
    drawn = DrawnOnce(cnnviz.filters(small_model()), title, [])
    drawn()
    hostile = replace(section.pictures[0], title=title)
    made = replace(told, sections=(replace(section, pictures=(hostile,)),))
    shutil.copytree(saved.directory / "pictures", tmp_path / "pictures")
    write_slides(made, {hostile.name: drawn}, tmp_path / "s")
    root = ET.parse(tmp_path / "s" / f"{hostile.name}.svg").getroot()
    shown = next(root.iter(f"{SVG}text")).text
    assert shown == title or (len(shown) < 80 and "…" in shown)


def test_the_page_and_the_slide_show_the_same_drawing(told, saved):
    for section in told.sections:
        for picture in section.pictures:
            with Image.open(saved.directory / "pictures" / f"{picture.name}.png") as shown:
                page = np.asarray(shown.convert("L"))
            with Image.open(saved.directory / "slides" / f"{picture.name}.png") as slide:
                high, wide = page.shape
                top, left = 130 + (880 - high) // 2, (WIDTH - wide) // 2
                part = np.asarray(slide.convert("L"))[top : top + high, left : left + wide]
            assert np.array_equal(part, page), picture.name


@pytest.mark.parametrize(
    "make",
    [
        cnnviz.losses,
        lambda: cnnviz.activation_functions("sigmoid,tanh,relu,gelu", layers=4, width=16),
    ],
    ids=["losses", "activation functions"],
)
def test_letters_on_a_slide_are_larger_than_those_of_the_picture_as_it_is(make):
    result = make()
    own, fitted = result.figure(), in_shape(result)
    assert _least_letters(fitted) > 1.2 * _least_letters(own)
    assert _least_letters(fitted) > 12
    assert crowded(fitted) == ""


def _least_letters(figure):
    """Return how many pixels of a slide the smallest letters of a picture take."""
    wide, high = figure.get_size_inches()
    sizes = [t.get_fontsize() for t in figure.findobj(Text) if t.get_text().strip()]
    return min(sizes) / 72 * min(ACROSS / wide, DOWN / high)


def test_what_cannot_be_read_in_the_shape_of_a_slide_is_drawn_as_it_is():
    result = cnnviz.network_diagram(small_model())
    assert in_shape(_Refusing(result)).get_size_inches() == pytest.approx(
        result.figure().get_size_inches()
    )


class _Refusing:
    """A result whose picture allows no size but its own."""

    def __init__(self, result):
        self.result = result

    def figure(self, *, figure=None):
        if figure is not None:
            raise UsageError("Too small.", "Give more.")
        return self.result.figure()


def test_a_long_table_has_its_first_page_on_the_slide_and_is_whole_on_the_page():
    drawn = DrawnOnce(
        cnnviz.architecture(cnnviz.load("shapes-residual"), arithmetic=True), "sums", []
    )
    page = drawn()
    assert drawn.pixels is not None
    high, wide = drawn.pixels.shape[:2]
    assert high <= DOWN + 1
    assert wide <= ACROSS + 1
    assert page.shape[0] / page.shape[1] > 1.5 * high / wide


def test_what_cannot_be_drawn_is_told_in_its_place_and_has_no_slide():
    failures = []
    drawn = DrawnOnce(_Broken(), "The title", failures)
    page = drawn()
    assert drawn.vector is None
    assert np.ptp(page) > 100  # there are letters
    (failure,) = failures
    assert str(failure) == (
        "The title is missing, by a fault in cnnviz (ZeroDivisionError: nothing). Please report it."
    )
    assert "in sheets" in failure.trace


class _Broken:
    def sheets(self):
        raise ZeroDivisionError("nothing")
