"""The documentation as users meet it: its code runs and its links lead somewhere."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
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


@pytest.mark.parametrize("page", [p for p in PAGES if _blocks(p, "python")], ids=_relative)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, tmp_path):
    script = tmp_path / "page.py"
    script.write_text("\n".join(_blocks(page, "python")), "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


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
    "name", sorted(path.stem for path in (ROOT / "docs" / "examples").glob("*.py"))
)
def test_an_example_runs_and_is_shown(build, name, tmp_path):
    assert name in build.EXAMPLES
    example = build.run_example(name, tmp_path / name)
    assert example.title.endswith(".")
    assert example.text
    assert example.pictures or (tmp_path / name / "report" / "report.html").is_file()
    for picture in example.pictures:
        with Image.open(tmp_path / name / picture) as image:
            image.verify()


def test_an_example_that_fails_fails_the_build(build, tmp_path, monkeypatch):
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "bad.py").write_text('"""Bad."""\n\nraise ValueError("told you")\n')
    monkeypatch.setattr(build, "DOCS", tmp_path)
    with pytest.raises(RuntimeError, match="told you"):
        build.run_example("bad", tmp_path / "out")


def test_the_site_links_its_own_pages_and_shows_every_example(build, tmp_path, monkeypatch):
    def pretend(name, folder):
        folder.mkdir(parents=True)
        return build.Example(name, f"<{name}>", "Text.", "1 < 2", "said", ("a.png",))

    monkeypatch.setattr(build, "run_example", pretend)
    build.build(tmp_path / "site")
    pages = {path.name: path.read_text("utf-8") for path in (tmp_path / "site").glob("*.html")}
    assert set(pages) == {f"{name}.html" for name in build.TITLES}
    for html in pages.values():
        for link in re.findall(r'(?:href|src)="([^"#:]+)"', html):
            if not link.endswith("/a.png") and link not in ("LICENSE",):
                assert (tmp_path / "site" / link).exists(), link
    assert "&lt;first_look&gt;" in pages["examples.html"]
    assert "1 &lt; 2" in pages["examples.html"]


def test_documentation_names_no_path_of_one_machine():
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "Makefile", ROOT / "constraints.txt"]:
        text = page.read_text("utf-8")
        assert not re.search(r"(?<![\w.])/(home|work|opt|tmp|Users)/", text), page
        assert str(Path.home()) not in text
