"""A place of the photo, and the list of the channels there: clicks, and what its headings say."""

from __future__ import annotations

from tests.helpers.browser import Visit
from tests.helpers.explorer_pages import page_of


def _keep_a_place(page) -> None:
    box = page.locator("#picture").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.6)
    page.locator("#places article h3", has_text="Place A").wait_for()


def test_the_first_click_on_a_channel_of_a_place_opens_it(opened) -> None:
    page = opened.visit.page
    _keep_a_place(page)
    button = page.locator("#places article").first.locator("tbody .link").nth(2)
    channel = int(button.inner_text())
    # As by hand: pressed and let go are apart, so that what happens between them counts.
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.wait_for_timeout(50)
    page.mouse.up()
    assert opened.asks("app.state.channel") == channel


def test_after_keys_the_first_click_on_a_channel_opens_it_too(opened) -> None:
    page = opened.visit.page
    page.focus("#picture")
    for key in ("ArrowRight", "Enter", "ArrowDown"):
        page.keyboard.press(key)
    assert page.locator("#places article").count() == 2
    button = page.locator("#places article").last.locator("tbody .link").nth(2)
    channel = int(button.inner_text())
    button.click(delay=50)
    assert opened.asks("app.state.channel") == channel


def test_by_touch_the_first_tap_on_a_channel_opens_it(browser, tmp_path) -> None:
    path = page_of("shapes-residual")[2].save(tmp_path / "page.html")
    visit = Visit(browser, 390, "light", touch=True)
    visit.page.goto(path.as_uri())
    visit.wait_until("'cnnviz' in window")
    page = visit.page
    page.locator("#picture").tap(position={"x": 100, "y": 120})
    button = page.locator("#places article tbody .link").nth(1)
    channel = int(button.inner_text())
    button.tap()
    assert page.evaluate("cnnviz.app.state.channel") == channel
    assert visit.complaints == []
    visit.context.close()


def test_what_channels_add_to_a_difference_is_named_as_one(opened) -> None:
    page = opened.visit.page
    heading = page.locator("#places thead th").nth(2)
    names = opened.asks("app.data.names")
    opened.goes_to("#class=1&at=0.4,0.6")
    heading.wait_for()
    assert heading.inner_text() == f"adds to {names[1]}"
    opened.asks("app.update({ against: 2 })")
    assert heading.inner_text() == f"adds to {names[1]} rather than {names[2]}"
