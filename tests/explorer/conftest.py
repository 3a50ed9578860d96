"""A page of the explorer, opened in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.browser import Visit
from tests.helpers.explorer_pages import Opened, page_of

_LEFT: dict[str, Opened] = {}
"""Pages that are as they were when they were loaded, by the name of the network."""


@pytest.fixture
def opened(request, browser, tmp_path_factory) -> Iterator[Opened]:
    """Return a page at its beginning; by default that of the shipped network."""
    name = getattr(request, "param", "shapes-residual")
    if name in _LEFT:
        page = _LEFT.pop(name)
    else:
        model, photo, made = page_of(name)
        path = made.save(tmp_path_factory.mktemp("opened") / "page.html")
        page = Opened(Visit(browser, 1200, "light"), model, photo, made, path)
    yield page
    if page.is_as_it_was():
        _LEFT[name] = page
    else:
        page.window.leave()
    assert page.window.complaints == []
