"""A page of the explorer, opened in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.browser import Visit
from tests.helpers.explorer_pages import Opened, page_of


@pytest.fixture
def opened(request, browser, tmp_path) -> Iterator[Opened]:
    """Return an opened page; by default that of the shipped network."""
    model, photo, made = page_of(getattr(request, "param", "shapes-residual"))
    path = made.save(tmp_path / "page.html")
    visit = Visit(browser, 1200, "light")
    page = Opened(visit, model, photo, made, path)
    page.goes_to("")
    yield page
    visit.leave()
    assert visit.complaints == []
