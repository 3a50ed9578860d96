"""What is written of `make coverage`: its tests, and files summed by package and all of them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the script that writes the table."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("coverage_table")


def _file(*counts: int) -> dict[str, Any]:
    names = ("covered_lines", "num_statements", "covered_branches", "num_branches")
    return {"summary": dict(zip(names, counts, strict=True))}


def test_files_are_summed_by_package(written: Any) -> None:
    files = {
        "cnnviz/views/cam.py": _file(3, 4, 1, 2),
        "cnnviz/views/pictures/cam.py": _file(5, 6, 0, 2),
        "cli/cnnviz_cli/app.py": _file(1, 2, 0, 0),
        "cnnviz/errors.py": _file(2, 2, 1, 1),
    }
    assert written.table(files).splitlines()[2:] == [
        "| `cnnviz.views` | 80.0% | 25.0% | 64.3% |",
        "| `cnnviz_cli` | 50.0% |  | 50.0% |",
        "| `cnnviz` (its own files) | 100.0% | 100.0% | 100.0% |",
        "| all | 78.6% | 40.0% | 68.4% |",
    ]


_SUITE = (
    '<testsuites name="pytest tests"><testsuite name="pytest" errors="{errors}" failures="1" '
    'skipped="2" tests="10437" time="1256.4" timestamp="2026-11-07T19:18:02.123456+00:00" '
    'hostname="somewhere"><testcase classname="a" name="b" /></testsuite></testsuites>'
)


def test_the_suite_is_told_as_pytest_reports_it(written: Any, tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(_SUITE.format(errors=0).replace('failures="1"', 'failures="0"'), "utf-8")
    assert written.suite(report, 2) == (
        "On 7 November 2026 `make coverage` ran the whole suite on 2 cores: 10,435 tests passed "
        "and 2 were skipped\nin 20 minutes 56 seconds, counting included."
    )
    report.write_text(_SUITE.format(errors=3), "utf-8")
    with pytest.raises(SystemExit, match="4 tests failed"):
        written.suite(report, 2)


def test_sentence_and_table_take_the_place_of_those_before(written: Any) -> None:
    before = written.TARGET.read_text("utf-8")
    rows = written.HEAD + "| all | 98.1% | 93.0% | 97.3% |\n"
    found = written.page(before, "Tests ran.", rows, 95)
    said = "Tests ran. **Lines and branches together: 97.3%**, above the floor of 95%."
    assert f"### As measured\n\n{said}\n\n{rows}\n" in found
    assert found.count(written.HEAD) == 1
    start, end = (
        before.index(written.HEADING),
        before.rindex("| all |", 0, before.index("## Faults")),
    )
    assert found[:start] == before[:start]
    assert found.endswith(before[before.index("\n", end) :])
    assert "96.5%**, below the floor of 97%" in written.page(
        before, "", rows.replace("97.3", "96.5"), 97
    )
