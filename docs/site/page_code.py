"""The Python of pages, run as it is written: the suite runs it with smaller numbers.

`view_pages` runs the example of each view's page; the other pages are run for their own sake.
Recipes are left out: the suite runs them as they stand, with their files and commands.
"""

from __future__ import annotations

import re
import runpy
import tempfile
import traceback
import warnings
from collections.abc import Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from time import process_time
from typing import Any

import staging
import torch

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ELSEWHERE = ("views", "cookbook", "site")
_RECIPES = ("start.md",)


def plain_pages() -> list[Path]:
    """Return the pages whose Python is run here, in the order of their names."""
    pages = [staging.ROOT / name for name in staging.TOP_PAGES if name.endswith(".md")]
    pages += sorted(
        page
        for page in staging.DOCS.rglob("*.md")
        if page.parent.name not in _ELSEWHERE and page.name not in _RECIPES
    )
    return [page for page in pages if _BLOCK.search(page.read_text("utf-8"))]


def run_all(pages: Iterable[Path]) -> None:
    """Run the Python of each page in an empty folder, and say how long each took.

    Raises
    ------
    RuntimeError
        If the code of a page fails or warns: which page, which line of it, and of what.
    """
    for page in pages:
        begun = process_time()
        with tempfile.TemporaryDirectory() as folder:
            run(page, Path(folder))
        print(f"ran {page.name} in {process_time() - begun:.1f} s of processor time", flush=True)


def run(page: Path, folder: Path) -> tuple[dict[str, Any], str]:
    """Run the Python of a page in `folder` as one script; return its names, and what it printed.

    Raises
    ------
    RuntimeError
        If the code fails or warns.
    """
    script = folder / f"{page.stem}.py"
    script.write_text(as_script(page.read_text("utf-8")), "utf-8")
    printed = StringIO()
    with (
        chdir(folder),
        redirect_stdout(printed),
        redirect_stderr(StringIO()),
        torch.random.fork_rng(devices=[]),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        try:
            names = runpy.run_path(str(script), run_name="__main__")
        except Exception:
            told = traceback.format_exc()
            raise RuntimeError(f"The code of {page.name} fails:\n{told}") from None
    return names, printed.getvalue().strip()


def as_script(text: str) -> str:
    """Return the Python of a page, each line on its line of the page: errors name that line."""
    lines = [""] * text.count("\n")
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1))
        code = block[1].splitlines()
        lines[first : first + len(code)] = code
    return "\n".join(lines) + "\n"
