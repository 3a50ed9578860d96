"""Lay out what the site is built from: the pages in a folder of their own, as in the repository.

Every page keeps its place beside README.md, so that its relative links lead to the same files on
the site and in the view of the repository. Nothing is ever written into the repository.
"""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

SITE = Path(__file__).resolve().parent
DOCS = SITE.parent
ROOT = DOCS.parent
TOP_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "CITATION.cff")
# Where the scripts of the examples lie; the pages made of them take the folder that links name.
SCRIPTS = "docs/example-scripts"
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
    "gradient-vanished": "gradients",
}
NOTEBOOKS = {
    "tour": "A tour in ten minutes",
    "why_this_answer": "Why this answer?",
    "units": "What the units look for",
    "gradients": "Does the gradient arrive?",
    "the_course": "The course, computed",
    "my_network": "My own network",
}
# Folders whose pages have a list of their own, or are none.
_LISTED = ("site", "views", "notebooks", "examples")
EXAMPLES_HEADING = """Examples
========

Each is a script of the folder ``docs/examples``, run when this page was built: what it printed
stands below its code, and the same steps can be downloaded as a notebook.
"""


def stage(target: Path) -> None:
    """Copy the pages, the pictures and the examples into `target`, which must not exist.

    Raises
    ------
    RuntimeError
        If an example has no place in the reading order.
    """
    shutil.copytree(
        DOCS, target / "docs", ignore=shutil.ignore_patterns("site", "examples", "__pycache__")
    )
    for name in TOP_PAGES:
        shutil.copy(ROOT / name, target)
    first_page = (SITE / "index.md").read_text("utf-8")
    (target / "index.md").write_text(first_page + list_of_others(first_page), "utf-8")
    stage_examples(target / SCRIPTS)
    (target / "docs" / "notebooks" / "index.md").write_text(list_of_notebooks(), "utf-8")
    for page in target.rglob("*.md"):
        page.write_text(with_links_of_the_site(page.read_text("utf-8")), "utf-8")


def stage_examples(target: Path, source: Path = DOCS / "examples") -> None:
    """Write the examples as sphinx-gallery reads them, with an underlined title."""
    found = {path.stem for path in source.glob("*.py")}
    if found != set(EXAMPLES):
        raise RuntimeError(f"EXAMPLES and the folder differ: {sorted(found ^ set(EXAMPLES))}")
    target.mkdir(parents=True)
    (target / "GALLERY_HEADER.rst").write_text(EXAMPLES_HEADING, "utf-8")
    for path in source.glob("*.py"):
        (target / path.name).write_text(with_underlined_title(path.read_text("utf-8")), "utf-8")


def list_of_others(first_page: str) -> str:
    """Return the part of the first page's list that leads to pages which it doesn't name itself."""
    named = {line.strip() for line in first_page.splitlines()}
    pages = sorted(
        path.relative_to(ROOT).with_suffix("").as_posix()
        for folder in (DOCS, *(each for each in DOCS.iterdir() if each.name not in _LISTED))
        if folder.is_dir()
        for path in folder.glob("*.md")
    )
    others = [page for page in pages if page not in named]
    if not others:
        return ""
    return "\n".join(["", "```{toctree}", ":hidden:", ":caption: Further", "", *others, "```", ""])


def list_of_notebooks() -> str:
    """Return the page that leads to the notebooks, as pages and as files."""
    lines = ["# Notebooks", "", "Run when this page was built, on what the package ships.", ""]
    lines += [
        f"- [{title}]({name}.ipynb) ({{download}}`{name}.ipynb`)"
        for name, title in NOTEBOOKS.items()
    ]
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", "", *NOTEBOOKS, "```", ""])


def with_underlined_title(source: str) -> str:
    """Return a script whose docstring begins with its first sentence as a heading."""
    title, _, text = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")
    # Single backticks are code in the sentences of the examples, as in docstrings.
    title = title.removesuffix(".").replace("`", "")
    words = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)
    code = source.split('"""', 2)[2]
    return f'"""\n{title}\n{"=" * len(title)}\n\n{words}\n"""{code}'


def with_links_of_the_site(text: str) -> str:
    """Return a page of Markdown with its links to README and examples leading to their pages."""
    text = re.sub(r"\]\(((?:\.\./)*)README\.md", r"](\1index.md", text)
    text = re.sub(r"\]\(((?:\.\./)*(?:docs/)?examples)/?\)", r"](\1/index.rst)", text)
    return re.sub(r"\]\(((?:\.\./)*(?:docs/)?examples/\w+)\.py\)", r"](\1.rst)", text)
