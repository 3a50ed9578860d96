"""The page of wrong answers: what it says, what its filters do, and that no name is run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import cnnviz
from cnnviz.reports import Manifest, check_destination, error_report
from tests.helpers.browser import Visit
from tests.helpers.colour_classes import COLOURS, Means, colour_folder, colour_model, write_colour
from tests.helpers.markup import Markup
from tests.helpers.report_model import HOSTILE, fewer_pixels

SHOWN = "[...document.querySelectorAll('.answers figure:not([hidden])')].map(f => f.dataset.name)"


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Manifest:
    root = tmp_path_factory.mktemp("errors")
    found = cnnviz.error_analysis(colour_model(), colour_folder(root / "val"))
    with fewer_pixels():
        return error_report(found).save(root / "report", pdf=True, single_file=True)


@pytest.fixture(scope="module")
def saved_hostile(tmp_path_factory) -> Manifest:
    root = tmp_path_factory.mktemp("hostile")
    name = HOSTILE.replace("/", "")
    write_colour(root / "val" / name / f"{name}.png", (0, 255, 0))
    model = colour_model(name=HOSTILE, categories=(name, *COLOURS[1:]))
    found = cnnviz.error_analysis(model, root / "val")
    with fewer_pixels():
        return error_report(found).save(root / "report", single_file=True)


def test_the_page_says_what_was_found(saved):
    page = saved.page.read_text("utf-8")
    found = Markup.of(page)
    assert found.faults == []
    figures = [one for one in found.elements if "data-truth" in one.attributes]
    assert [one.attributes["data-name"] for one in figures] == [
        "red/green.PNG",
        "blue/reddish.png",
        "red/greenish.png",
    ]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Most often red is taken for green: 2 of the 3 images of red." in text
    assert "✗ answered green 96.5%" in text
    assert "✓ right: red 1.8%" in text


def test_the_files_beside_it_are_listed_and_the_json_has_the_answers(saved):
    files = {entry.path for entry in saved.files}
    assert {"errors.csv", "classes.csv", "errors.json", "pictures/wrong-3.png"} <= files
    told = json.loads(saved.data.read_text("utf-8"))
    (wrong,) = (part for part in told["sections"] if part["key"] == "wrong")
    titles = [part["title"] for part in told["sections"]]
    assert titles[1:3] == ["Confused classes", "Recall and precision of each class"]
    assert wrong["answers"][0]["image"] == "red/green.PNG"
    assert wrong["answers"][0]["confidence"] == pytest.approx(0.9647, abs=1e-3)
    assert check_destination(saved.directory, force=True).is_dir()
    assert saved.pdf is not None
    assert saved.pdf.stat().st_size > 10_000


@pytest.mark.usefixtures("left_empty")
def test_maps_of_answers_that_never_change_are_not_called_evidence(tmp_path):
    write_colour(tmp_path / "val" / "green" / "a.png", (0, 255, 0))
    found = cnnviz.error_analysis(colour_model(Means(factor=0.0)), tmp_path / "val")
    mark = "not evidence: nothing tried moves the score"
    assert found.examples[0].marks == (mark, mark)
    made = error_report(found)
    page = made.save(tmp_path / "report").page.read_text("utf-8")
    assert f">Grad-CAM of its answer: {mark}</span>" in page
    (section,) = (part for part in made.sections if part.key == "wrong")
    assert section.lead[-1] == "Which of them are not evidence stands below them."
    picture = section.answers[0].picture
    assert picture.caption.endswith(
        f". Grad-CAM of its answer: {mark}. Grad-CAM of what is right: {mark}"
    )
    assert "and the evidence in it" not in picture.alt


@pytest.mark.usefixtures("left_empty")
def test_nothing_wrong_is_a_page_too(tmp_path):
    write_colour(tmp_path / "val" / "red" / "a.png", (255, 0, 0))
    found = cnnviz.error_analysis(colour_model(), tmp_path / "val")
    made = error_report(found).save(tmp_path / "report")
    page = made.page.read_text("utf-8")
    assert "There is no wrong answer among 1 answer." in page
    assert 'class="filters"' not in page


@pytest.fixture
def visit(browser):
    opened = []

    def open_page(path: Path, width: int = 1440, theme: str = "light", **options) -> Visit:
        seen = Visit(browser, width, theme, **options)
        opened.append(seen)
        seen.hear("dialog", lambda dialog: pytest.fail("a script of a stranger ran"))
        seen.page.goto(path.as_uri())
        return seen

    yield open_page
    for entry in opened:
        entry.leave()


def test_the_page_is_whole_and_keeps_to_itself(visit, saved, saved_hostile):
    for made in (saved, saved_hostile):
        for path in (made.page, made.single_file):
            seen = visit(path, 1440, "light")
            for width, theme in ((1440, "light"), (390, "dark")):
                seen.becomes(width, theme)
                seen.scroll_to_every("main img")
                broken = "[...document.querySelectorAll('main img')].filter(i => !i.naturalWidth)"
                assert seen.page.evaluate(f"{broken}.length") == 0
                root = "document.documentElement"
                assert seen.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
                assert seen.complaints == []
                assert seen.strangers(path.parent) == []


def test_filters_show_and_hide_and_the_viewer_steps_over_what_is_hidden(visit, saved):
    page = visit(saved.page).page
    assert page.inner_text(".filters output") == "3 of 3 shown"
    page.select_option("select[name=pair]", "red → green")
    assert page.evaluate(SHOWN) == ["red/green.PNG", "red/greenish.png"]
    page.select_option("select[name=sure]", "0.9")
    assert page.evaluate(SHOWN) == ["red/green.PNG"]
    assert page.inner_text(".filters output") == "1 of 3 shown"
    page.click(".filters button")
    page.wait_for_timeout(50)
    assert len(page.evaluate(SHOWN)) == 3
    page.select_option("select[name=class]", "blue")
    assert page.evaluate(SHOWN) == ["blue/reddish.png"]
    page.select_option("select[name=class]", "")
    page.fill("input[name=name]", "GREEN")
    assert page.evaluate(SHOWN) == ["red/green.PNG", "red/greenish.png"]
    page.click(".answers figure:not([hidden]) a")
    page.keyboard.press("ArrowRight")
    assert (page.get_attribute("#enlarged", "src") or "").endswith("wrong-3.png")


def test_without_scripts_all_are_shown_and_no_filter(visit, saved):
    page = visit(saved.page, scripts=False).page
    assert not page.is_visible(".filters")
    assert page.locator(".answers figure").count() == 3
