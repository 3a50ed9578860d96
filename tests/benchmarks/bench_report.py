"""How long whole commands take here: each as a process of its own, from start to exit.

    python tests/benchmarks/bench_report.py [--repeat N] [--photo FILE] [--write FILE.md]

Each row is the median of N runs after one that warms the disk cache, beside the time that importing
torch and torchvision alone takes on the same machine. Pretrained weights are used where torch's
cache holds them (TORCH_HOME moves it), random ones where not.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

CNNVIZ = (sys.executable, "-m", "cnnviz_cli")
BASELINE = (sys.executable, "-c", "import torch, torchvision")


@dataclass(frozen=True)
class Case:
    """A command, and the seconds that it may take on two cores."""

    name: str
    command: tuple[str, ...]
    limit: float | None = None


def cases(photo: Path) -> list[Case]:
    """Return what is measured."""
    report = (*CNNVIZ, "report", "--out", "report", "--force")
    weights = () if _is_cached("squeezenet1_0") else ("--weights", "random")
    named = "squeezenet1_0" + (", random weights" if weights else "")
    return [
        Case("import torch, torchvision", BASELINE),
        Case("import cnnviz", (sys.executable, "-c", "import cnnviz")),
        Case("cnnviz --help", (*CNNVIZ, "--help"), 0.5),
        Case("cnnviz report, as shipped", report),
        Case(
            f"cnnviz report, {named}",
            (*report, str(photo), "--model", "squeezenet1_0", *weights),
            10.0,
        ),
        Case(
            "cnnviz report, resnet50, random weights",
            (*report, str(photo), "--model", "resnet50", "--weights", "random"),
            20.0,
        ),
        Case(
            "cnnviz cam, resnet50, random weights",
            (*CNNVIZ, "cam", str(photo), "--model", "resnet50", "--weights", "random"),
        ),
    ]


def _is_cached(name: str) -> bool:
    home = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch"))
    return any((home / "hub" / "checkpoints").glob(f"{name}-*.pth"))


def measure(case: Case, repeat: int) -> list[float]:
    """Return the seconds that each of `repeat` runs took, after one that does not count.

    Raises
    ------
    RuntimeError
        If the command fails, with what it said.
    """
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeat + 1):
            start = time.perf_counter()
            done = subprocess.run(
                case.command, cwd=folder, capture_output=True, text=True, check=False
            )
            seconds.append(time.perf_counter() - start)
            if done.returncode:
                raise RuntimeError(f"{case.name} failed:\n{done.stderr}")
    return seconds[1:]


def table(rows: Sequence[tuple[Case, list[float]]]) -> str:
    """Return the measurements as a table in Markdown."""
    baseline = statistics.median(rows[0][1])
    lines = [
        "| command | median | fastest to slowest | beside `import torch, torchvision` | limit |",
        "|---|---:|---:|---:|---:|",
    ]
    for case, seconds in rows:
        middle = statistics.median(seconds)
        limit = f"{case.limit:g} s" if case.limit else ""
        lines.append(
            f"| {case.name} | {middle:.2f} s | {min(seconds):.2f} to {max(seconds):.2f} s "
            f"| {middle / baseline:.2f} x | {limit} |"
        )
    return "\n".join(lines)


def circumstances(repeat: int) -> str:
    """Say on what the measurements were made."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"Seconds of wall time for whole processes, {repeat} runs each after one that does not "
        f"count; {cores} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}."
    )


def main() -> int:
    """Measure, print, and return 1 if a limit was passed."""
    parser = argparse.ArgumentParser(description="How long whole commands take here.")
    parser.add_argument("--repeat", type=int, default=3, help="runs that count for each command")
    parser.add_argument("--photo", type=Path, help="the photo; matplotlib's sample without it")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a page of Markdown")
    chosen = parser.parse_args()
    photo = chosen.photo
    if photo is None:
        from matplotlib import cbook

        photo = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    rows = []
    for case in cases(photo.resolve()):
        print(f"{case.name} ...", file=sys.stderr, flush=True)
        rows.append((case, measure(case, max(1, chosen.repeat))))
    text = f"{table(rows)}\n\n{circumstances(max(1, chosen.repeat))}\n"
    print(text)
    if chosen.write:
        head = "# Speed\n\nMeasured by `make bench`, which prints this table for any machine.\n\n"
        chosen.write.write_text(head + text, "utf-8")
    late = [case.name for case, seconds in rows if case.limit and min(seconds) > case.limit]
    for name in late:
        print(f"over its limit: {name}", file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
