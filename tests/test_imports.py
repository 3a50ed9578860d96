"""What the contracts of pyproject.toml leave open: no file imports itself by way of others."""

from __future__ import annotations

import grimp
import networkx
import pytest

ROOTS = ("cnnviz", "cnnviz_cli", "cnnviz_gallery")


@pytest.fixture(scope="module")
def imports() -> networkx.DiGraph:
    """Return which file imports which when it runs, at its top or inside a function."""
    graph = grimp.build_graph(*ROOTS, exclude_type_checking_imports=True, cache_dir=None)
    edges = [
        (module, other)
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
    ]
    return networkx.DiGraph(edges)


def test_no_file_stands_in_a_circle(imports) -> None:
    # A package's own file too, which the contract over siblings doesn't compare with what it holds.
    found = networkx.strongly_connected_components(imports)
    assert [sorted(files) for files in found if len(files) > 1] == []


def test_the_imports_are_seen_at_all(imports) -> None:
    assert imports.has_edge("cnnviz.passes.captures", "cnnviz.introspection.hooks")
    # Inside a function.
    assert imports.has_edge("cnnviz.views.deconvnet", "cnnviz.views.pictures.deconvnet")
    # For the types alone.
    assert not imports.has_edge("cnnviz.views.pictures.deconvnet", "cnnviz.views.deconvnet")
