"""The page on the architecture says what is there: its map, its paths, and the way of a photo."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

import pytest
from PIL import Image

from cnnviz_cli.app import main

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
WAY = "From the command line to a picture"
SOURCES = ("cnnviz/", "cli/", "gallery/")


def chapter(title: str) -> str:
    _, found = PAGE.split(f"## {title}\n")
    return found.partition("\n## ")[0]


def paths(text: str) -> list[str]:
    """Return the files and folders that a text names."""
    return [path for path in re.findall(r"`([\w/.]+)`", text) if path.startswith(SOURCES)]


@pytest.fixture(scope="module")
def drawing():
    path = ROOT / "docs" / "architecture_map.py"
    spec = importlib.util.spec_from_file_location("architecture_map", path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    # Several tests ask, and all files are read for the answer.
    module.imports = cache(module.imports)
    yield module
    del sys.modules[spec.name]


def test_the_map_is_that_of_the_imports(drawing) -> None:
    made = drawing.TARGET.read_text("utf-8")
    assert made == drawing.svg(), "Run: python docs/architecture_map.py"


def test_the_map_shows_what_is_imported_and_leaves_out_what_follows(drawing) -> None:
    imported = drawing.imports()
    assert imported.has_edge("views", "passes")
    assert not imported.has_edge("passes", "views")
    text = drawing.svg()
    assert text.count('class="arrow" marker-end') < imported.number_of_edges()
    boxes = drawing.placed(imported)
    assert all(boxes[name].y < boxes[other].y for name, other in imported.edges)
    corners = {(box.x, box.y) for box in boxes.values()}
    assert len(corners) == len(boxes)


def test_the_table_has_every_package(drawing) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.partition("\n## ")[0], re.MULTILINE)
    assert sorted(rows) == sorted(drawing.imports())


def test_the_paths_of_the_page_exist() -> None:
    named = paths(PAGE)
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_answers_to_the_questions_are_where_the_page_says() -> None:
    row = r"^\| .* \| `([\w/.]+)` \| `(\w+)` \|$"
    rows = re.findall(row, chapter("Files by question"), re.MULTILINE)
    assert len(rows) > 12
    for path, name in rows:
        defined = set()
        for node in ast.parse((ROOT / path).read_text("utf-8")).body:
            defined.add(getattr(node, "name", None))
            targets = getattr(node, "targets", [getattr(node, "target", None)])
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
        assert name in defined, f"{path} defines no {name}"


@contextmanager
def entered(files: list[str]) -> Iterator[None]:
    """Note in which file of ours each function is that is called, leaving repetitions out."""

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        # The bodies of modules and classes are no functions: they run when a file is imported.
        is_function = event == "call" and code.co_flags & inspect.CO_OPTIMIZED
        if is_function and code.co_filename.startswith(ours):
            path = Path(code.co_filename).relative_to(ROOT).as_posix()
            if files[-1:] != [path]:
                files.append(path)

    # Most calls are those of matplotlib: no path is taken apart for them.
    ours = f"{ROOT}{os.sep}"
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)


def test_a_photo_goes_the_way_that_the_page_tells(tmp_path, monkeypatch) -> None:
    told = paths(chapter(WAY))
    assert len(told) > 12
    for path in told:
        importlib.import_module(".".join(Path(path.removeprefix("cli/")).with_suffix("").parts))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (48, 40), (200, 90, 30)).save("photo.png")
    files: list[str] = []
    with entered(files), pytest.raises(SystemExit) as end:
        main(["cam", "photo.png", "--quiet"])
    assert end.value.code == 0
    rest = iter(files)
    assert [path for path in told if path not in rest] == []
