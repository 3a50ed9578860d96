"""Write which lines and branches of each package run, as `make coverage` counted, into a table.

    make coverage
    python docs/coverage_table.py

The table stands in docs/quality.md.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coverage import Coverage

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "quality.md"
COUNTS = ("covered_lines", "num_statements", "covered_branches", "num_branches")
HEAD = "| package | lines | branches | together |\n|---|---:|---:|---:|\n"


def counted(data: Path) -> dict[str, Any]:
    """Return what coverage.py reports of every file, by its path from the root."""
    held = Coverage(data_file=str(data), config_file=str(ROOT / "pyproject.toml"))
    held.load()
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


if __name__ == "__main__":
    os.chdir(ROOT)  # Files are reported by their paths from here.
    page = TARGET.read_text("utf-8")
    held = re.compile(re.escape(HEAD) + r"(\|.*\n)+")
    found = table(counted(ROOT / ".coverage"))
    TARGET.write_text(held.sub(lambda _: found, page, count=1), "utf-8")
    print(found.splitlines()[-1])
