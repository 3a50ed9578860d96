"""`report --interactive`: heatmaps that a reader switches, and a page that stays still without."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import cnnviz
from cnnviz.reports import report
from tests.helpers.browser import Visit
from tests.helpers.report_model import fewer_pixels, small_model, write_photo


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    model, photo = cnnviz.load("shapes-residual"), cnnviz.Shapes()[3].image
    # Not square, so that what the network saw is a part of it.
    wide = np.concatenate([photo, photo[:, :40]], 1)
    found = report(model, [wide], "cam", interactive=True)
    with fewer_pixels():
        manifest = found.save(tmp_path_factory.mktemp("live") / "report", single_file=True)
    return model, wide, found, manifest


def test_maps_are_those_of_cam_for_every_class_and_layer(made) -> None:
    model, photo, found, manifest = made
    (entry,) = found.answers
    assert entry.live is not None
    assert entry.live.classes[0] == entry.target
    assert len(set(entry.live.classes)) == 5
    for name in entry.live.classes:
        seen = cnnviz.capture(model, photo, layers=list(entry.live.layers), target=name)
        wanted = cnnviz.cam(seen, list(entry.live.layers), relu=False)
        for place, maps in enumerate(entry.live.maps):
            row = entry.live.classes.index(name)
            np.testing.assert_allclose(
                maps[row], wanted.maps[place][0], atol=1e-5 * np.abs(wanted.maps[place]).max()
            )
    left, top, right, bottom = entry.live.box
    assert (top, bottom) == (0.0, 1.0)
    assert right - left == pytest.approx(photo.shape[0] / photo.shape[1], abs=0.02)
    told = json.loads(manifest.data.read_text("utf-8"))["notes"]
    assert any(re.search(r"answers with takes [\d.]+ kB of it", note) for note in told)


@pytest.mark.parametrize("single", [False, True], ids=["folder", "single file"])
def test_a_reader_switches_class_layer_and_opacity(made, browser, single: bool) -> None:
    _, _, found, manifest = made
    live = found.answers[0].live
    visit = Visit(browser, 1200, "light")
    visit.page.goto((manifest.single_file if single else manifest.page).as_uri())
    visit.page.locator(".live canvas").wait_for(state="visible")
    page = visit.page
    pixels = "() => document.querySelector('.live canvas').toDataURL()"
    said = page.locator(".live figcaption")
    assert f"for {live.classes[0]} at {live.layers[-1]}" in said.inner_text()
    shown = [] if not single else [page.evaluate(pixels)]
    page.locator(".live-class").select_option(index=1)
    assert f"for {live.classes[1]} at" in said.inner_text()
    page.locator(".live-layer").focus()
    page.keyboard.press("ArrowUp")
    assert f"at {live.layers[-2]}" in said.inner_text()
    page.locator(".live input[type=range]").fill("0.2")
    assert page.inner_text(".live output") == "20%"
    page.locator(".live input[type=checkbox]").check()
    assert re.search(r"\u2212[\d.e]+ to [\d.e]+", said.inner_text())
    if single:
        assert page.evaluate(pixels) not in shown
    box = page.locator(".live canvas").bounding_box()
    place = live.maps[-2][1]
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    row, column, value = re.match(
        r"Row (\d+), column (\d+): (\S+)\.$", page.inner_text(".live-here")
    ).groups()
    shown_value = float(value.replace("\u2212", "-"))
    assert abs(shown_value - place[int(row), int(column)]) <= 0.02 * np.abs(place).max()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    assert visit.complaints == []
    visit.leave()


def test_without_scripts_and_without_being_asked_the_pictures_are_still(
    made, saved, browser
) -> None:
    manifest = made[-1]
    visit = Visit(browser, 1200, "light", scripts=False)
    visit.page.goto(manifest.page.as_uri())
    assert not visit.page.locator(".live").is_visible()
    assert visit.page.locator(".answer .pictures figure img").nth(1).is_visible()
    visit.leave()
    text = saved.page.read_text("utf-8")
    assert 'id="cam"' in text
    assert "live-data" not in text
    assert "data-live" not in text


def test_names_that_are_markup_stay_text(tmp_path, browser) -> None:
    bad = "</script><img src=x onerror=document.title='bad'>"
    model = small_model(categories=tuple(f"{bad}{k}" for k in range(3)))
    found = report(model, write_photo(tmp_path / "photo.png", 1), "cam", interactive=True)
    with fewer_pixels():
        manifest = found.save(tmp_path / "report")
    visit = Visit(browser, 1000, "dark")
    visit.page.goto(manifest.page.as_uri())
    visit.page.locator(".live canvas").wait_for(state="visible")
    assert bad in visit.page.inner_text(".live figcaption")
    assert visit.page.locator("img[src=x]").count() == 0
    assert visit.complaints == []
    visit.leave()
