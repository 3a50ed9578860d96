"""The slides: 16:9, as PNG and as SVG whose words are text and whose names are escaped."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from cnnviz.lectures import lecture
from cnnviz.lectures.slides import HEIGHT, WIDTH, write_slides

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
def test_any_title_makes_a_slide(told, tmp_path, title):
    section = told.sections[-1]
    hostile = replace(section.pictures[0], title=title)
    write_slides(replace(told, sections=(replace(section, pictures=(hostile,)),)), tmp_path / "s")
    root = ET.parse(tmp_path / "s" / f"{hostile.name}.svg").getroot()
    shown = next(root.iter(f"{SVG}text")).text
    assert shown == title or (len(shown) < 80 and "…" in shown)


def test_a_slide_has_the_first_page_of_what_has_several(told, tmp_path):
    section = told.sections[-1]
    pages = {"all": np.zeros((40, 60, 3), np.uint8), "first": np.full((40, 60, 3), 90, np.uint8)}
    paged = replace(section.pictures[0], draw=lambda: pages["all"], slide=lambda: pages["first"])
    write_slides(replace(told, sections=(replace(section, pictures=(paged,)),)), tmp_path / "s")
    with Image.open(tmp_path / "s" / f"{paged.name}.png") as slide:
        assert np.asarray(slide.convert("L"))[HEIGHT // 2, WIDTH // 2] == 90


def test_the_lecture_puts_the_first_page_of_its_sums_on_a_slide():
    course = lecture("shapes-residual", chapters="arithmetic")
    sums = next(one for one in course.sections[0].pictures if one.name.endswith("-sums"))
    assert sums.slide is not None
    wide, high = sums.slide().get_size_inches()
    assert high <= wide * 9 / 16 + 0.01


def test_a_picture_of_pixels_makes_a_slide(told, tmp_path):
    pixels = np.zeros((40, 60, 3), np.uint8)
    section = told.sections[-1]
    plain = replace(section.pictures[0], draw=lambda: pixels)
    write_slides(replace(told, sections=(replace(section, pictures=(plain,)),)), tmp_path / "s")
    with Image.open(tmp_path / "s" / f"{plain.name}.png") as slide:
        middle = np.asarray(slide.convert("L"))[HEIGHT // 2, WIDTH // 2]
    assert middle == 0
    root = ET.parse(tmp_path / "s" / f"{plain.name}.svg").getroot()
    assert list(root.iter(f"{SVG}image"))
