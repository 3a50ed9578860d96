"""Run the examples and build the documentation as a few pages of HTML in `site/`.

    python docs/build.py [FOLDER] [--pictures] [--gallery]

Every example runs in a process and a folder of its own; the build fails if one of them fails. With
--pictures, `docs/images` is renewed: what the README shows of the examples, and a photograph of a
report, for which playwright (the test extra) and chromium must be there.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment
from markdown_it import MarkdownIt
from PIL import Image

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
GALLERY = "gallery"
EXPLORER = "explorer-live.html"
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
# In reading order; an example that is not named here is a mistake that the build reports.
EXAMPLES = (
    "first_look",
    "features",
    "challenges",
    "units",
    "patches",
    "gradients",
    "your_network",
    "report",
)
# What the README and the pages show, and the example that draws it.
PICTURES = {
    "samples": "challenges",
    "sweeps": "challenges",
    "where": "first_look",
    "units-early": "units",
    "units-middle": "units",
    "units-late": "units",
    "patches-early": "patches",
    "patches-middle": "patches",
    "patches-late": "patches",
    "receptive-fields": "units",
    "invariance": "units",
}
PAGES = {
    "index": ROOT / "README.md",
    "guide": DOCS / "guide.md",
    "capture": DOCS / "capture.md",
    "heatmaps": DOCS / "heatmaps.md",
    "errors": DOCS / "errors.md",
    "classifier": DOCS / "classifier.md",
    "units": DOCS / "units.md",
    "gradients": DOCS / "gradients.md",
    "monitor": DOCS / "monitor.md",
    "skip-connections": DOCS / "skip-connections.md",
    "course": DOCS / "course.md",
    "explorer": DOCS / "explorer.md",
    "figures-for-papers": DOCS / "figures-for-papers.md",
    "json": DOCS / "json.md",
    "fast-copy": DOCS / "fast-copy.md",
    "benchmarks": DOCS / "benchmarks.md",
    "gallery": DOCS / "gallery.md",
    "many-images": DOCS / "many-images.md",
    "networks": DOCS / "networks.md",
    "course_networks": DOCS / "course_networks.md",
    "architecture": DOCS / "architecture.md",
    "extending": DOCS / "extending.md",
    "contributing": ROOT / "CONTRIBUTING.md",
    "changelog": ROOT / "CHANGELOG.md",
}
TITLES = {
    "index": "cnnviz",
    "guide": "Guide",
    "examples": "Examples",
    "capture": "Captures and layers",
    "heatmaps": "Heatmaps",
    "errors": "Wrong answers",
    "classifier": "A classifier measured",
    "units": "Units",
    "gradients": "Gradients",
    "monitor": "While training",
    "skip-connections": "Skip connections",
    "course": "The course",
    "explorer": "The explorer",
    "figures-for-papers": "For papers",
    "json": "The numbers as JSON",
    "fast-copy": "The fast copy",
    "benchmarks": "Benchmarks",
    "gallery": "The gallery",
    "many-images": "Many images",
    "networks": "Networks that were tried",
    "course_networks": "Every view on the networks of the course",
    "architecture": "The architecture",
    "extending": "Adding to cnnviz",
    "contributing": "Contributing",
    "changelog": "Changelog",
}


@dataclass(frozen=True)
class Example:
    """An example that has run: its words, its code, what it printed and the pictures it made."""

    name: str
    title: str
    text: str
    code: str
    output: str
    pictures: tuple[str, ...]


def run_example(name: str, folder: Path) -> Example:
    """Run one example in `folder`, which is made for it.

    Raises
    ------
    RuntimeError
        If the example fails, with what it printed.
    """
    source = (DOCS / "examples" / f"{name}.py").read_text("utf-8")
    title, _, text = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")
    code = source.split('"""', 2)[2].strip()
    folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, str(DOCS / "examples" / f"{name}.py")],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "error", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The example {name} failed:\n{done.stderr}")
    pictures = tuple(sorted(path.name for path in folder.glob("*.png")))
    return Example(name, title, text, code, done.stdout.strip(), pictures)


def shrink_pictures(examples: Path, target: Path) -> None:
    """Write the pictures that the README shows to `target`, as WebP."""
    target.mkdir(parents=True, exist_ok=True)
    for name, example in PICTURES.items():
        with Image.open(examples / example / f"{name}.png") as picture:
            picture.convert("RGB").save(target / f"{name}.webp", quality=88, method=6)


