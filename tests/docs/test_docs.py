"""The documentation as users meet it: its code runs and its links lead somewhere."""

import importlib.util
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from cnnviz.views import VIEWS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def _blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def _relative(page):
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def run_as_script(tmp_path, monkeypatch):
    """Run a file as a script in an empty folder; its seeds stay its own."""
    monkeypatch.chdir(tmp_path)

    def run(path):
        with torch.random.fork_rng(devices=[]):
            runpy.run_path(str(path), run_name="__main__")

    return run


@pytest.mark.parametrize("page", [p for p in PAGES if _blocks(p, "python")], ids=_relative)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, run_as_script):
    script = tmp_path / "page.py"
    script.write_text("\n".join(_blocks(page, "python")), "utf-8")
    run_as_script(script)


@pytest.mark.parametrize("page", PAGES, ids=_relative)
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
def test_an_example_runs_and_makes_what_the_readme_shows(build, path, tmp_path, run_as_script):
    run_as_script(path)
    made = {picture.stem for picture in tmp_path.glob("*.png")}
    assert made or (tmp_path / "report" / "report.html").is_file()
    assert {name for name, home in build.PICTURES.items() if home == path.stem} <= made
    for picture in tmp_path.glob("*.png"):
        with Image.open(picture) as image:
            image.verify()


def test_the_build_runs_every_example_there_is(build):
    assert set(build.EXAMPLES) == {path.stem for path in (ROOT / "docs" / "examples").glob("*.py")}


def test_an_example_is_shown_with_its_words_its_code_and_what_it_printed(
    build, tmp_path, monkeypatch
):
    (tmp_path / "examples").mkdir()
    code = "from PIL import Image\n\nImage.new('L', (2, 2)).save('a.png')\nprint('said')"
    source = f'"""A title.\n\nSome words.\n"""\n\n{code}\n'
    (tmp_path / "examples" / "good.py").write_text(source, "utf-8")
    monkeypatch.setattr(build, "DOCS", tmp_path)
    shown = build.run_example("good", tmp_path / "out")
    assert shown == build.Example("good", "A title.", "Some words.", code, "said", ("a.png",))


def test_an_example_that_fails_fails_the_build(build, tmp_path, monkeypatch):
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "bad.py").write_text('"""Bad."""\n\nraise ValueError("told you")\n')
    monkeypatch.setattr(build, "DOCS", tmp_path)
    with pytest.raises(RuntimeError, match="told you"):
        build.run_example("bad", tmp_path / "out")


def test_the_site_links_its_own_pages_and_shows_every_example(build, tmp_path, monkeypatch):
    def pretend(name, folder):
        folder.mkdir(parents=True)
        for picture in ["a", *(key for key, home in build.PICTURES.items() if home == name)]:
            Image.new("RGB", (4, 3)).save(folder / f"{picture}.png")
        return build.Example(name, f"<{name}>", "Text.", "1 < 2", "said", ("a.png",))

    monkeypatch.setattr(build, "run_example", pretend)
    build.build(tmp_path / "site")
    pages = {path.name: path.read_text("utf-8") for path in (tmp_path / "site").glob("*.html")}
    assert set(pages) == {f"{name}.html" for name in build.TITLES} | {build.EXPLORER}
    assert f'<iframe class="live" src="{build.EXPLORER}"' in pages["explorer.html"]
    assert '<h1 id="verdict"' in pages.pop(build.EXPLORER)
    for html in pages.values():
        for link in re.findall(r'(?:href|src)="([^"#:]+)"', html):
            if link != "LICENSE":
                assert (tmp_path / "site" / link).exists(), link
    assert "&lt;first_look&gt;" in pages["examples.html"]
    assert "1 &lt; 2" in pages["examples.html"]


def test_documentation_names_no_path_of_one_machine():
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "Makefile", ROOT / "constraints.txt"]:
        text = page.read_text("utf-8")
        assert not re.search(r"(?<![\w.])/(home|work|opt|tmp|Users)/", text), page
        assert str(Path.home()) not in text
