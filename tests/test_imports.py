"""What the contracts of pyproject.toml leave open: circles of files, and who imports tests."""

from __future__ import annotations

import re
from pathlib import Path

import grimp
import networkx as nx
import pytest

TESTS = Path(__file__).parent
ROOTS = ("cnnviz", "cnnviz_cli", "cnnviz_gallery")


@pytest.fixture(scope="module")
def imports() -> nx.DiGraph:
    """Return which file imports which when it runs, at its top or inside a function."""
    graph = grimp.build_graph(*ROOTS, exclude_type_checking_imports=True, cache_dir=None)
    edges = [
        (module, other)
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
    ]
    return nx.DiGraph(edges)


def test_no_file_stands_in_a_circle(imports) -> None:
    # A package's own file too, which the contract over siblings doesn't compare with what it holds.
    found = nx.strongly_connected_components(imports)
    assert [sorted(files) for files in found if len(files) > 1] == []


def test_the_imports_are_seen_at_all(imports) -> None:
    assert imports.has_edge("cnnviz.passes.captures", "cnnviz.introspection.hooks")
    # Inside a function.
    assert imports.has_edge("cnnviz.views.deconvnet", "cnnviz.views.pictures.deconvnet")
    # For the types alone.
    assert not imports.has_edge("cnnviz.views.pictures.deconvnet", "cnnviz.views.deconvnet")


_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import[ \t]+(\([^)]*\)|[^\n]*)", re.MULTILINE
)
"""A line that imports, also in code that a test has written down to be run."""


def imported(path: Path) -> list[str]:
    """Return the full names of what a file of the tests imports.

    Read as text: to parse 600 files takes thirty times as long.
    """
    base = ("tests", *path.relative_to(TESTS).parts[:-1])
    found = []
    for module, names in _IMPORT.findall(path.read_text("utf-8")):
        level = len(module) - len(module.lstrip("."))
        near = base[: len(base) - level + 1] if level else ()
        stem = ".".join((*near, module.lstrip("."))).strip(".")
        told = re.sub(r"#.*", "", names).strip("() \n").split(",")
        found += [f"{stem}.{name.split()[0]}".strip(".") for name in told if name.strip()]
    return found


def test_tests_share_code_through_the_helpers_alone() -> None:
    found = {
        (str(path.relative_to(TESTS)), name)
        for path in TESTS.rglob("*.py")
        for name in imported(path)
        if name.split(".")[0] == "tests"
    }
    assert ("passes/test_captures.py", "tests.helpers.state.state") in found
    assert {(path, name) for path, name in found if name.split(".")[1] != "helpers"} == set()
