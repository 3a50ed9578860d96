"""The explorer in a notebook: shown as Jupyter does, converted to HTML, and opened in a browser."""

from __future__ import annotations

import json

import pytest

from cnnviz.explorer.build import HEIGHT
from tests.helpers.browser import Visit
from tests.helpers.explorer_pages import page_of

nbformat = pytest.importorskip("nbformat")
nbconvert = pytest.importorskip("nbconvert")
formatters = pytest.importorskip("IPython.core.formatters")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    # What a kernel sends, through JSON as it does; a kernel of its own would import torch first.
    _, _, made = page_of("shapes-residual")
    data, metadata = json.loads(json.dumps(formatters.DisplayFormatter().format(made)))
    shown = nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=1)
    cell = nbformat.v4.new_code_cell("cnnviz.explore(model, photo)", outputs=[shown])
    book = nbformat.v4.new_notebook(cells=[cell])
    nbformat.validate(book)
    text, _ = nbconvert.HTMLExporter().from_notebook_node(book)
    path = tmp_path_factory.mktemp("notebook") / "notebook.html"
    path.write_text(text, "utf-8")
    return path


def test_it_survives_conversion_and_answers_in_its_frame(converted, browser) -> None:
    visit = Visit(browser, 1200, "light")
    page = visit.page
    page.goto(converted.as_uri(), wait_until="domcontentloaded")
    frame = page.frame_locator("iframe[title='cnnviz explorer']")
    frame.locator("#answers .class").nth(1).click()
    assert "where the network found" in frame.locator("#told").inner_text()
    box = page.locator("iframe[title='cnnviz explorer']").bounding_box()
    assert abs(box["height"] - HEIGHT) <= 4
    assert box["width"] > 600
    before = frame.locator("#verdict").inner_text()
    frame.locator("#what-if > summary").click()
    frame.locator("#offered button:text-is('mute')").first.click()
    frame.locator("#give-back").click()
    assert frame.locator("#verdict").inner_text() == before
    # Its colours are its own, and the notebook's are not touched.
    assert page.evaluate("document.documentElement.dataset.theme") is None
    visit.leave()
