"""The documentation as a site: built without a warning, whole, and at home on the disk."""

import importlib.util
import re
import runpy
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from typer.main import get_command

import cnnviz
from cnnviz import errors
from cnnviz.views import VIEWS
from cnnviz_cli.app import app
from tests.helpers.browser import Visit
from tests.helpers.processes import needs_fork, run_code

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("furo", reason="the extra docs is not installed")
pytestmark = needs_fork


_BUILD = """
import runpy, sys
from pathlib import Path

del sys.argv[0]
sys.path.insert(0, str(Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the pages without running the examples, which other tests do."""
    target = tmp_path_factory.mktemp("docs") / "site"
    program = str(ROOT / "docs" / "site" / "build.py")
    done = run_code(_BUILD, program, "--quick", str(target))
    assert done.returncode == 0, done.stderr
    return target


def test_every_link_and_picture_of_the_site_leads_to_a_file_in_it(site):
    pages = sorted(site.rglob("*.html"))
    assert {"index.html", "guide.html", "first_look.html"} <= {page.name for page in pages}
    for page in pages:
        links = set(re.findall(r'\b(?:href|src)="([^"#?]+)', page.read_text("utf-8")))
        inside = {link for link in links if not re.match(r"https?:|mailto:|data:", link)}
        assert [x for x in inside if not (page.parent / unquote(unescape(x))).exists()] == [], page


@pytest.mark.parametrize("page", ["docs/api/cam.html", "docs/cli/cam.html", "docs/views/cam.html"])
def test_a_page_marks_its_place_in_the_sidebar(site, page):
    text = (site / page).read_text("utf-8")
    marked = r'<li class="toctree-l2 current current-page"><a class="current [^"]*" href="#">'
    assert len(re.findall(marked, text)) == 1
    assert len(re.findall(r'<li class="[^"]*\bcurrent\b', text)) == 2, "and what it lies in"
    assert len(re.findall('<input [^>]*checked=""[^>]*toctree-checkbox', text)) == 1


def test_every_link_into_a_page_leads_to_a_place_in_it(site):
    places = {
        page.resolve(): set(re.findall(r'\bid="([^"]+)"', page.read_text("utf-8")))
        for page in site.rglob("*.html")
    }
    for page in places:
        links = set(re.findall(r'\bhref="([^"#?:]*)#([^"]+)"', page.read_text("utf-8")))
        lost = [
            (name, place)
            for name, place in links
            if unquote(unescape(place))
            not in places.get((page.parent / name).resolve() if name else page, {unquote(place)})
        ]
        assert lost == [], page


def test_the_site_keeps_the_reports_that_notebooks_write(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")
    spec = importlib.util.spec_from_file_location("site_build", ROOT / "docs" / "site" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    written, target = tmp_path / "written", tmp_path / "target"
    for name in (
        "tour-report/report.html",
        "tour-report/pictures/cam.png",
        "tour.ipynb",
        "a/b.txt",
    ):
        (written / name).parent.mkdir(parents=True, exist_ok=True)
        (written / name).touch()
    target.mkdir()
    build.keep_reports(written, target)
    settings = runpy.run_path(str(ROOT / "docs" / "site" / "conf.py"))
    assert settings["nb_execution_in_temp"] is False  # else they write where nobody looks
    kept = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert kept == {"tour-report/report.html", "tour-report/pictures/cam.png"}


def test_every_view_command_and_public_name_has_a_page(site):
    for view in VIEWS:
        page = (site / "docs" / "views" / f"{view.name}.html").read_text("utf-8")
        for heading in ("What it shows", "How to read it", "How it misleads", "How to call it"):
            assert f"<h2>{heading}" in page
        assert f'href="../api/{view.name}.html"' in page
        assert f'href="../cli/{view.command}.html"' in page
    told = "".join(path.read_text("utf-8") for path in (site / "docs" / "api").glob("*.html"))
    described = set(re.findall(r'id="cnnviz\.(\w+)"', told))
    assert set(cnnviz.__all__) - described == {"CnnvizError"}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, errors.CnnvizError)]
    assert all(f'id="cnnviz.errors.{kind.__name__}"' in told for kind in kinds)
    for field in ("logits", "suffixes", "peak"):
        assert field in told
    help_page = (site / "docs" / "cli" / "index.html").read_text("utf-8")
    for name in get_command(app).commands:
        assert f'href="{name}.html"' in help_page
    options = (site / "docs" / "cli" / "cam.html").read_text("utf-8")
    assert 'id="cmdoption-cnnviz-cam-method"' in options
    assert "Within(" not in options


def test_pages_open_from_the_disk_and_ask_nobody(site, browser):
    pages = ["index", "CHANGELOG", "docs/guide", "docs/course", "docs/examples/units"]
    pages += ["docs/views/index", "docs/views/cam", "docs/api/Result-class", "docs/cli/cam"]
    pages += ["docs/notebooks/tour"]
    visit = Visit(browser, 1280, "light")
    for page in pages:
        visit.page.goto((site / f"{page}.html").as_uri())
        for theme, width in (("light", 1280), ("dark", 390)):
            visit.becomes(width, theme)
            # Wide tables and code scroll by themselves.
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width, page
            if width == 1280:
                hidden = "all => all.filter(one => one.scrollWidth > one.clientWidth).length"
                assert visit.page.eval_on_selector_all("pre", hidden) == 0, page
    visit.page.goto((site / "search.html").as_uri() + "?q=receptive")
    visit.page.wait_for_selector("#search-results li a")
    assert visit.complaints == []
    assert visit.strangers(site) == []
    visit.leave()


def test_the_explorer_stands_in_its_page_with_photo_and_answer_side_by_side(site, browser):
    visit = Visit(browser, 1024, "light")
    visit.page.goto((site / "docs" / "explorer.html").as_uri())
    first = visit.page.frames[1].wait_for_selector(".first")
    for width in (1024, 1312, 1440):
        visit.becomes(width)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        columns = first.evaluate("e => getComputedStyle(e).gridTemplateColumns")
        assert len(columns.split()) == 2
    visit.leave()


def test_pictures_that_are_wider_than_the_column_open_at_their_full_size(site, browser):
    visit = Visit(browser, 1440, "light")
    visit.page.goto(f"{(site / 'docs/units.html').as_uri()}")
    wide = visit.page.locator("img[src$='units-late.webp']")
    natural = wide.evaluate("(one) => one.decode().then(() => one.naturalWidth)")
    assert natural > 1.5 * wide.bounding_box()["width"]
    wide.click()
    assert visit.page.url.endswith("units-late.webp")
    assert Path(visit.page.url.removeprefix("file://")).is_file()
    visit.leave()


def test_tables_show_calls_whole_and_options_as_they_are_typed(site, browser):
    visit = Visit(browser, 1440, "light")
    visit.page.goto((site / "docs" / "coming-from.html").as_uri())
    hidden = "t => t.map(one => one.scrollWidth - one.clientWidth)"
    assert set(visit.page.eval_on_selector_all("table", hidden)) == {0}
    text = (site / "docs" / "bad-input.html").read_text("utf-8")
    assert "<td>--image-size" in text or "<p>--image-size" in text
    assert "\u2013image-size" not in text
    visit.leave()
