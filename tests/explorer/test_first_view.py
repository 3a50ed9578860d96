"""What a person finds without being told: hints, the list beside the photo, and why not a class."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.explorer import explore
from tests.helpers.browser import Visit
from tests.helpers.explorer_pages import Opened, page_of

_SHIFTS = """() => new Promise((done) => {
  let total = 0;
  new PerformanceObserver((list) => { for (const one of list.getEntries()) total += one.value; })
    .observe({ type: "layout-shift", buffered: true });
  // Not in the page's own idle time: a window that is not drawn may never have any.
  setTimeout(() => done(total), 50);
})"""


def _visit(browser, tmp_path, width: int, touch: bool = False) -> Visit:
    path = page_of("shapes-residual")[2].save(tmp_path / "page.html")
    visit = Visit(browser, width, "light", touch=touch)
    visit.page.goto(path.as_uri())
    visit.wait_until("'cnnviz' in window")
    return visit


def _told_apart(said: str) -> list[float]:
    """Return two scores and how far they are apart, which all go to the same place."""
    texts = re.findall(r"\u2212?\d+\.\d+(?!\d*%)", said.split("\n")[0])
    assert {len(text.partition(".")[2]) for text in texts} == {2}
    return [float(text.replace("\u2212", "-")) for text in texts]


def _in_view(visit: Visit, selector: str) -> bool:
    box = visit.page.locator(selector).bounding_box()
    return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= 900


@pytest.mark.parametrize("widths", [(390,), (1024, 1280, 1920)])
def test_pointing_at_the_photo_shows_at_once_what_responds_there(browser, tmp_path, widths) -> None:
    phone = widths == (390,)
    visit = _visit(browser, tmp_path, widths[0], touch=phone)
    page = visit.page
    for width in widths:
        visit.becomes(width)
        for selector in ("#hint", "#verdict", "#answers li:nth-child(2) .why", "#picture"):
            assert _in_view(visit, selector), (selector, width)
    assert page.inner_text("#hint").startswith("Tap" if phone else "Point at")
    for width in widths:
        visit.becomes(width)
        box = page.locator("#picture").bounding_box()
        at = {"x": box["width"] * 0.4, "y": box["height"] * 0.6}
        if phone:
            page.locator("#picture").tap(position=at)
        else:
            page.locator("#picture").hover(position=at)
        for selector in ("#places article h3", "#places tbody tr:first-child", "#picture"):
            assert _in_view(visit, selector), (selector, width)
        assert not page.locator("#hint").is_visible()
        assert page.locator("#marks .cell").is_visible()
        assert page.locator("#marks .field").is_visible()
        if not phone:
            # The list stays when the pointer goes there.
            heading = page.locator("#places article h3").bounding_box()
            page.mouse.move(heading["x"] + 2, heading["y"] + 2)
            assert page.locator("#places article").count() == 1
            page.mouse.move(0, 0)
    assert visit.complaints == []
    visit.leave()


@pytest.mark.parametrize("width", [390, 1024, 1280])
@pytest.mark.parametrize("name", ["shapes-residual", "small"])
def test_nothing_moves_while_the_page_is_loaded(browser, tmp_path, width: int, name: str) -> None:
    path = page_of(name)[2].save(tmp_path / "page.html")
    visit = Visit(browser, width, "light")
    visit.page.goto(path.as_uri())
    visit.wait_until("'cnnviz' in window")
    visit.settles()
    assert visit.page.evaluate(_SHIFTS) == 0
    visit.leave()


def test_why_it_is_not_another_class_is_one_click_away(opened: Opened) -> None:
    page = opened.visit.page
    best, other = (
        line.split("\n")[0] for line in page.locator("#answers li").all_inner_texts()[:2]
    )
    page.locator("#answers .why").nth(1).click()
    assert page.inner_text("#why-title") == f"Why {best} and not {other}?"
    said = page.inner_text("#why-said")
    assert f"Red on the photo is evidence for {best}, blue for {other}." in said
    scores = opened.asks(
        "[app.state.class, app.state.against].map((k) => app.data.scores.values[k])"
    )
    assert _told_apart(said) == pytest.approx([*scores, scores[0] - scores[1]], abs=0.005)
    # Before a linear head what channels add makes up the lead.
    found = opened.asks(
        "((layer, [one, two]) => Array.from({ length: layer.maps.shape[0] }, (_, c) =>"
        " layer.head.means.values[c] * [one, two].reduce((sum, k, j) => sum + (j ? -1 : 1) *"
        " layer.weights.values[k * layer.maps.shape[0] + c] * layer.row.values[k], 0)))"
        "(app.layer(), [app.state.class, app.state.against])"
    )
    named = page.locator("#why-said .pair")
    channels = [int(one) for one in named.locator("button").all_inner_texts()]
    order = np.argsort(found)
    assert channels == [*order[::-1][:3].tolist(), *order[:3].tolist()]
    values = [
        float(text.split("\u00a0")[1].strip(", ").replace("\u2212", "-"))
        for text in named.all_inner_texts()
    ]
    np.testing.assert_allclose(values, np.array(found)[channels], rtol=0.02, atol=1e-3)
    named.locator("button").first.click()
    assert opened.asks("app.state.channel") == channels[0]
    page.locator("#shown-back").click()
    assert opened.asks("[app.state.channel, app.state.against]") == [None, None]
    assert not page.locator("#why").is_visible()


@pytest.mark.parametrize("opened", ["small"], indirect=True)
def test_of_a_class_without_a_map_the_scores_are_told(opened: Opened) -> None:
    page = opened.visit.page
    missing = opened.asks("app.data.names.findIndex((_, k) => !app.layer().classes.includes(k))")
    page.fill("#against-search", f"class {missing}")
    page.locator("#against-found button").first.click()
    said = page.inner_text("#why-said")
    assert f"that of class {missing}" in said
    assert f"holds no map of class {missing} at " in said
    assert f"no map of class {missing}" in page.inner_text("#told")
    page.fill("#against-search", "opossum")
    assert "No class of this network has “opossum” in its name." in page.inner_text(
        "#against-count"
    )


def test_a_press_is_not_lost_where_the_page_is_drawn_anew_meanwhile(opened: Opened) -> None:
    opened.goes_to("#at=0.4,0.6&against=3&scale=1:0.5")
    page = opened.visit.page
    page.locator("#what-if > summary").click()
    page.locator("#offered li").first.wait_for()
    for selector in (
        "#answers li:nth-child(2) .class",
        "#answers li:nth-child(3) .why",
        "#places tbody tr:nth-child(2) .link",
        "#places tbody tr:nth-child(2) .without",
        "#why-said .pair button",
        "#offered li:nth-child(2) button[aria-pressed]",
        "#forget",
    ):
        opened.asks("app.update({ against: 3, class: 0, at: [[0.4, 0.6]], channel: null })")
        target = page.locator(selector).first
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        before = opened.asks("JSON.stringify([app.state, [...app.state.scales]])")
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        opened.asks("(() => { app.draw(); app.drawPointed(); app.update({ opacity: 0.55 }); })()")
        page.wait_for_timeout(30)
        page.mouse.up()
        assert opened.asks("JSON.stringify([app.state, [...app.state.scales]])") != before, selector


def test_the_photo_is_shown_alone_and_with_the_map_again(opened: Opened) -> None:
    page = opened.visit.page
    page.locator("#map-off").click()
    alone = opened.asks(
        "['picture', 'photo'].map((id) => { const one = document.getElementById(id);"
        " const copy = document.createElement('canvas'); copy.width = copy.height = 96;"
        " const pen = copy.getContext('2d'); pen.drawImage(one, 0, 0);"
        " return [...pen.getImageData(0, 0, 96, 96).data]; })"
    )
    assert np.abs(np.subtract(*alone)).max() <= 1
    assert "opacity=0" in page.url
    assert page.inner_text("#map-off") == "Show the map"
    page.locator("#map-off").click()
    assert opened.asks("app.state.opacity === app.first.opacity")


def test_arrow_keys_move_the_worked_convolution(opened: Opened) -> None:
    page = opened.visit.page
    page.locator("#convolution > summary").click()
    page.locator("#planes table").first.wait_for()
    row, column = (int(page.input_value(f"#step-{one}")) for one in ("row", "column"))
    page.focus("#planes")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    assert [int(page.input_value(f"#step-{one}")) for one in ("row", "column")] == [
        row - 1,
        column + 2,
    ]
    assert f",{row - 1},{column + 2}" in page.url
    page.go_back()
    assert int(page.input_value("#step-row")) == row


def test_on_a_low_screen_a_tap_brings_the_list_into_view(browser, tmp_path) -> None:
    visit = _visit(browser, tmp_path, 390, touch=True)
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 560})
    page.locator("#picture").tap(position={"x": 150, "y": 200})
    rows = page.locator("#places tbody tr")
    for row in (rows.first, rows.last):
        box = row.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 560
    # Muting from there does not take the list away.
    before = page.evaluate("scrollY")
    rows.nth(1).locator(".without").tap()
    assert abs(page.evaluate("scrollY") - before) < 60
    visit.leave()


def test_layers_that_are_called_by_a_number_are_called_layers(browser, tmp_path) -> None:
    torch.manual_seed(0)
    parts = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    photo = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    model = cnnviz.load(nn.Sequential(*parts).eval(), preprocessing={"resize": 16, "crop": 16})
    path = explore(model, photo).save(tmp_path / "page.html")
    assert "at layer 1 (14 x 14 places)" in path.read_text("utf-8")
    visit = Visit(browser, 1280, "light")
    visit.page.goto(f"{path.as_uri()}#at=0.5,0.5&step=0,3,3&channel=2")
    visit.wait_until("'cnnviz' in window")
    visit.page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    visit.settles()
    said = visit.page.inner_text("body")
    for wanted in ("of layer 1: it sees", "of 0 to 3 in layer 1", "It leads to layer 1."):
        assert wanted in said
    visit.leave()
