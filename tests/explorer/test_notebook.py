"""The explorer in a notebook: executed, converted to HTML, and opened in a browser."""

from __future__ import annotations

import pytest

from cnnviz.explorer.build import HEIGHT
from tests.helpers.browser import Visit

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
nbconvert = pytest.importorskip("nbconvert")
pytest.importorskip("ipykernel")

CODE = """\
import cnnviz
cnnviz.explore(cnnviz.load("shapes-plain"), cnnviz.Shapes()[3].image)"""


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbclient.NotebookClient(book, timeout=300).execute()
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
