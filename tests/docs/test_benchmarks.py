"""What benchmarks measured is kept as it was, and the page says what was kept."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.each_case import each_case

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (ROOT / "tests" / "benchmarks", ROOT / "docs"):
        monkeypatch.syspath_prepend(str(folder))


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _timed(wall: tuple[float, ...], cpu: tuple[float, ...]) -> Any:
    return _module("turns").Timed(wall, cpu)


def test_a_ratio_is_the_median_of_those_within_a_round() -> None:
    own, floor = _timed((4.0, 9.0, 8.0), (1.0, 1.0, 1.0)), _timed((1.0, 3.0, 4.0), (2.0, 2.0, 2.0))
    assert own.median() == 8.0
    assert own.of(floor) == 3.0
    assert own.of(floor, "cpu") == 0.5


def test_every_way_runs_once_more_than_there_are_rounds() -> None:
    called: list[str] = []
    ways = {"a": lambda: called.append("a"), "b": lambda: called.append("b")}
    found = _module("turns").in_turns(ways, 2)
    assert called == ["a", "b", "a", "b", "a", "b"]
    assert [len(each.wall) for each in found.values()] == [2, 2]
    assert [len(each.cpu) for each in found.values()] == [2, 2]


def test_records_of_other_works_stay(tmp_path: Path) -> None:
    kept, path = _module("kept_results"), tmp_path / "new" / "0.1.0.json"
    found = {"pass": _timed((2.0,), (1.0,)), "ours": _timed((1.0,), (0.5,))}
    for work in ("first", "second"):
        kept.keep(path, work, found)
    slower = {"pass": _timed((2.0,), (1.0,)), "ours": _timed((6.0,), (3.0,))}
    goals = [kept.Goal("ours", ("pass", "absent"), 2.0), kept.Goal("ours", ("absent",), 2.0)]
    kept.keep(path, "first", slower, goals, peaks={"ours": 7.0}, note="A note.")
    works = json.loads(path.read_text("utf-8"))["works"]
    assert [one["work"] for one in works] == ["first", "second"]
    assert [row["cpu_of_first"] for row in works[0]["rows"]] == [1.0, 3.0]
    assert [row["cpu_of_first"] for row in works[1]["rows"]] == [1.0, 0.5]
    assert [row["peak_mib"] for row in works[0]["rows"]] == [None, 7.0]
    assert [goal["reached"] for goal in works[0]["goals"]] == [1 / 3, None]


def test_a_goal_is_judged_by_the_fastest_of_the_others(tmp_path: Path) -> None:
    kept, path = _module("kept_results"), tmp_path / "0.1.0.json"
    found = {
        "ours": _timed((1.0, 1.0), (1.0, 1.0)),
        "slow": _timed((9.0, 9.0), (9.0, 9.0)),
        "fast": _timed((3.0, 3.0), (3.0, 3.0)),
    }
    kept.keep(path, "work", found, [kept.Goal("ours", ("slow", "fast"), 2.0)])
    (work,) = json.loads(path.read_text("utf-8"))["works"]
    assert work["goals"][0]["reached"] == 3.0


def test_nothing_is_kept_without_a_file() -> None:
    kept = _module("kept_results")
    reader = argparse.ArgumentParser()
    kept.add_json_option(reader)
    assert reader.parse_args([]).json is None
    kept.keep(None, "work", {})


def test_a_machine_is_told_without_names() -> None:
    import platform

    told = json.dumps(_module("kept_results").machine())
    assert platform.node() not in told


def test_the_page_is_made_of_what_was_kept() -> None:
    script = _module("benchmarks_page")
    releases = script.read(ROOT / "docs" / "benchmarks")
    assert (ROOT / "docs" / "benchmarks.md").read_text("utf-8") == script.page(releases)


def test_goals_stand_beside_those_of_earlier_releases() -> None:
    script = _module("benchmarks_page")

    def release(version: str, reached: float | None) -> dict[str, Any]:
        goal = {"way": "ours", "of": ["peer"], "times": 2.0, "reached": reached}
        row = dict.fromkeys(("wall_s", "cpu_s", "wall_of_first", "cpu_of_first"), 1.0)
        work = {
            "work": "Masks",
            "measured": "2026-11-06",
            "command": "python tests/benchmarks/bench_masks.py",
            "first": "ours",
            "rows": [row | {"way": "ours", "peak_mib": None}],
            "goals": [goal],
            "note": "",
            "rounds": 1,
            "threads": 1,
            "machine": _module("kept_results").machine(),
            "versions": {"torch": "2.0"},
        }
        return {"version": version, "works": [work]}

    text = script.page([release("0.10.0", 2.5), release("0.9.0", None)])
    assert "| work | of | 0.10.0 | 0.9.0 |" in text
    assert "| Masks | ours, beside peer | 2.50 (2.00) | not measured (2.00) |" in text
    told = (
        "Measured on 6 November 2026 with `python tests/benchmarks/bench_masks.py`: medians of 1 "
    )
    assert told in text


@each_case("kept", [["--json", "a.json"], ["--json=a.json"], []])
def test_a_record_has_the_command_that_measured_it_but_for_where_it_is_kept(
    kept: list[str],
) -> None:
    given = ["elsewhere/bench_masks.py", "--only", "two words", *kept, "--rounds", "3"]
    wanted = "python tests/benchmarks/bench_masks.py --only 'two words' --rounds 3"
    assert _module("kept_results").command(given) == wanted


def test_releases_are_ordered_by_number(tmp_path: Path) -> None:
    for version in ("0.9.0", "0.10.0"):
        text = json.dumps({"version": version, "works": []})
        (tmp_path / f"{version}.json").write_text(text, "utf-8")
    held = _module("benchmarks_page").read(tmp_path)
    assert [one["version"] for one in held] == ["0.10.0", "0.9.0"]
