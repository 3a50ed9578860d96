"""Bad input meets a sentence: every case of the table in `tests.helpers.bad_input`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnviz_cli import network_options
from tests.helpers.bad_input import CASES, FAMILIES
from tests.helpers.bad_input.case import Case, made, sentence, written_in
from tests.helpers.each_case import each_case

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bad-input.md"
UPDATE = "Run: python docs/bad_input.py"


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder with the files of a family, which is made when it is first asked for."""
    base, ready = tmp_path_factory.mktemp("bad_input"), {}

    def folder(family: str) -> Path:
        if family not in ready:
            ready[family] = made(vars(FAMILIES[family]), base / family)
        return ready[family]

    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_is_refused_in_a_sentence(
    family: str, run: Callable[..., Any], folder_of: Callable[[str], Path]
) -> None:
    @each_case("case", [case for case in CASES if case.family == family], ids=str)
    def every(case: Case) -> None:
        with pytest.MonkeyPatch.context() as patch:
            refused(case, run, folder_of(family), patch)

    every()


def refused(
    case: Case, run: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run the command of a case in the folder with its files."""

    def began(*_: Any, **__: Any) -> Any:
        pytest.fail("a network was loaded")

    if case.early:
        monkeypatch.setattr(network_options, "load_model", began)
    for name, value in case.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    before = written_in(folder)
    ended = run(*case.words)
    assert ended.code == 2, ended.err[:400]
    assert case.named in sentence(ended.err), ended.err[:400]
    assert "Traceback" not in ended.err
    assert "Warning" not in ended.err
    # Neither a name nor a number is echoed at any length.
    assert len(ended.err) < 3000
    assert written_in(folder) == before
    assert not ended.out


def test_no_case_stands_in_the_table_twice() -> None:
    commands = [(case.family, case.command) for case in CASES]
    assert len(set(commands)) == len(commands)


def test_the_table_is_as_large_as_is_said() -> None:
    assert len(CASES) >= 250


def test_the_page_has_what_is_said_to_each_case() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == len(CASES), UPDATE
    for case, row in zip(CASES, rows, strict=True):
        assert case.in_markdown in row, UPDATE
        assert case.named.replace("\\", "") in row.replace("\\", ""), UPDATE
