"""Write what `make coverage` found into docs/quality.md: its tests, and a table of each package.

    make coverage
    python docs/coverage_table.py

How many tests passed, when and in which time is read from `.junit.xml`; which lines and branches
ran, from `.coverage`. Run it on the machine that ran the tests: the cores are counted here.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from coverage import Coverage

from cnnviz.results.text import plural

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "quality.md"
COUNTS = ("covered_lines", "num_statements", "covered_branches", "num_branches")
HEADING = "### As measured\n\n"
HEAD = "| package | lines | branches | together |\n|---|---:|---:|---:|\n"
MEASURED = re.compile(
    rf"(?<={HEADING})(?s:.*?)\n\n{re.escape(HEAD)}(?:\|.*\n)+",
)
"""What the script writes: all between the heading and the end of the table."""


def suite(report: Path, cores: int) -> str:
    """Return the sentence on the tests, of which none failed.

    Parameters
    ----------
    report : Path
        What pytest wrote with `--junit-xml`.
    cores : int
        On how many cores the tests ran.

    Raises
    ------
    SystemExit
        If a test failed: what was counted then is not of the whole suite.
    """
    (found,) = ET.parse(report).getroot().iter("testsuite")
    total, failures, errors, skipped = (
        int(found.attrib[name]) for name in ("tests", "failures", "errors", "skipped")
    )
    if failures or errors:
        raise SystemExit(f"{failures + errors} tests failed: mend them, and run `make coverage`.")
    day = datetime.fromisoformat(found.attrib["timestamp"])
    whole, rest = divmod(round(float(found.attrib["time"])), 60)
    lasted = f"{plural(whole, 'minute')} {plural(rest, 'second')}"
    left = f" and {skipped:,} were skipped" if skipped else ""
    return (
        f"On {day.day} {day:%B %Y} `make coverage` ran the whole suite on {cores} cores: "
        f"{total - skipped:,} tests passed{left}\nin {lasted}, "
        "counting included."
    )


def counted(held: Coverage) -> dict[str, Any]:
    """Return what coverage.py reports of every file, by its path from the root."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "coverage.json")
        held.json_report(outfile=str(written))
        found: dict[str, Any] = json.loads(written.read_text("utf-8"))["files"]
    return found


def table(files: Mapping[str, Any]) -> str:
    """Return a row for each package, and one for all."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(COUNTS))
    for path, file in files.items():
        for name in (package(path), "all"):
            sums[name] = [a + file["summary"][b] for a, b in zip(sums[name], COUNTS, strict=True)]
    whole = sums.pop("all")
    # The own files of the package come after all others.
    rows = sorted(sums.items(), key=lambda row: (" " in row[0], "." not in row[0], row[0]))
    return HEAD + "".join(_row(*row) for row in [*rows, ("all", whole)])


def package(path: str) -> str:
    """Return the package of a file as the table names it.

    >>> package("cnnviz/views/cam.py"), package("cnnviz/errors.py"), package("cli/cnnviz_cli/x.py")
    ('`cnnviz.views`', '`cnnviz` (its own files)', '`cnnviz_cli`')
    """
    first, second, *rest = Path(path).parts
    if first != "cnnviz":
        return f"`{second}`"
    return f"`cnnviz.{second}`" if rest else "`cnnviz` (its own files)"


def _row(name: str, counts: list[int]) -> str:
    lines, statements, branches, every = counts
    shares = (lines, statements), (branches, every), (lines + branches, statements + every)
    cells = [f"{run / max(there, 1):.1%}" if there else "" for run, there in shares]
    return f"| {name} | {' | '.join(cells)} |\n"


def page(before: str, ran: str, rows: str, floor: float) -> str:
    """Return the page with what was measured in the place of what was measured before."""
    together = rows.split()[-2]
    beside = "above" if float(together.rstrip("%")) >= floor else "below"
    found = f"{ran} **Lines and branches together: {together}**, {beside} the floor of {floor:g}%."
    return MEASURED.sub(lambda _: f"{found}\n\n{rows}", before, count=1)


def main() -> None:
    """Write both into the page."""
    os.chdir(ROOT)  # Files are reported by their paths from here.
    held = Coverage(data_file=str(ROOT / ".coverage"), config_file=str(ROOT / "pyproject.toml"))
    held.load()
    ran = suite(ROOT / ".junit.xml", os.cpu_count() or 1)
    rows, floor = table(counted(held)), float(held.get_option("report:fail_under"))
    TARGET.write_text(page(TARGET.read_text("utf-8"), ran, rows, floor), "utf-8")
    print(ran, rows.splitlines()[-1], sep="\n")


if __name__ == "__main__":
    main()
