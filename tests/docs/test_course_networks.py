"""The table of the networks of the course is what was measured, and nothing in it failed."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import cnnviz
from cnnviz.course.network_cards import CARDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
LINES = (DOCS / "course_networks.jsonl").read_text("utf-8").splitlines()
ROWS = [json.loads(line) for line in LINES]


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """Return the script that tries the views, as a module."""
    spec = importlib.util.spec_from_file_location("course_networks", DOCS / "course_networks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["course_networks"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["course_networks"]


def test_the_page_is_made_of_what_was_measured(script: ModuleType) -> None:
    assert (DOCS / "course_networks.md").read_text("utf-8") == script.page(ROWS)


def test_no_view_failed_on_a_network_of_the_course(script: ModuleType) -> None:
    assert [row for row in ROWS if row["outcome"] == script.FAULT] == []
    cells = [(row["network"], row["view"]) for row in ROWS]
    assert len(set(cells)) == len(cells)
    assert {view for _, view in cells} <= set(script.asked())
    assert {network for network, _ in cells} == {card.load_name for card in CARDS}
    assert set(script.SMALL_FIRST.split()) == {card.load_name for card in CARDS}


@pytest.mark.parametrize("name", ["filters", "localisation"])
def test_a_cell_is_measured_anew(script: ModuleType, tmp_path: Path, name: str) -> None:
    model = cnnviz.load("lenet5-1998", "random", device="cpu")
    (known,) = (row for row in ROWS if (row["network"], row["view"]) == ("lenet5-1998", name))
    outcome, summary = script.answer(script.asked()[name], model, tmp_path)
    assert (outcome, bool(summary)) == (known["outcome"], True)
    assert len(list(tmp_path.iterdir())) >= 2


def test_words_are_kept_of_what_did_not_work_alone(script: ModuleType) -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the most memory is read as Linux tells it")
    assert "said" not in script.measured(lambda: (script.WORKS, "6 dead"), 3)
    assert script.measured(lambda: (script.REFUSED, "No."), 3)["said"] == "No."
    assert all(("said" in row) == (row["outcome"] != script.WORKS) for row in ROWS)


def test_what_fails_and_what_takes_too_long_is_told(script: ModuleType) -> None:
    def late() -> tuple[str, str]:
        raise TimeoutError("after 3 s")

    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the most memory is read as Linux tells it")
    found = script.measured(late, 3)
    assert (found["outcome"], found["said"]) == (script.UNFINISHED, "after 3 s")
    assert found["mib"] > 50
    row = {"network": "alexnet", "view": "cam", **found}
    page = script.page([row])
    assert "- `cam` of alexnet: unfinished. after 3 s" in page
    assert "Seconds are processor time on one thread, for computing and drawing.\n" in page
    by_clock = script.page([row | {"timed": "clock"}])
    assert "for 1 cells they are wall-clock time" in by_clock
    assert "Of 22 cells 0 work,\n0 are refused with a reason, 0 failed, and 22 were not" in page


def test_the_limit_of_a_cell_is_of_processor_time(script: ModuleType) -> None:
    def busy() -> tuple[str, str]:
        while True:
            pass

    def asleep() -> tuple[str, str]:
        time.sleep(0.2)
        return "works", ""

    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the most memory is read as Linux tells it")
    assert script.measured(busy, 0.1)["said"] == "after 0.1 s of processor time"
    assert script.measured(asleep, 0.1)["outcome"] == "works"
