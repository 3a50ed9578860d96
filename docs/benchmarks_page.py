"""Write docs/benchmarks.md from the figures of every release, docs/benchmarks/VERSION.json.

    python docs/benchmarks_page.py

The figures come from the benchmarks in tests/benchmarks that take `--json FILE`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
HEAD = """# Benchmarks

How long cnnviz takes, compared with other packages that do the same, and with the least that the
machine takes: a forward pass of [the fast copy](fast-copy.md) of the network. The rows of a table
were timed in turn in one process, and a ratio is the median of the ratios of the rounds. Processor
time counts all threads; goals are judged by it.

`make bench` measures what stands here. A benchmark writes its figures into the file of the release
with `--json docs/benchmarks/VERSION.json`, and `python docs/benchmarks_page.py` writes this page.
Tables may be from different machines: compare within a table only.
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
    lines += ["How many times as fast as the fastest of the others, in processor time (the goal)."]
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
    # What has changed since is added by hand, and goes when the work is measured again.
    told = [text for text in (work["note"], _circumstances(work), work.get("since", "")) if text]
    return "\n".join([*lines, "", "\n\n".join(told), ""])


def _circumstances(work: dict[str, Any]) -> str:
    machine = work["machine"]
    caches = ", ".join(f"{size} of {level}" for level, size in machine["caches"].items())
    versions = ", ".join(f"{name} {found}" for name, found in work["versions"].items())
    rounds, threads, cores = work["rounds"], work["threads"], machine["cores"]
    counts = ((rounds, "round"), (threads, "thread"), (cores, "core"))
    medians, of_torch, of_machine = (f"{n} {what}{'s' if n > 1 else ''}" for n, what in counts)
    return (
        f"Measured on {_day(work['measured'])} with `{work['command']}`: medians of {medians}, "
        f"{of_torch}, {of_machine}, {machine['processor']} with {machine['instructions']}, "
        f"{caches or 'unknown caches'}, {machine['system']}; {versions}."
    )


def _day(iso: str) -> str:
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%B %Y}"


if __name__ == "__main__":
    (DOCS / "benchmarks.md").write_text(page(read(DOCS / "benchmarks")), "utf-8")
