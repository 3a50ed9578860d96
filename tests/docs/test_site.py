"""The documentation as a site: built without a warning, whole, and at home on the disk."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.helpers.browser import Visit

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("furo", reason="the extra docs is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the pages without running the examples, which other tests do."""
    target = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "site" / "build.py", "--quick", target],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def test_every_link_and_picture_of_the_site_leads_to_a_file_in_it(site):
    pages = sorted(site.rglob("*.html"))
    assert {"index.html", "guide.html", "first_look.html"} <= {page.name for page in pages}
    for page in pages:
        links = set(re.findall(r'\b(?:href|src)="([^"#?]+)', page.read_text("utf-8")))
        inside = {link for link in links if not re.match(r"https?:|mailto:|data:", link)}
        # Made of a network when the site is built whole.
        inside.discard("../explorer-live.html")
        assert [x for x in inside if not (page.parent / unquote(unescape(x))).exists()] == [], page


def test_pages_open_from_the_disk_and_ask_nobody(site, browser):
    pages = ["index", "CHANGELOG", "docs/guide", "docs/course", "docs/examples/units"]
    for theme, width in (("light", 1280), ("dark", 390)):
        visit = Visit(browser, width, theme)
        for page in pages:
            visit.page.goto((site / f"{page}.html").as_uri())
            # Wide tables and code scroll by themselves.
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width, page
        visit.page.goto((site / "search.html").as_uri() + "?q=receptive")
        visit.page.wait_for_selector("#search-results li a")
        assert visit.complaints == []
        assert visit.strangers(site) == []
        visit.context.close()
