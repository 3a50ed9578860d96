"""The page on phones: the answer in sight, no control cut off, and jumps to their content."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.browser import Visit
from tests.helpers.explorer_pages import page_of

PANELS = ("controls", "channel", "network", "what-if", "convolution")
_CUT = """() => {
  const pen = document.createElement("canvas").getContext("2d");
  return [...document.querySelectorAll("select")].filter((one) => {
    pen.font = getComputedStyle(one).font;
    const widest = Math.max(...[...one.options].map((entry) => pen.measureText(entry.text).width));
    return one.getClientRects().length && widest + 28 > one.clientWidth;
  }).map((one) => one.id);
}"""

_SCROLLED = """() => [...document.querySelectorAll(".card, .class")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1)
  .map((one) => `${one.className}: ${one.scrollWidth} > ${one.clientWidth}`)"""

_WORKS = """() => {
  const { app } = cnnviz;
  const step = app.data.convolutions.find((one) => one.ends === app.layer().name);
  app.works(step.begins + step.channels.values[0], [0.4, 0.3]);
}"""


def _visit(browser: object, folder: Path, width: int, address: str, name: str = "small") -> Visit:
    path = page_of(name)[2].save(folder / "page.html")
    visit = Visit(browser, width, "light", touch=width < 500)  # type: ignore[arg-type]
    visit.page.goto(f"{path.as_uri()}{address}")
    visit.wait_until("'cnnviz' in window")
    return visit


def test_the_answer_stays_in_sight_where_a_channel_is_muted(
    browser: object, tmp_path: Path
) -> None:
    visit = _visit(browser, tmp_path, 240, "#at=0.4,0.3")
    page = visit.page
    verdict, before = page.locator("#verdict"), page.inner_text("#verdict")
    for width in (240, 320, 390):
        visit.becomes(width)
        page.evaluate("scrollTo(0, 0)")
        page.locator("#places .without:enabled").first.tap()
        box = verdict.bounding_box()
        assert box is not None
        assert 0 <= box["y"] <= 900 - box["height"], width
        assert page.inner_text("#changed-said").startswith("without channel")
        row = page.locator("#places tr.muted")
        assert "line-through" in row.locator("td").first.evaluate(
            "(one) => getComputedStyle(one).textDecorationLine"
        )
        page.locator("#restore").tap()
        assert page.inner_text("#verdict") == before
        assert page.locator("#places tr.muted").count() == 0
    visit.leave()


# What a wide page has set must not stay behind in a narrow one.
@pytest.mark.parametrize(
    ("name", "address", "widths"),
    [
        ("small", "#at=0.4,0.3&channel=1", (240, 320, 390)),
        ("small", "#at=0.4,0.3&channel=1", (900,)),
        ("shapes-residual", "#at=0.4,0.3&channel=1", (240, 320, 390)),
        (
            "shapes-residual",
            "#at=0.2,0.3;0.7,0.7&channel=3&scale=2:0",
            (900, 390, 1024, 1920, 1024, 390),
        ),
    ],
)
def test_nothing_is_wider_than_the_page_with_every_panel_open(
    browser: object, tmp_path: Path, name: str, address: str, widths: tuple[int, ...]
) -> None:
    visit = _visit(browser, tmp_path, widths[0], address, name)
    for panel in PANELS:
        visit.page.evaluate(f"document.getElementById('{panel}').open = true")
    for place, width in enumerate(widths):
        visit.becomes(width, "light" if place < 3 else "dark")
        visit.settles()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.page.evaluate(_SCROLLED) == []
        if width >= 320:
            assert visit.page.evaluate(_CUT) == []
    assert visit.complaints == []
    visit.leave()


def test_a_jump_shows_what_it_leads_to(browser: object, tmp_path: Path) -> None:
    visit = _visit(browser, tmp_path, 900, "#at=0.4,0.3&channel=1", "shapes-residual")
    page = visit.page
    for panel in ("channel", "convolution"):
        if panel == "channel":
            page.click("#shown-more")
        else:
            page.evaluate("document.getElementById('channel').open = false; scrollTo(0, 0)")
            page.evaluate(_WORKS)
        page.wait_for_timeout(200)
        top, bottom = page.evaluate(
            f"(({{top, bottom}}) => [top, bottom])"
            f"(document.getElementById('{panel}').getBoundingClientRect())"
        )
        assert top >= -1, panel
        assert top <= 1 or bottom <= 901, panel
    visit.leave()


def test_a_muted_channel_is_told_to_be_one_and_the_photo_alone_has_no_colours(
    browser: object, tmp_path: Path
) -> None:
    visit = _visit(browser, tmp_path, 390, "#channel=1&scale=1:0")
    assert "channel 1 responded before it was muted" in visit.page.inner_text("#told")
    assert visit.page.locator("#scale-bar").is_visible()
    visit.page.tap("#map-off")
    assert not visit.page.locator("#scale-bar").is_visible()
    visit.leave()


_LINED_UP = """() => {
  const lefts = (all) => new Set(all.map((one) => Math.round(one.getBoundingClientRect().left)));
  const planes = [...document.querySelectorAll(".plane")];
  const tables = planes.map((one) => one.querySelectorAll("table"));
  return [0, 1, 2].map((k) => lefts(tables.map((one) => one[k])).size);
}"""
_SIGNS_APART = """() => [...document.querySelectorAll(".sign")].filter((one) => {
  const [sign, table] = [one, one.nextElementSibling].map((part) => part.getBoundingClientRect());
  return sign.top > table.bottom || sign.bottom < table.top || sign.right > table.left;
}).length"""


def test_the_numbers_of_a_convolution_line_up_and_keep_their_signs(
    browser: object, tmp_path: Path
) -> None:
    visit = _visit(browser, tmp_path, 1280, "", "shapes-residual")
    visit.page.evaluate("document.getElementById('convolution').open = true")
    visit.settles()
    assert visit.page.locator(".plane").count() > 2
    assert visit.page.evaluate(_LINED_UP) == [1, 1, 1]
    for width in (390, 320):
        visit.becomes(width)
        visit.settles()
        assert visit.page.evaluate(_SIGNS_APART) == 0
    visit.leave()
