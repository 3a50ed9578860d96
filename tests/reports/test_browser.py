"""The page in a real browser: wide and narrow, light and dark, from file://, in print."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.browser import Visit

PICTURES = "main img"


class Page(Visit):
    """A visitor of one report."""

    def __init__(self, browser, path: Path, width: int, theme: str, scripts: bool = True) -> None:
        super().__init__(browser, width, theme, scripts)
        self.path = path
        self.page.goto(path.as_uri())


@pytest.fixture
def visit(browser):
    opened = []

    def open_page(path: Path, width: int = 1440, theme: str = "light", **options) -> Page:
        opened.append(Page(browser, path, width, theme, **options))
        return opened[-1]

    yield open_page
    for entry in opened:
        entry.leave()


WIDE, NARROW = (1440, "light"), (390, "dark")
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def shows_every_picture(seen: Page) -> int:
    """Return how many pictures there are: each is shown, and nothing is wider than the page."""
    seen.scroll_to_every(PICTURES)
    widths = seen.page.evaluate(
        f"[...document.querySelectorAll('{PICTURES}')].map(image => image.naturalWidth)"
    )
    assert min(widths) > 0
    assert seen.complaints == []
    assert seen.strangers(seen.path.parent) == []
    assert seen.page.evaluate(OVERFLOW) == 0
    return len(widths)


@pytest.mark.parametrize(
    ("name", "first", "then"), [("saved", WIDE, NARROW), ("saved_several", NARROW, WIDE)]
)
def test_the_page_is_whole_and_keeps_to_itself(request, visit, name, first, then):
    manifest = request.getfixturevalue(name)
    seen = visit(manifest.page, *first)
    assert shows_every_picture(seen) > 10
    seen.becomes(*then)
    assert shows_every_picture(seen) > 10
    assert seen.page.title().startswith("What small sees in ")


def test_the_single_file_and_hostile_names_are_whole_too(visit, saved_several, saved_hostile):
    for path in (saved_several.single_file, saved_hostile.page, saved_hostile.single_file):
        seen = visit(path, *WIDE)
        seen.hear("dialog", lambda dialog: pytest.fail("a script of a stranger ran"))
        shows_every_picture(seen)
        seen.becomes(*NARROW)
        shows_every_picture(seen)


def test_the_page_on_a_training_is_whole_too(visit, saved_training):
    for path in (saved_training.page, saved_training.single_file):
        seen = visit(path, *WIDE)
        seen.hear("dialog", lambda dialog: pytest.fail("a script of a stranger ran"))
        assert shows_every_picture(seen) == 6
        seen.becomes(*NARROW)
        assert shows_every_picture(seen) == 6


def test_the_theme_follows_the_system_and_the_button(visit, saved):
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = visit(saved.page)
    light = seen.page.evaluate(ground)
    seen.becomes(1440, "dark")
    dark = seen.page.evaluate(ground)
    assert dark != light
    seen.page.click("#theme")
    assert seen.page.evaluate(ground) == light
    seen.page.reload()
    assert seen.page.evaluate(ground) == light


def test_a_click_enlarges_a_picture_and_escape_closes_it(visit, saved):
    seen = visit(saved.page)
    page = seen.page
    for width in (1440, 390):
        seen.becomes(width)
        page.click(".gallery a.enlarge >> nth=0")
        assert page.is_visible("#viewer")
        first = page.get_attribute("#enlarged", "src")
        assert page.evaluate("document.getElementById('enlarged').alt") != ""
        assert page.inner_text("#enlarged-caption") != ""
        page.keyboard.press("ArrowRight")
        assert page.get_attribute("#enlarged", "src") != first
        page.keyboard.press("ArrowLeft")
        assert page.get_attribute("#enlarged", "src") == first
        page.keyboard.press("Escape")
        assert not page.is_visible("#viewer")
        assert page.evaluate("document.activeElement.className").startswith("enlarge")


def test_without_scripts_a_click_opens_the_file(visit, saved):
    seen = visit(saved.page, scripts=False)
    seen.page.click(".gallery a.enlarge >> nth=0")
    seen.page.wait_for_url("**/pictures/*.png")
    assert not seen.page.is_visible("#viewer")


def test_the_table_of_contents_leads_to_its_sections_and_marks_them(visit, saved_several):
    seen = visit(saved_several.page)
    page = seen.page
    links = page.query_selector_all("aside.contents a")
    assert len(links) > 8
    link = page.query_selector("aside.contents a[href='#tower-cam']")
    link.click()
    seen.wait_until(
        "document.querySelector(\"aside.contents a[href='#tower-cam']\")"
        ".getAttribute('aria-current') === 'true'"
    )
    assert page.url.endswith("#tower-cam")


def test_on_a_phone_the_table_of_contents_unfolds(visit, saved):
    page = visit(saved.page, 390).page
    assert not page.is_visible("aside.contents")
    assert not page.is_visible(".contents-fold a")
    page.click(".contents-fold summary")
    page.click(".contents-fold a[href='#cam']")
    assert page.url.endswith("#cam")
    assert not page.is_visible(".contents-fold a")


def test_wide_tables_scroll_in_their_own_frame(visit, saved):
    page = visit(saved.page, 390).page
    page.click("#architecture details.folded summary")
    frame = "document.querySelector('#architecture .scroll')"
    assert page.evaluate(f"{frame}.scrollWidth > {frame}.clientWidth")
    assert page.evaluate(OVERFLOW) == 0


def test_digests_are_broken_before_a_table_scrolls(visit, saved):
    frames = "[...document.querySelectorAll('#provenance > .scroll')]"
    seen = visit(saved.page, 1280)
    wide = seen.page.evaluate(f"{frames}.map(each => each.scrollWidth > each.clientWidth)")
    assert wide == [False, False]


def test_print_shows_every_picture_and_unfolds_the_tables(visit, saved, tmp_path):
    seen = visit(saved.page)
    seen.page.emulate_media(media="print")
    assert not seen.page.is_visible(".bar")
    assert not seen.page.is_visible("aside.contents")
    broken = "getComputedStyle(document.querySelector('.gallery {}')).breakInside"
    kept = {
        part: seen.page.evaluate(broken.format(part)) for part in ("figure", "figcaption", ".card")
    }
    # What is said of a picture goes on overleaf, and the picture stays whole: a figure kept whole
    # with its caption left a third of most pages empty.
    assert kept == {"figure": "auto", "figcaption": "auto", ".card": "avoid"}
    content = seen.page.pdf(format="A4", print_background=True)
    drawn = [entry for entry in saved.files if entry.path.startswith("pictures/")]
    asked = {url for url in seen.requests if "/pictures/" in url}
    assert len(asked) == len(drawn)
    assert content.count(b"/Subtype /Image") >= len(drawn)
    assert seen.page.evaluate("document.querySelectorAll('details.folded:not([open])').length") == 0


def test_a_click_on_the_enlarged_picture_shows_every_pixel(visit, saved):
    page = visit(saved.page, 700).page
    page.click(".gallery a.enlarge >> nth=0")
    widths = "[enlarged.clientWidth, enlarged.naturalWidth]"
    fitted, natural = page.evaluate(widths)
    assert fitted <= 700 < natural
    page.click("#enlarged")
    assert page.evaluate("enlarged.clientWidth") == natural
    page.click("#enlarged", position={"x": natural / 2, "y": 40})
    assert page.evaluate("enlarged.clientWidth") == fitted
