"""Write docs/benchmarks.md from the figures of every release, docs/benchmarks/VERSION.json.

    python docs/benchmarks_page.py

The figures come from the benchmarks in tests/benchmarks that take `--json FILE`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
HEAD = """# Benchmarks

How long cnnviz takes, beside the packages that do the same, and beside the least that the machine
takes: a forward pass of [the fast copy](fast-copy.md) of the network. Everything in a table was
timed turn by turn in one process, and a ratio is the median of the ratios round by round; processor
time counts all threads, and is what goals are judged by. `make bench` measures all of it; a
benchmark puts its figures into the file of the release with `--json docs/benchmarks/VERSION.json`,
and `python docs/benchmarks_page.py` writes this page.
"""


def read(folder: Path) -> list[dict[str, Any]]:
    """Return what was kept of every release, the latest first."""
    held = [json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")]
    return sorted(held, key=lambda one: _ordered(one["version"]), reverse=True)


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def page(releases: Sequence[dict[str, Any]]) -> str:
    """Return the page: what was to be reached in each release, and all of the latest one."""
    latest = releases[0]
    tables = [_table(work) for work in latest["works"]]
    return "\n".join([HEAD, *_goals(releases), f"## {latest['version']}", "", *tables])


def _goals(releases: Sequence[dict[str, Any]]) -> list[str]:
    found: dict[tuple[str, str, str], dict[str, tuple[float | None, float]]] = {}
    for release in releases:
        for work in release["works"]:
            for goal in work["goals"]:
                others = " or ".join(goal["of"])
                row = found.setdefault((work["work"], goal["way"], others), {})
                row[release["version"]] = goal["reached"], goal["times"]
    if not found:
        return []
    names = [release["version"] for release in releases]
    lines = ["## What was to be reached", ""]
    lines += [
        "How many times faster than the fastest of the others; in brackets what was aimed at."
    ]
    lines += ["", f"| work | of | {' | '.join(names)} |", f"|---|---|{'---:|' * len(names)}"]
    for (work, way, others), row in found.items():
        cells = [_cell(*row[name]) if name in row else "" for name in names]
        lines.append(f"| {work} | {way}, beside {others} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(reached: float | None, times: float) -> str:
    return f"not measured ({times:.2f})" if reached is None else f"{reached:.2f} ({times:.2f})"


def _table(work: dict[str, Any]) -> str:
    first = work["first"]
    lines = [
        f"### {work['work']}",
        "",
        f"| | wall time, s | of {first} | processor, s | of {first} | peak memory, MiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in work["rows"]:
        peak = "" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"
        cells = [
            f"{row['wall_s']:.3f}",
            f"{row['wall_of_first']:.2f}",
            f"{row['cpu_s']:.3f}",
            f"{row['cpu_of_first']:.2f}",
            peak,
        ]
        lines.append(f"| {row['way']} | {' | '.join(cells)} |")
    note = [work["note"], ""] if work["note"] else []
    return "\n".join([*lines, "", *note, _circumstances(work), ""])


def _circumstances(work: dict[str, Any]) -> str:
    machine = work["machine"]
    caches = ", ".join(f"{size} of {level}" for level, size in machine["caches"].items())
    versions = ", ".join(f"{name} {found}" for name, found in work["versions"].items())
    rounds, threads, cores = work["rounds"], work["threads"], machine["cores"]
    return (
        f"`{work['benchmark']}.py`: medians of {rounds} round{'s' if rounds > 1 else ''}, "
        f"{threads} thread{'s' if threads > 1 else ''}, {cores} cores, {machine['processor']} with "
        f"{machine['instructions']}, {caches or 'unknown caches'}, {machine['system']}; {versions}."
    )


if __name__ == "__main__":
    (DOCS / "benchmarks.md").write_text(page(read(DOCS / "benchmarks")), "utf-8")
