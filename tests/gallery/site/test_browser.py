"""The site in a real browser: by mouse and keyboard, wide and narrow, light and dark, in print."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.helpers.browser import Visit

PAGES = (
    "index.html",
    "models/tiny/index.html",
    "models/tiny/mixed/index.html",
    "models/tiny/mixed/4.html",
    "models/tiny/first/0.html",
    "models/tiny/right/2.html",
    "models/tiny/classes/index.html",
    "models/tiny/classes/0-circle.html",
)
# Shifts that happen without a click or key count against a page.
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
AXE = """(rules) => axe.run({ resultTypes: ["violations"], ...rules && { runOnly: rules } })
  .then(({ violations }) => JSON.stringify(violations))"""
OF_COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that ask for colours: of the rest nothing depends on the theme."""


class Tour(Visit):
    """A visitor of a site."""

    def __init__(
        self,
        browser,
        site: Path,
        width: int,
        theme: str,
        scripts: bool = True,
        at: str = "index.html",
    ) -> None:
        super().__init__(browser, width, theme, scripts, first=SHIFTS if scripts else "")
        self.site = site
        self.hear("requestfailed", self._failed)
        self.go(at)

    def _failed(self, request) -> None:
        # A page that is left lets go of pictures that were still on their way.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.complaints.append(f"{request.url} {request.failure}")

    def go(self, name: str) -> None:
        self.page.goto(f"{self.site.as_uri()}/{name}")

    @property
    def at(self) -> str:
        """Where in the site the visitor is."""
        return self.page.url.removeprefix(self.site.as_uri() + "/")

    def comes_to(self, name: str) -> None:
        self.page.wait_for_url(f"{self.site.as_uri()}/{name}")

    def is_well(self) -> None:
        self.scroll_to_every("img")
        broken = "[...document.images].filter(image => !image.naturalWidth).map(i => i.src)"
        assert self.page.evaluate(broken) == []
        root = "document.documentElement"
        assert self.page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth + 15")
        assert self.page.evaluate("window.shifted") < 0.01
        assert self.complaints == []
        assert self.strangers(self.site) == []


@pytest.fixture
def visit(browser, tiny_site):
    opened = []

    def open_site(width: int = 1440, theme: str = "light", **options) -> Tour:
        opened.append(Tour(browser, options.pop("site", tiny_site), width, theme, **options))
        return opened[-1]

    yield open_site
    for entry in opened:
        entry.leave()


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_every_kind_of_page_is_whole_and_keeps_to_itself(visit, width, theme):
    seen = visit(width, theme)
    seen.is_well()
    for name in PAGES[1:]:
        seen.go(name)
        seen.is_well()


def test_networks_stand_beside_one_another_on_the_home_page(visit):
    seen = visit()
    page = seen.page
    page.locator(".cards").evaluate("(all) => all.append(all.firstElementChild.cloneNode(true))")
    for width in (1440, 1024):
        seen.becomes(width)
        first, second = (card.bounding_box() for card in page.locator(".cards li").all())
        assert first["y"] == second["y"], width
        assert second["x"] >= first["x"] + first["width"], width
        right = page.locator("main").bounding_box()
        assert second["x"] + second["width"] >= right["x"] + right["width"] - 45, width


def test_nine_patches_stand_in_one_row_where_the_page_is_wide_enough(visit):
    seen = visit(1024, at="models/tiny/mixed/4.html")
    tops = seen.page.locator("#strongest ~ .examples li").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect().top)"
    )
    assert len(set(tops)) == 1
    assert len(tops) > 8