def photograph_report(target: Path) -> None:
    """Write a picture of the top of the shipped report to `target`, as WebP."""
    from playwright.sync_api import sync_playwright

    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        command = [sys.executable, "-m", "cnnviz_cli", "report", "--out", f"{folder}/report"]
        subprocess.run(command, check=True)
        # A sandbox of its own is refused to root, as in containers.
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 820}, device_scale_factor=1)
        page.goto((Path(folder) / "report" / "report.html").as_uri())
        page.wait_for_load_state("networkidle")
        picture = Image.open(io.BytesIO(page.screenshot()))
        picture.convert("RGB").save(target, quality=88, method=6)
        chromium.close()


def clear(target: Path) -> None:
    """Empty a folder but for the gallery in it, of which only what changes is made anew."""
    target.mkdir(parents=True, exist_ok=True)
    for each in target.iterdir():
        if each.is_dir() and each.name != GALLERY:
            shutil.rmtree(each)
        elif not each.is_dir():
            each.unlink()


def build_gallery(target: Path) -> None:
    """Write the gallery of the shipped networks into the site: a few minutes the first time."""
    print("building the gallery", flush=True)
    command = [sys.executable, "-m", "cnnviz_cli", "gallery", "--out", str(target / GALLERY)]
    subprocess.run(command, check=True)


def build_explorer(target: Path) -> None:
    """Write the explorer of a shipped network into the site, for its page to show."""
    command = ["explore", "--model", "shapes-residual", "--out", str(target / EXPLORER), "--quiet"]
    subprocess.run([sys.executable, "-m", "cnnviz_cli", *command], check=True)


def build(target: Path) -> None:
    """Write the site to `target`, which is replaced."""
    found = {path.stem for path in (DOCS / "examples").glob("*.py")}
    if found != set(EXAMPLES):
        raise RuntimeError(f"EXAMPLES and the folder differ: {sorted(found ^ set(EXAMPLES))}")
    clear(target)
    examples = []
    for name in EXAMPLES:
        print(f"running {name}", flush=True)
        examples.append(run_example(name, target / "examples" / name))
    build_explorer(target)
    environment = Environment(autoescape=True)
    environment.globals |= {"markdown": MARKDOWN.render, "inline": MARKDOWN.renderInline}
    page = environment.from_string((DOCS / "page.html.j2").read_text("utf-8"))
    shutil.copytree(DOCS / "images", target / "docs" / "images")
    shrink_pictures(target / "examples", target / "docs" / "images")
    names = {path.relative_to(ROOT).as_posix(): f"{name}.html" for name, path in PAGES.items()}
    for name in TITLES:
        body = "" if name == "examples" else render(PAGES[name], names)
        html = page.render(
            name=name,
            titles=TITLES,
            body=body,
            live=EXPLORER if name == "explorer" else "",
            examples=examples if name == "examples" else [],
            gallery=(target / GALLERY / "index.html").is_file(),
        )
        (target / f"{name}.html").write_text(html, "utf-8")


def render(path: Path, names: dict[str, str]) -> str:
    """Return a page of Markdown as HTML, its links to other pages turned into links in the site."""
    html: str = MARKDOWN.render(path.read_text("utf-8"))
    folder = path.parent.relative_to(ROOT)
    for source, page in names.items():
        relative = os.path.relpath(source, folder).replace(os.sep, "/")
        html = html.replace(f'href="{relative}"', f'href="{page}"')
    examples = os.path.relpath("docs/examples", folder).replace(os.sep, "/")
    html = html.replace(f'href="{examples}"', 'href="examples.html"')
    for example in EXAMPLES:
        one = f'href="{examples}/{example}.py"'
        html = html.replace(one, f'href="examples.html#{example}"')
    images = os.path.relpath("docs/images", folder).replace(os.sep, "/")
    # Beside pictures lie the numbers of some, which pages link to.
    for attribute in ("src", "href"):
        html = html.replace(f'{attribute}="{images}/', f'{attribute}="docs/images/')
    return html


def main() -> None:
    """Build the site, and renew the README's pictures where that was asked for."""
    parser = argparse.ArgumentParser(description="Run the examples and build the documentation.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "site")
    parser.add_argument("--pictures", action="store_true", help="renew docs/images, too")
    parser.add_argument("--gallery", action="store_true", help="build the gallery, too")
    chosen = parser.parse_args()
    if chosen.gallery:
        chosen.folder.mkdir(parents=True, exist_ok=True)
        build_gallery(chosen.folder)
    build(chosen.folder)
    if chosen.pictures:
        shrink_pictures(chosen.folder / "examples", DOCS / "images")
        photograph_report(DOCS / "images" / "report.webp")
    print(chosen.folder / "index.html")


if __name__ == "__main__":
    main()
