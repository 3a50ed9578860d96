"""The letters of every figure of a report can be read where the page shows it."""

from __future__ import annotations

from typing import Any

import pytest

import cnnviz
from cnnviz.reports import Manifest, Report
from tests.helpers.browser import Visit
from tests.helpers.shown_letters import least_letters

LEAST = 8.0
"""Pixels of a letter at least."""
NARROWEST = 900.0
"""Pixels of a wide picture at least on a page of 1024 pixels or more."""


@pytest.fixture(scope="module")
def shipped() -> Report:
    """Return a report on the shipped network, with all that is quickly computed."""
    photo = cnnviz.Shapes(split="held-out")[19].image
    parts = "photo,predictions,architecture,filters,feature_maps,cam,gradient_flow,units"
    return cnnviz.report(cnnviz.load(), photo, parts)


def test_each_is_large_enough_at_the_width_of_a_page(shipped: Report) -> None:
    found = dict(least_letters(shipped))
    assert len(found) == 15
    assert _too_small(found) == {}


def test_so_is_what_a_thorough_report_adds(thorough: Any) -> None:
    found = dict(least_letters(thorough.report))
    assert {"explanations", "visualizations"} <= {name.rpartition("-")[2] for name in found}
    assert _too_small(found) == {}


def _too_small(found: dict[str, float]) -> dict[str, float]:
    """Return the pixels of the letters that are too small on the narrowest of the pages."""
    return {name: share * NARROWEST for name, share in found.items() if share * NARROWEST < LEAST}


def test_pages_are_as_wide(browser: object, saved: Manifest) -> None:
    seen = Visit(browser, 1024, "light")  # type: ignore[arg-type]
    seen.page.goto(saved.page.as_uri())
    for width in (1024, 1120, 1279, 1280, 1440, 2560):
        seen.becomes(width)
        wide = seen.page.evaluate(
            "[...document.querySelectorAll('figure.wide .card img')].map(one => one.clientWidth)"
        )
        assert len(wide) > 5
        assert min(wide) >= NARROWEST
    seen.leave()


def test_on_a_phone_a_tap_shows_them_large_enough(browser: object, saved: Manifest) -> None:
    seen = Visit(browser, 390, "light", touch=True)  # type: ignore[arg-type]
    seen.page.goto(saved.page.as_uri())
    seen.page.locator("figure.wide a.enlarge").first.tap()
    seen.wait_until("document.getElementById('enlarged').complete")
    assert seen.page.evaluate("document.getElementById('enlarged').clientWidth") >= NARROWEST
    seen.leave()
