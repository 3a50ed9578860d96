"""A room imports only rooms below it: docs/rooms.md has the order, the sources are held to it."""

import ast
import re
from pathlib import Path

import pytest

from cnnviz.views import VIEWS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"cnnviz": ROOT, "cnnviz_cli": ROOT / "cli", "cnnviz_gallery": ROOT / "gallery"}


def _lines():
    """Return the lines of the map from the ground up, each as the rooms it names."""
    page = (ROOT / "docs" / "rooms.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    return [re.findall(r"`(\w+)`", row) for row in rows]


def _sources(package):
    return sorted((PACKAGES[package] / package).rglob("*.py"))


def _imported(path, package):
    """Return the dotted names of ours that a file imports, at the top or inside a function."""
    inside = path.relative_to(PACKAGES[package]).parent.parts
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else ()
            stem = (*base, *(node.module.split(".") if node.module else ()))
            found += [(*stem, alias.name) for alias in node.names]
    return [parts for parts in found if parts[0] in PACKAGES]


def _room(path):
    return path.relative_to(ROOT / "cnnviz").with_suffix("").parts[0]


def _edges():
    """Return every (room, imported room) of the library."""
    rooms = {_room(path) for path in _sources("cnnviz")}
    found = set()
    for path in _sources("cnnviz"):
        for parts in _imported(path, "cnnviz"):
            other = parts[0] if parts[0] != "cnnviz" else parts[1] if len(parts) > 1 else ""
            if other in {*rooms, "cnnviz_cli", "cnnviz_gallery"} and other != _room(path):
                found.add((_room(path), other))
    # The package's own file only hands names on.
    return {(room, other) for room, other in found if room != "__init__"}


def test_every_room_has_one_place_on_the_map():
    named = [room for line in _lines() for room in line]
    present = {_room(path) for path in _sources("cnnviz")} - {"__init__"}
    assert len(named) == len(set(named))
    assert present | {"cnnviz_cli", "cnnviz_gallery"} <= set(named)


def test_a_room_imports_only_rooms_of_its_own_line_and_below():
    place = {room: height for height, line in enumerate(_lines()) for room in line}
    upwards = {(room, other) for room, other in _edges() if place[other] > place[room]}
    assert upwards == set()


def test_the_gallery_knows_nothing_of_the_command_line():
    imported = [_imported(path, "cnnviz_gallery") for path in _sources("cnnviz_gallery")]
    assert {parts[0] for found in imported for parts in found} == {"cnnviz", "cnnviz_gallery"}


def test_the_sources_import_one_another_at_all():
    assert {("captures", "hooks"), ("reports", "views"), ("models", "errors")} <= _edges()


@pytest.mark.parametrize("path", _sources("cnnviz_cli"), ids=lambda path: path.name)
def test_the_command_line_knows_no_view_by_module(path):
    """Adding a view needs nothing in the command line but, at most, a table of words."""
    imported = [parts for parts in _imported(path, "cnnviz_cli") if parts[1:2] == ("views",)]
    views = {parts[2] for parts in imported if len(parts) > 2} & {view.name for view in VIEWS}
    assert views <= ({"predictions"} if path.name == "tables.py" else set())