def test_from_home_to_a_unit_by_mouse_and_back(visit):
    seen = visit()
    page = seen.page
    page.click(".cards a")
    seen.comes_to("models/tiny/index.html")
    page.click(".steps a:has-text('mixed')")
    seen.comes_to("models/tiny/mixed/index.html")
    page.click(".tiles a[href='4.html']")
    seen.comes_to("models/tiny/mixed/4.html")
    assert page.inner_text("h1") == "mixed:4"
    page.click("a[rel=next]")
    seen.comes_to("models/tiny/mixed/5.html")
    linked = page.evaluate("document.querySelector('.connections a').href")
    page.click(".connections a >> nth=0")
    page.wait_for_url(linked)
    assert "/mixed/" not in page.url
    page.go_back()
    seen.comes_to("models/tiny/mixed/5.html")
    page.go_back()
    seen.comes_to("models/tiny/mixed/4.html")
    page.click(".crumbs a >> text=mixed")
    seen.comes_to("models/tiny/mixed/index.html")
    seen.is_well()


def test_from_home_to_a_unit_by_keyboard_and_up_again(visit):
    seen = visit()
    press = seen.page.keyboard.press
    press("ArrowRight")
    press("Enter")
    seen.comes_to("models/tiny/index.html")
    press("ArrowRight")
    press("ArrowDown")
    press("ArrowUp")
    press("Enter")
    seen.comes_to("models/tiny/first/index.html")
    press("ArrowRight")
    press("ArrowRight")
    press("Enter")
    seen.comes_to("models/tiny/first/1.html")
    press("ArrowRight")
    seen.comes_to("models/tiny/first/2.html")
    press("ArrowLeft")
    seen.comes_to("models/tiny/first/1.html")
    for above in ("models/tiny/first/index.html", "models/tiny/index.html", "index.html"):
        press("Escape")
        seen.comes_to(above)
    seen.is_well()


def test_search_finds_layers_channels_and_classes(visit):
    seen = visit(at="models/tiny/mixed/4.html")
    page = seen.page

    def found(words: str) -> list[str]:
        page.fill("#search", words)
        page.wait_for_selector("#found:not([hidden])")
        page.wait_for_timeout(50)
        return [
            entry.inner_text().split("\n")[0] for entry in page.query_selector_all("#found > *")
        ]

    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    assert found("mix")[0] == "mixed"
    assert "hexagon" in found("hex")
    assert found("nothing so named") == ["Nothing of this name."]
    assert found("right:3")[0] == "right:3"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    seen.comes_to("models/tiny/right/3.html")
    page.keyboard.press("/")
    assert found("right 99") == ["Nothing of this name."]
    page.keyboard.press("Escape")
    assert not page.is_visible("#found")
    assert seen.at == "models/tiny/right/3.html"
    page.keyboard.press("/")
    assert found("circle")[0] == "circle"
    page.keyboard.press("Enter")
    seen.comes_to("models/tiny/classes/0-circle.html")
    seen.is_well()


def test_channels_are_sorted_and_the_order_survives_a_reload(visit):
    seen = visit(at="models/tiny/mixed/index.html")
    page = seen.page

    def values(place: int) -> list[float]:
        read = "[...document.querySelectorAll('.tiles li')].map(item => item.dataset.v)"
        return [float(entry.split(" ")[place]) for entry in page.evaluate(read)]

    by_index = values(0)
    for place, kind in ((0, "activity"), (2, "sparsity")):
        page.click(f"[data-sort={kind}]")
        page.wait_for_timeout(50)
        assert values(place) == sorted(values(place), reverse=True)
        assert page.get_attribute(f"[data-sort={kind}]", "aria-pressed") == "true"
    assert seen.at.endswith("#sort=sparsity")
    page.reload()
    assert values(2) == sorted(values(2), reverse=True)
    page.click("[data-sort=index]")
    page.wait_for_timeout(50)
    assert values(0) == by_index != sorted(by_index, reverse=True)
    # Three images of a class tell nothing of selectivity, and an address may ask for it.
    assert page.query_selector("[data-sort=selectivity]") is None
    seen.go("models/tiny/mixed/index.html#sort=selectivity")
    assert page.get_attribute("[data-sort=index]", "aria-pressed") == "true"
    assert values(0) == by_index
    assert seen.complaints == []


def test_the_theme_follows_the_system_and_the_button_and_is_remembered(visit):
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = visit()
    light = seen.page.evaluate(ground)
    seen.becomes(1440, "dark")
    dark = seen.page.evaluate(ground)
    assert dark != light
    seen.page.click("#theme")
    assert seen.page.evaluate(ground) == light
    seen.go("models/tiny/first/0.html")
    assert seen.page.evaluate(ground) == light


