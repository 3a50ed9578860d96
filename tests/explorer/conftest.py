"""A page of the explorer, opened in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.browser import Visit
from tests.helpers.explorer_pages import Opened, page_of


@pytest.fixture(scope="session")
def at_home() -> list[Visit]:
    """Return where the one visitor of most pages is kept: a new one takes as long as a test."""
    return []


@pytest.fixture
def opened(request, browser, at_home, tmp_path) -> Iterator[Opened]:
    """Return an opened page; by default that of the shipped network."""
    model, photo, made = page_of(getattr(request, "param", "shapes-residual"))
    path = made.save(tmp_path / "page.html")
    if not at_home:
        at_home.append(Visit(browser, 1200, "light"))
    (visit,) = at_home
    visit.complaints.clear()
    visit.requests.clear()
    page = Opened(visit, model, photo, made, path)
    page.goes_to("")
    yield page
    complaints = [*visit.complaints]
    # Nothing of this test is there in the next one.
    visit.page.evaluate("localStorage.clear()")
    visit.page.goto("about:blank")
    visit.page.mouse.move(0, 0)
    assert complaints == []
