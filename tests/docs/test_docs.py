"""The documentation as users meet it: its code runs and its links lead somewhere."""

import importlib
import re
import runpy
import sys
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from cnnviz.views import VIEWS
from tests.helpers.each_case import each_case
from tests.helpers.quick_code import FURTHER, few_random_maps, quick
from tests.helpers.undrawn import undrawn

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "docs" / "site"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent != SITE),
]
VIEW_PAGES = ROOT / "docs" / "views"


def _blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def _relative(page):
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def staging(monkeypatch):
    """Import what lays out the sources of the site, which lies in no package."""
    monkeypatch.syspath_prepend(str(SITE))
    yield importlib.import_module("staging")
    del sys.modules["staging"]


@pytest.fixture
def page_code(staging):
    """Import what runs the code of pages, beside it."""
    yield importlib.import_module("page_code")
    del sys.modules["page_code"]


@pytest.fixture
def run_as_script(tmp_path, monkeypatch):
    """Run code as a script in an empty folder; its seeds stay its own."""
    monkeypatch.chdir(tmp_path)

    def run(code, name):
        script = tmp_path / "script.py"
        script.write_text(quick(code, name), "utf-8")
        with torch.random.fork_rng(devices=[]), few_random_maps(), undrawn():
            runpy.run_path(str(script), run_name="__main__")

    return run


# Recipes, with their files and commands, are run by tests/cli/test_recipes.py.
RECIPES = [ROOT / "docs" / "start.md", *(ROOT / "docs" / "cookbook").glob("*.md")]
WITH_CODE = [
    page
    for page in PAGES
    if _blocks(page, "python") and page not in RECIPES and page.parent != VIEW_PAGES
]


@pytest.mark.parametrize("page", WITH_CODE, ids=_relative)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, run_as_script):
    run_as_script("\n".join(_blocks(page, "python")), _relative(page))


def test_the_site_runs_the_python_of_the_same_pages_as_it_is_written(page_code):
    assert page_code.plain_pages() == [ROOT / "README.md", *sorted(set(WITH_CODE) - {PAGES[0]})]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('too short')", "ValueError: too short"),
        ("import warnings\nwarnings.warn('old', DeprecationWarning)", "DeprecationWarning: old"),
    ],
    ids=["fails", "warns"],
)
def test_a_page_whose_code_fails_or_warns_is_named_with_its_line(page_code, tmp_path, code, said):
    page = tmp_path / "example.md"
    page.write_text(
        f"# Title\n\n```python\nx = 1\n```\n\nText.\n\n```python\n{code}\n```\n", "utf-8"
    )
    line = 10 + code.count("\n")
    told = rf'(?s)example\.md fails.*example\.py", line {line}, in <module>.*{said}'
    # As where the site is built, and not as in the suite, whose warnings are errors anyway.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RuntimeError, match=told):
            page_code.run_all([page])


@each_case("page", PAGES, ids=_relative)
def test_every_block_of_code_begins_and_ends(page):
    # Where one mark is missing, all that follows is code, and no code of the page is run.
    marks = re.findall(r"^```(.*)$", page.read_text("utf-8"), re.MULTILINE)
    assert len(marks) % 2 == 0, marks
    assert not any(marks[1::2]), marks


@each_case("page", PAGES, ids=_relative)
def test_no_line_of_python_is_wider_than_the_site_has_room_for(page):
    lines = "".join(_blocks(page, "python")).splitlines()
    assert [line for line in lines if len(line) > 100] == []


def test_code_runs_with_smaller_numbers_and_nothing_else_changed():
    assert all((ROOT / name).is_file() for name in FURTHER)
    assert quick("f(count=300, top=6, counts=40)", "") == "f(count=12, top=6, counts=40)"
    assert quick("f(steps=3)", "") == "f(steps=3)"
    with pytest.raises(AssertionError, match=r"no longer '-32:width=8'"):
        quick("f()", "docs/examples/gradients.py")


@each_case("page", PAGES, ids=_relative)
def test_links_and_pictures_exist(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    for link in links:
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_the_guide_lists_every_view():
    guide = (ROOT / "docs" / "guide.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE)[-len(VIEWS) :] == [
        v.name for v in VIEWS
    ]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs" / "examples").glob("*.py")), ids=lambda path: path.stem
)
def test_an_example_runs_and_makes_what_the_readme_shows(staging, path, tmp_path, run_as_script):
    run_as_script(path.read_text("utf-8"), _relative(path))
    made = {picture.stem for picture in tmp_path.glob("*.png")}
    assert made or (tmp_path / "report" / "report.html").is_file()
    assert {name for name, home in staging.PICTURES.items() if home == path.stem} <= made
    for picture in tmp_path.glob("*.png"):
        with Image.open(picture) as image:
            image.verify()


def test_every_example_has_its_place_in_the_reading_order(staging, tmp_path):
    staging.stage_examples(tmp_path / "all")
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "late.py").write_text('"""A title."""\n', "utf-8")
    with pytest.raises(RuntimeError, match=r"differ: .*'late'"):
        staging.stage_examples(tmp_path / "none", tmp_path / "some")


def test_a_page_that_the_first_one_does_not_name_is_reached_from_it_all_the_same(staging):
    assert staging.list_of_others((SITE / "index.md").read_text("utf-8")).count("docs/views") == 0
    listed = staging.list_of_others("docs/guide\n")
    assert "\ndocs/heatmaps\n" in listed
    assert "docs/guide" not in listed


def test_an_example_gets_the_heading_that_a_page_needs(staging):
    found = staging.with_underlined_title('"""What `cam` is.\n\nSee `b`, ``c``.\n"""\n\nprint()\n')
    assert found == ('"""\nWhat cam is\n===========\n\nSee ``b``, ``c``.\n"""\n\nprint()\n')


def test_links_to_the_readme_and_the_examples_lead_to_their_pages(staging):
    text = "[a](../README.md) [b](docs/examples) [c](examples/units.py) [d](../README.md#x)"
    assert staging.with_links_of_the_site(text) == (
        "[a](../index.md) [b](docs/examples/index.rst) [c](examples/units.rst) [d](../index.md#x)"
    )


def test_documentation_names_no_path_of_one_machine():
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "Makefile", ROOT / "constraints.txt"]:
        text = page.read_text("utf-8")
        assert not re.search(r"(?<![\w.])/(home|work|opt|tmp|Users)/", text), page
        assert str(Path.home()) not in text
