"""A room imports only rooms below it: the order of docs/rooms.md, read from the sources."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the ground up.
ORDER = [
    "errors",
    "images",
    "shapes",
    "layers",
    "receptive_field",
    "hooks",
    "results",
    "drawing",
    "models",
    "tracing",
    "stages",
    "targets",
    "captures",
    "views",
    "reports",
]
# A capture shows its own predictions, as the view does: the one call from a room to a higher one.
ALLOWED = {("captures", "views")}


def _package(path):
    """Return the dotted name that relative imports of a file start from."""
    return path.relative_to(ROOT).parent.parts


def _imported(path):
    """Yield the dotted names of the project's modules that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(_package(path))[: len(_package(path)) - node.level + 1]
            stem = (base if node.level else []) + (node.module or "").split(".")
            stem = [part for part in stem if part]
            found = [[*stem, alias.name] for alias in node.names]
        else:
            continue
        yield from (parts for parts in found if parts[0] in ("cnnviz", "cnnviz_cli"))


def _room(path):
    parts = path.relative_to(ROOT / "cnnviz").with_suffix("").parts
    return parts[0]


def _sources():
    return sorted(path for path in (ROOT / "cnnviz").rglob("*.py") if path.parent.name)


def _edges():
    found = set()
    for path in _sources():
        if _room(path) == "__init__":
            continue
        for parts in _imported(path):
            room = parts[1] if len(parts) > 1 else ""
            if room in ORDER and room != _room(path):
                found.add((_room(path), room))
            if parts[0] == "cnnviz_cli":
                found.add((_room(path), "cnnviz_cli"))
    return found


def test_every_room_has_its_place_in_the_order():
    rooms = {_room(path) for path in _sources()} - {"__init__"}
    assert rooms == set(ORDER)


def test_a_room_imports_only_rooms_below_it():
    place = {room: index for index, room in enumerate(ORDER)}
    above = {(room, other) for room, other in _edges() if place.get(other, 99) > place[room]}
    assert above == ALLOWED


def test_every_room_is_on_the_map():
    page = (ROOT / "docs" / "rooms.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    named = [name.rstrip("/") for row in rows for name in re.findall(r"`(\w+/?)`", row)]
    assert set(named) == {*ORDER, "cnnviz_cli"}


@pytest.mark.parametrize("path", sorted((ROOT / "cli").rglob("*.py")), ids=lambda p: p.name)
def test_the_command_line_knows_no_view_by_module(path):
    """Adding a view needs nothing in the command line but an optional table of words."""
    views = {parts[2] for parts in _imported(path) if parts[1:2] == ["views"] and len(parts) > 2}
    allowed = {"predictions"} if path.name == "tables.py" else {"VIEWS", "View"}
    assert views <= allowed
