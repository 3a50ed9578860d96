"""Every recipe runs as it stands: its files written, its code and commands run, in their order."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.architectures import drawn_from_tiles
from tests.helpers.pages import Block, blocks
from tests.helpers.quick_code import few_random_maps
from tests.helpers.undrawn import undrawn

Run = Callable[..., Any]
DOCS = Path(__file__).resolve().parents[2] / "docs"
RECIPES = [DOCS / "start.md", *sorted((DOCS / "cookbook").glob("*.md"))]
# Commands that are read and not run: those of networks whose weights have to be downloaded, and
# those that take long and have tests of their own.
READ_ONLY = ("fasterrcnn_resnet50_fpn", "doctor", "report", "lecture", "explore")


@pytest.fixture(autouse=True)
def own_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let code import the files of its page, and forget them; few maps, few weights."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    with torch.random.fork_rng(devices=[]), few_random_maps(), drawn_from_tiles(), undrawn():
        yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", RECIPES, ids=lambda page: page.stem)
def test_a_recipe_runs_as_it_stands(page: Path, run: Run) -> None:
    names: dict[str, Any] = {"__name__": "recipe"}
    lacking = [needs for block in blocks(page) if (needs := run_block(block, names, run))]
    if lacking:
        pytest.skip(f"the rest ran, but {', '.join(sorted(set(lacking)))} is not installed")


def run_block(block: Block, names: dict[str, Any], run: Run) -> str:
    """Write or run a block; return the package that it needs, where that is not installed."""
    if block.file:
        Path(block.file).write_text(block.text, "utf-8")
    elif block.needs and importlib.util.find_spec(block.needs) is None:
        return block.needs
    elif block.language == "python":
        exec(compile(block.text, "recipe", "exec"), names)
    elif block.language == "sh":
        for line in block.commands:
            run_command(line, run)
    return ""


def run_command(line: str, run: Run) -> None:
    program, *words = shlex.split(line, comments=True)
    assert program == "cnnviz", line
    if not any(name in words for name in READ_ONLY):
        said = run(*words)
        assert said.code == 0, f"{line}\n{said.err}"


def test_the_table_lists_every_recipe() -> None:
    index = (DOCS / "cookbook" / "index.md").read_text("utf-8")
    recipes = {path.name for path in RECIPES[1:]} - {"index.md"}
    assert recipes == {name for name in recipes if f"]({name})" in index}
