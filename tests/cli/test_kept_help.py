"""Help and what is wrong with the arguments are told before torch is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cnnviz.views import VIEWS
from cnnviz_cli import kept_help, view_command
from docs.kept_help import TABLES, everything
from tests.helpers.each_case import each_case

OF_PHOTOS = [view.command for view in VIEWS if view.needs == "photo" or view.images == "photos"]
OTHERS = (
    *("report", "explore", "lecture", "training-report", "errors", "evaluate-classifier"),
    *("evaluate", "gallery", "models", "networks", "layers", "shapes", "doctor"),
)
FILES, DPI = ("nowhere/picture.png", "picture.tiff"), ("0.5", "many")
REFUSED = [
    # What all views have from one place, after the options of each were read.
    *((view.command, "--out", FILES[place % 2]) for place, view in enumerate(VIEWS)),
    *((view.command, "--dpi", DPI[place // 2 % 2]) for place, view in enumerate(VIEWS[::5])),
    *((command, "missing.jpg") for command in OF_PHOTOS),
    *(("cam", "--method", "nothing"), ("cam", "--box", "1,2"), ("occlusion", "--window", "x")),
    *(("deconvnet", "--top", "-1"), ("top-activations", "--count", "0")),
    *(("report", "missing.jpg"), ("report", "--out", "/"), ("lecture", "missing.jpg")),
    *(("lecture", "--out", "/"), ("errors", "--worst", "-1"), ("evaluate", "--steps", "0")),
    ("evaluate", "--out", "nowhere/folder"),
    *(("errors", "--data", "missing"), ("evaluate-classifier", "--data", "missing")),
    ("explore", "missing.jpg"),
    # Of two bytes nothing is left to be read; a network would be asked in vain.
    *((command, "cut.jpg") for command in (*OF_PHOTOS, "report", "explore", "lecture")),
    *((view.command, "cut.jpg") for view in VIEWS if view.images == "data"),
    *(("errors", "--data", "cut.jpg"), ("lecture", "--data", "missing")),
]
COMMANDS = [
    *((name, "--help") for name in (*(view.command for view in VIEWS), *OTHERS)),
    *((name, "--no-such-option") for name in (*(view.command for view in VIEWS), *OTHERS)),
    *REFUSED,
]
RUN = """
import contextlib, io, json, sys
from cnnviz_cli.app import main
from tests.helpers.built_once import built_once


def told_by(command):
    told = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(told):
        try:
            main(command)
        except SystemExit as end:
            return end.code, told.getvalue()


found = []
with built_once():
    for command in json.load(sys.stdin):
        code, told = told_by(command)
        heavy = sorted({"torch", "torchvision", "captum"} & set(sys.modules))
        found.append((command, code, heavy, told))
        if heavy:
            break
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def run_all(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[str], int, Any, str]]:
    """Run all commands in one process, up to the first that imports torch."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "cut.jpg").write_bytes(b"\xff\xd8")
    ended = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(COMMANDS),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [tuple(one) for one in json.loads(ended.stdout)]


def test_no_help_and_no_refusal_imports_torch(run_all) -> None:
    assert [(command, heavy) for command, _, heavy, _ in run_all if heavy] == []
    assert [command for command, *_ in run_all] == [list(command) for command in COMMANDS]


def test_help_is_help_and_a_refusal_a_sentence(run_all) -> None:
    wrong = {
        tuple(command): told
        for command, code, _, told in run_all
        if code != (0 if command[-1] == "--help" else 2)
    }
    assert wrong == {}


def test_what_is_kept_is_what_the_library_says() -> None:
    assert kept_help.FILE.read_text("utf-8") == kept_help.written(everything()), (
        "Run: python docs/kept_help.py"
    )


@each_case("view", VIEWS, ids=lambda view: view.name)
def test_what_is_kept_of_a_view_is_read_as_it_was_said(view) -> None:
    kept = msgspec.json.decode(kept_help.FILE.read_bytes())[view.command]
    assert msgspec.convert(kept, view_command.ViewHelp) == view_command.said_of(view)


@each_case("name", TABLES)
def test_what_is_kept_of_a_table_is_read_as_it_was_said(name: str) -> None:
    said = TABLES[name].said()
    kept = msgspec.json.decode(kept_help.FILE.read_bytes())[name]
    assert msgspec.convert(kept, type(said)) == said


def ask(home: str, find: Callable[[], str]) -> str:
    return kept_help.kept("lecture", home, str, find)


def test_each_option_has_help_of_its_own_that_sends_nobody_to_a_module() -> None:
    kept = msgspec.json.decode(kept_help.FILE.read_bytes())
    for view in VIEWS:
        texts = [one["help"] for one in kept[view.command]["parameters"]]
        assert len(set(texts)) == len(texts), view.name
        assert "`cnnviz.images." not in "".join(texts), view.name


def test_a_module_that_is_imported_speaks_for_itself() -> None:
    assert ask(__name__, lambda: "today") == "today"
    assert "today" not in ask("cnnviz.never_imported", lambda: "today")


def test_a_command_of_which_nothing_is_kept_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path(kept_help.FILE).is_file()
    assert kept_help.kept("of-others", "cnnviz.never_imported", str, lambda: "asked") == "asked"
