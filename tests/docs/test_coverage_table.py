"""The table of coverage: files summed by package, and all of them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the script that writes the table."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("coverage_table")


def _file(*counts: int) -> dict[str, Any]:
    names = ("covered_lines", "num_statements", "covered_branches", "num_branches")
    return {"summary": dict(zip(names, counts, strict=True))}


def test_files_are_summed_by_package(written: Any) -> None:
    files = {
        "cnnviz/views/cam.py": _file(3, 4, 1, 2),
        "cnnviz/views/pictures/cam.py": _file(5, 6, 0, 2),
        "cli/cnnviz_cli/app.py": _file(1, 2, 0, 0),
        "cnnviz/errors.py": _file(2, 2, 1, 1),
    }
    assert written.table(files).splitlines()[2:] == [
        "| `cnnviz.views` | 80.0% | 25.0% | 64.3% |",
        "| `cnnviz_cli` | 50.0% |  | 50.0% |",
        "| `cnnviz` (its own files) | 100.0% | 100.0% | 100.0% |",
        "| all | 78.6% | 40.0% | 68.4% |",
    ]


def test_it_stands_on_the_page(written: Any) -> None:
    assert written.HEAD in written.TARGET.read_text("utf-8")
