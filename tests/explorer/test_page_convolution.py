"""The convolution on the page: it follows the channel and the place that are shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.explorer import explore
from tests.helpers.browser import Visit
from tests.helpers.explorer_pages import Opened


class SideBySide(nn.Module):
    """A block that sets the channels of two convolutions side by side, as those of SqueezeNet."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU())
        self.fire = Fire()
        self.last = nn.Linear(9, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.fire(self.first(images)).mean((2, 3)))
        return found


class Fire(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.three = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 5, 3, padding=1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.one(maps).relu(), self.three(maps).relu()], 1)


@pytest.fixture(scope="module")
def made():
    model = cnnviz.load(SideBySide().eval(), categories=list("abcd"))
    photo = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    return model, photo, explore(model, photo, layers=["first", "fire"])


@pytest.fixture
def side(made, browser, tmp_path) -> Iterator[Opened]:
    model, photo, page = made
    path = page.save(tmp_path / "page.html")
    visit = Visit(browser, 1200, "light")
    opened = Opened(visit, model, photo, page, path)
    yield opened
    complaints = visit.complaints
    visit.leave()
    assert complaints == []


def _shown(opened: Opened) -> list[int]:
    page = opened.visit.page
    return [int(page.input_value(f"#step-{name}")) for name in ("channel", "row", "column")]


def test_it_begins_with_the_channel_and_the_place_that_are_shown(side) -> None:
    side.goes_to("#at=0.2,0.4;0.6,0.1&channel=7&step=")
    page = side.visit.page
    page.locator("#planes table").first.wait_for()
    assert _shown(side) == [3, int(0.1 * 16), int(0.6 * 16)]
    assert page.inner_text("#step-same") == "Channel 7 of fire is channel 3 here."
    value = side.asks("arithmetic.valueAt(app.layer(), 7, given, 256)", 1 * 16 + 9)
    last = page.locator("#worked li").all_inner_texts()
    after = next(text for text in last if "after ReLU" in text or "sum" in text)
    assert after
    maps = cnnviz.capture(side.model, side.photo, layers=["fire"]).activations["fire"][0]
    assert abs(float(maps[7, 1, 9]) - value) < 0.02
    side.asks("app.update({ channel: 2 })")
    assert "does not come from this convolution" in page.inner_text("#step-same")
    assert "its channels 4 to 8" in page.inner_text("#step-same")


def test_a_click_on_the_photo_moves_it_and_it_stays(side) -> None:
    page = side.visit.page
    page.locator("#convolution > summary").click()
    page.locator("#planes table").first.wait_for()
    assert page.url.endswith("step=")
    channel, row, column = _shown(side)
    assert (row, column) == (8, 8)
    box = page.locator("#picture").bounding_box()
    page.locator("#picture").click(position={"x": box["width"] * 0.3, "y": box["height"] * 0.7})
    page.mouse.move(1, 1)
    assert _shown(side) == [channel, int(0.7 * 16), int(0.3 * 16)]
    page.locator("#picture").click(position={"x": box["width"] * 0.8, "y": box["height"] * 0.2})
    page.locator("#picture").click(position={"x": box["width"] * 0.3, "y": box["height"] * 0.7})
    page.mouse.move(1, 1)
    assert _shown(side) == [channel, int(0.7 * 16), int(0.3 * 16)], "a kept place is one to click"
    address = page.url[page.url.index("#") :]
    side.goes_to(address)
    page.locator("#planes table").first.wait_for()
    assert _shown(side) == [channel, int(0.7 * 16), int(0.3 * 16)]
    page.locator("#convolution > summary").click()
    side.visit.wait_until("!location.hash.includes('step')")


def test_an_activation_leads_to_how_it_is_computed(side) -> None:
    side.goes_to("#at=0.2,0.4;0.6,0.1")
    page = side.visit.page
    rows = page.locator("#places article").last.locator("tbody tr")
    channels = [int(text) for text in rows.locator("th").all_inner_texts()]
    able = [row.locator("td .link").is_visible() for row in rows.all()]
    assert able == [channel >= 4 for channel in channels]
    assert any(able)
    k = able.index(True)
    rows.nth(k).locator("td .link").click()
    page.locator("#planes table").first.wait_for()
    assert _shown(side) == [channels[k] - 4, int(0.4 * 16), int(0.2 * 16)]
    assert page.evaluate("document.activeElement.parentElement.id") == "convolution"
    side.changes_to("#channel=6&at=0.6,0.1")
    page.locator("#channel > summary").click()
    page.locator("#channel-how").click()
    assert _shown(side) == [2, 1, 9]
    side.asks("app.update({ channel: 1 })")
    assert not page.locator("#channel-how").is_visible()
