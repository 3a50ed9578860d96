"""What a million images cost stands on the page as it was measured."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))
    return importlib.import_module("bench_many_images")


def test_the_table_of_the_page_is_that_of_what_was_measured(script: ModuleType) -> None:
    found = json.loads((ROOT / "docs" / "many-images.json").read_text("utf-8"))
    assert found["runs"].keys() == script.TIMED.keys()
    assert script.table(found) in (ROOT / "docs" / "many-images.md").read_text("utf-8")


def test_a_million_lies_on_the_line_through_two_measured_runs(script: ModuleType) -> None:
    begin, each = script.line((16, 64), (10.0, 34.0))
    assert (begin, each) == (2.0, 0.5)
    run = {"of": "images", "counts": [16, 64], "begin": begin, "each": each}
    told = script.table({"runs": {"errors": {**run, "peak": [1e9, 2000.0], "state": [0.0, 30.0]}}})
    assert told.splitlines()[-1] == (
        "| `errors` | 16 and 64 images | 0.5 s | 138.9 h | 8 min | 3.00 GB | 30.0 MB |"
    )
