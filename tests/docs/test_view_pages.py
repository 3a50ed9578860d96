"""The page of each view: there, whole, and with an example that gives the view's result."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

import cnnviz
from cnnviz.results.result import Result
from cnnviz.views import VIEWS
from cnnviz_cli.described import returned_type
from tests.helpers.each_case import each_case
from tests.helpers.quick_code import quick

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "views"
HEADINGS = ("What it shows", "How to read it", "How it misleads", "Where it comes from")


def _parts(text):
    """Return the title of a page, and its parts by their headings."""
    title, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    return title.strip(), dict(part.split("\n", 1) for part in parts)


@pytest.fixture
def view_pages(monkeypatch):
    """Import what finishes the pages on the site, which lies in no package."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "site"))
    yield import_module("view_pages")
    for name in ("view_pages", "commands", "page_code", "pictures", "staging"):
        if name not in before:
            sys.modules.pop(name, None)


def test_every_view_has_its_page():
    assert {path.stem for path in FOLDER.glob("*.md")} == {view.name for view in VIEWS}


@each_case("view", VIEWS, ids=lambda view: view.name)
def test_a_page_tells_what_how_to_read_it_how_it_misleads_and_from_where(view):
    title, parts = _parts((FOLDER / f"{view.name}.md").read_text("utf-8"))
    assert title == f"# {view.name}"
    assert tuple(parts) == HEADINGS
    for heading, least in zip(HEADINGS, (10, 15, 25, 3), strict=True):
        assert len(parts[heading].split()) >= least, heading
    assert "```python\n" in parts[HEADINGS[0]]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_example_of_a_page_gives_a_result_of_the_view(view, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    text = (FOLDER / f"{view.name}.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    code = quick("\n".join(blocks), f"docs/views/{view.name}.md")
    with torch.random.fork_rng(devices=[]):
        exec(compile(code, view.name, "exec"), names)
    made = returned_type(getattr(cnnviz, view.name))
    assert isinstance(names["found"], made if isinstance(made, type) else Result)
    assert list(tmp_path.iterdir()) == []


def test_the_site_adds_the_picture_and_how_the_view_is_called(view_pages, tmp_path):
    for view in VIEWS:
        (tmp_path / f"{view.name}.md").write_text(f"# {view.name}\n", "utf-8")
    view_pages.finish(tmp_path, quick=True)
    (cam,) = (view for view in VIEWS if view.name == "cam")
    page = (tmp_path / "cam.md").read_text("utf-8")
    assert "cnnviz.cam(capture, layer=..." in page
    assert "cnnviz cam [OPTIONS] [PHOTO]..." in page
    assert "cnnviz report --sections cam`" in page
    assert "--sections units`" in (tmp_path / "deconvnet.md").read_text("utf-8")
    sheet = (tmp_path / "index.md").read_text("utf-8")
    assert all(f"[{view.name}]({view.name}.md)" in sheet for view in VIEWS)
    written = FOLDER / "weight_sharing.md"
    text = written.read_text("utf-8")
    found, printed = view_pages.draw(written, tmp_path / "drawn.webp")
    assert printed == found.summary()
    shown = view_pages.with_picture(text, cam, found, printed)
    assert (tmp_path / "drawn.webp").read_bytes()[8:12] == b"WEBP"
    picture, caption = shown.index("![Where the"), shown.index("Three layers that make")
    assert shown.index("```python") < picture < caption < shown.index("## How to read it")