def test_without_scripts_everything_but_search_and_sorting_is_there(visit):
    seen = visit(scripts=False)
    page = seen.page
    assert not page.is_visible("#search")
    page.click(".cards a")
    page.click(".steps a:has-text('mixed')")
    assert not page.is_visible(".sort")
    page.click(".tiles a[href='4.html']")
    seen.comes_to("models/tiny/mixed/4.html")
    assert page.is_visible(".examples img")
    assert page.is_visible(".histogram svg")
    page.click("a[rel=next]")
    seen.comes_to("models/tiny/mixed/5.html")


def test_the_site_works_in_a_folder_of_another_name(visit, tiny_site, tmp_path):
    site = shutil.copytree(tiny_site, tmp_path / "a b" / "deep er")
    seen = visit(site=site)
    seen.is_well()
    for name in PAGES[2::2]:
        seen.go(name)
        seen.is_well()


def test_a_unit_prints_on_paper_without_its_controls(visit):
    seen = visit(at="models/tiny/mixed/4.html")
    seen.page.emulate_media(media="print")
    assert not seen.page.is_visible(".bar")
    assert not seen.page.is_visible(".pager")
    assert seen.page.is_visible(".examples img")
    assert len(seen.page.pdf(format="A4", print_background=True)) > 10_000


def test_axe_finds_no_serious_fault(visit):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    script, seen = axe.Axe().axe_script, visit()
    # Of the three units the one with most on it.
    for name in [one for one in PAGES if "/first/" not in one and "/right/" not in one]:
        seen.go(name)
        # Once a page, and of all that it finds what is asked for: the rest is long.
        seen.page.evaluate(script)
        for theme, rules in (("light", None), ("dark", OF_COLOURS)):
            seen.becomes(1440, theme)
            found = json.loads(seen.page.evaluate(AXE, rules))
            serious = [
                (entry["id"], entry["help"], [node["target"] for node in entry["nodes"]][:3])
                for entry in found
                if entry["impact"] in ("serious", "critical")
            ]
            assert serious == [], (name, theme)


@pytest.mark.parametrize("width", [390, 1440])
def test_a_patch_and_its_projection_are_enlarged_and_marked_together(visit, width: int) -> None:
    tour = visit(width, at="models/tiny/mixed/4.html")
    page = tour.page
    count = page.locator(".examples li").count()
    first = page.locator(".examples li").first
    shown = first.locator("img").count()
    assert shown == 2
    first.locator("button.enlarge").focus()
    page.keyboard.press("Enter")
    box = page.locator("dialog.zoom")
    assert box.is_visible()
    assert box.locator(".zoomed img").count() == shown
    assert first.locator(".value").inner_text() in box.locator(".value").inner_text()
    # Each is as large as the dialog says, of the very same cut of the sheet.
    place = box.locator(".zoomed span").first.bounding_box()
    assert place["width"] >= 2.4 * 96
    assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth")
    page.mouse.move(place["x"] + place["width"] * 0.25, place["y"] + place["height"] * 0.5)
    marks = page.evaluate(
        "[...document.querySelectorAll('.zoomed i')].map(({ hidden, style }) => "
        "[hidden, parseFloat(style.left), parseFloat(style.top)])"
    )
    assert len(marks) == shown
    for hidden, left, top in marks:
        assert not hidden
        assert abs(left - 25) < 1
        assert abs(top - 50) < 1
    # Arrow keys go from patch to patch here, and not from page to page.
    page.keyboard.press("ArrowLeft")
    last = page.locator(".examples li").nth(count - 1)
    assert last.locator(".value").inner_text() in box.locator(".value").inner_text()
    assert tour.at == "models/tiny/mixed/4.html"
    page.keyboard.press("Escape")
    assert not box.is_visible()
    first.locator("img").first.click()
    assert box.is_visible()
    box.locator("button.close").click()
    tour.is_well()
