"""The table of networks is what was measured, and no network in it failed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.undrawn import undrawn

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROWS = [json.loads(line) for line in (DOCS / "networks.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """Return the script that tries the networks, as a module."""
    spec = importlib.util.spec_from_file_location("network_table", DOCS / "network_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["network_table"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["network_table"], sys.modules["small_networks"]
    sys.path.remove(str(DOCS))


def test_the_page_is_made_of_what_was_measured(script: ModuleType) -> None:
    assert (DOCS / "networks.md").read_text("utf-8") == script.page(ROWS)


def test_every_network_has_an_answer_or_a_reason(script: ModuleType) -> None:
    for row in ROWS:
        for what in script.ASKED:
            assert row[what], row
            assert not row[what].startswith("FAILED"), row
    assert {row["name"] for row in ROWS} <= {trial.name for trial in script.trials()}


def test_a_small_network_is_tried_out_anew(script: ModuleType) -> None:
    (trial,) = [one for one in script.trials() if one.name == "WaveNet"]
    with undrawn():
        found = script.try_out(trial)
    (known,) = [row for row in ROWS if row["name"] == "WaveNet"]
    assert {key: found[key] for key in ("map", "gradients")} == {
        key: known[key] for key in ("map", "gradients")
    }
