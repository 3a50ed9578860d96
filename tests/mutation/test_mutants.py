"""Faults are put in one at a time, and each is noticed or told."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.mutants import mutants

ROOT = Path(__file__).resolve().parents[2]
SOURCE = '''
class Counter:
    """Counts."""

    @property
    def few(self):
        return self.count < 3


def total(values: "list[int | None]", start: int = 1):
    if not values:
        raise ValueError(f"{len(values) + 1} values are too few.")
    start = start + 2
    values.append(True)
    return start if values[-1] else -start
'''
TOLD = [
    ("Counter.few", "`return self.count < 3` becomes `return None`"),
    ("Counter.few", "`self.count < 3` becomes `self.count <= 3`"),
    ("Counter.few", "`self.count < 3` becomes `self.count < 4`"),
    ("total", "`not values` becomes `not not values`"),
    ("total", "`not values` becomes `not not values`"),
    ("total", "`start + 2` becomes `start - 2`"),
    ("total", "`start + 2` becomes `start + 3`"),
    ("total", "values.append(True) is left out"),
    ("total", "`values.append(True)` becomes `values.append(False)`"),
    ("total", "`return start if values[-1] else -start` becomes `return None`"),
    ("total", "`start if values[-1] else -start` becomes `start if not values[-1] else -start`"),
    ("total", "`-1` becomes `--1`"),
    ("total", "`-1` becomes `-2`"),
    ("total", "`-start` becomes `--start`"),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.py"
    path.write_text(SOURCE, "utf-8")
    return path


def test_every_fault_is_told_as_code_and_what_words_a_sentence_is_left_alone(source: Path) -> None:
    found = [(mutant.place[0], mutant.what) for mutant in mutants(source)]
    assert sorted(found) == sorted(TOLD)


def test_each_does_something_else_once_its_code_is_exchanged(source: Path) -> None:
    def answers(total: Any) -> list[Any]:
        found: list[Any] = []
        for given in ([1, 0], []):
            try:
                found += [total(given), given]
            except Exception as error:
                found.append(type(error))
        return found

    own = answers(runpy.run_path(str(source))["total"])
    tried = [mutant for mutant in mutants(source) if mutant.place[0] == "total"]
    for mutant in tried:
        total = runpy.run_path(str(source))["total"]
        place = total.__code__.co_qualname, total.__code__.co_firstlineno
        assert place == mutant.place
        total.__code__ = mutant.code
        # The last value is true, so that the other branch is never taken.
        same = mutant.what == "`-start` becomes `--start`"
        assert (answers(total) == own) is same, mutant.what


def test_every_group_names_files_and_tests_that_there_are() -> None:
    groups = runpy.run_path(str(ROOT / "tests" / "mutation" / "run.py"))["GROUPS"]
    for group in groups.values():
        for name in (*group.files, *group.tests):
            assert (ROOT / name).exists(), name
