"""Packages of other people, written into a folder as pip would install them."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def install(
    folder: Path, name: str, views: Mapping[str, str], files: Mapping[str, str] | None = None
) -> Path:
    """Write a distribution with entry points for views, and its files, into `folder`."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = "".join(f"{view} = {place}\n" for view, place in views.items())
    (info / "entry_points.txt").write_text(f"[cnnviz.views]\n{points}")
    for path, text in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def documented() -> dict[str, str]:
    """Return the files of the package that `docs/extending.md` describes."""
    page = (ROOT / "docs" / "extending.md").read_text("utf-8")
    return dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))


def install_documented(folder: Path) -> Path:
    """Install the package that `docs/extending.md` describes, as its pyproject.toml says."""
    files = documented()
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    return install(folder, project["name"], project["entry-points"]["cnnviz.views"], files)


def forget(folder: Path) -> None:
    """Forget what was imported from `folder`, so that another test may import its own."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
