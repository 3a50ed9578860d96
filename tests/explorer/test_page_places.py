"""A place of the photo, and the list of the channels there: clicks, headings and numbers."""

from __future__ import annotations

import pytest

from tests.helpers.browser import Visit
from tests.helpers.explorer_pages import page_of


def _keep_a_place(page) -> None:
    box = page.locator("#picture").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.6)
    page.locator("#places article h3", has_text="Place A").wait_for()


def test_the_first_click_on_a_channel_of_a_place_opens_it(opened) -> None:
    page = opened.visit.page
    _keep_a_place(page)
    button = page.locator("#places article").first.locator("tbody th .link").nth(2)
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
    button = page.locator("#places article").last.locator("tbody th .link").nth(2)
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
    button = page.locator("#places article tbody th .link").nth(1)
    channel = int(button.inner_text())
    button.tap()
    assert page.evaluate("cnnviz.app.state.channel") == channel
    assert visit.complaints == []
    visit.leave()


def test_numbers_below_each_other_go_to_one_place(opened) -> None:
    page = opened.visit.page
    _keep_a_place(page)
    rows = page.locator("#places article").first.locator("tbody tr").all()
    for column, of in ((0, "acts"), (1, "adds")):
        texts = [row.locator("td").nth(column).inner_text().split()[0] for row in rows]
        assert len({len(text.partition(".")[2]) for text in texts}) == 1, texts
        channels = [int(row.locator("th").inner_text()) for row in rows]
        values = opened.asks(f"document.querySelector('#places article').values.{of}")
        shown = [float(text.replace("\u2212", "-")) for text in texts]
        places = len(texts[0].partition(".")[2])
        wanted = [values[str(channel)] for channel in channels]
        assert shown == pytest.approx(wanted, abs=0.5001 * 10**-places)
        largest = max(texts, key=lambda text: abs(float(text.replace("\u2212", "-"))))
        assert len(largest.strip("\u2212").replace(".", "").lstrip("0")) == 3


def test_what_channels_add_to_a_difference_is_named_as_one(opened) -> None:
    page = opened.visit.page
    heading = page.locator("#places thead th").nth(2)
    names = opened.asks("app.data.names")
    opened.changes_to("#class=1&at=0.4,0.6")
    heading.wait_for()
    assert heading.inner_text() == f"adds here to {names[1]}"
    opened.asks("app.update({ against: 2 })")
    assert heading.inner_text() == f"adds here to {names[1]} rather than {names[2]}"


def test_after_four_places_the_fifth_says_which_is_forgotten(opened) -> None:
    opened.goes_to("#at=0.1,0.1;0.3,0.3;0.5,0.5;0.7,0.7")
    opened.asks("app.keep([0.9, 0.9])")
    assert opened.asks("app.state.at.length") == 4
    assert "the oldest was forgotten" in opened.visit.page.inner_text("#status")
    opened.asks("app.update({ channel: 2 })")
    assert opened.visit.page.inner_text("#status") == ""


def test_how_channels_are_ranked_stands_in_the_address(opened) -> None:
    page = opened.visit.page
    _keep_a_place(page)
    page.select_option("#by", "evidence")
    assert "by=evidence" in page.url
    opened.goes_to(page.url[page.url.index("#") :])
    assert page.input_value("#by") == "evidence"
    first = page.locator("#places tbody tr").first
    channel = first.locator("th").inner_text()
    # A channel that is muted adds nothing, and keeps its row.
    first.locator(".without").click()
    assert page.locator("#places tbody th").first.inner_text() == channel


@pytest.mark.parametrize(
    ("name", "said"),
    [("shapes-residual", "times weight, in units of the score"), ("small", "as Grad-CAM makes it")],
)
def test_what_a_channel_adds_is_said_to_be_exact_or_an_estimate(
    browser, tmp_path, name: str, said: str
) -> None:
    path = page_of(name)[2].save(tmp_path / "page.html")
    visit = Visit(browser, 1280, "light")
    visit.page.goto(f"{path.as_uri()}#at=0.4,0.6")
    visit.wait_until("'cnnviz' in window")
    text = visit.page.inner_text("#adds-said")
    assert said in text
    # The table fits beside the photo.
    card = visit.page.locator("#places .card").first
    assert card.evaluate("(one) => one.scrollWidth <= one.clientWidth + 1")
    before = card.locator("th, td").evaluate_all("(all) => all.map((one) => one.offsetWidth)")
    card.locator(".without:enabled").first.click()
    after = card.locator("th, td").evaluate_all("(all) => all.map((one) => one.offsetWidth)")
    assert after == before, "nothing moves under the pointer"
    visit.leave()
