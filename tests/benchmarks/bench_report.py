"""How long whole commands take here: each as a process of its own, from start to exit.

    python tests/benchmarks/bench_report.py [--repeat N] [--photo FILE] [--write FILE.md] [--json]
    python tests/benchmarks/bench_report.py --passes

Each row is the median of N runs after one that warms the disk cache, turn by turn, beside the time
that importing torch and torchvision alone takes on the same machine: by the clock on the wall, and
of the processor with that of every process a command starts. Pretrained weights are used where
torch's cache holds them (TORCH_HOME moves it), random ones where not.

With `--passes` the passes of `report --thorough` are counted instead, section by section.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from kept_results import Goal, add_json_option, keep
from turns import Timed

CNNVIZ = (sys.executable, "-m", "cnnviz_cli")
BASELINE = (sys.executable, "-c", "import torch, torchvision")


@dataclass(frozen=True)
class Case:
    """A command, the seconds that it may take on two cores, and the share of the import."""

    name: str
    command: tuple[str, ...]
    limit: float | None = None
    share: float | None = None


def cases(photo: Path) -> list[Case]:
    """Return what is measured."""
    report = (*CNNVIZ, "report", "--out", "report", "--force")
    weights = () if _is_cached("squeezenet1_0") else ("--weights", "random")
    named = "squeezenet1_0" + (", random weights" if weights else "")
    return [
        Case("import torch, torchvision", BASELINE),
        Case("import cnnviz", (sys.executable, "-c", "import cnnviz")),
        Case("cnnviz --help", (*CNNVIZ, "--help"), 0.5),
        Case("cnnviz cam --help", (*CNNVIZ, "cam", "--help"), 0.5),
        Case("cnnviz report, as shipped", report, share=1.4),
        Case(
            f"cnnviz report, {named}",
            (*report, str(photo), "--model", "squeezenet1_0", *weights),
            10.0,
        ),
        Case(
            "cnnviz report, resnet50, random weights",
            (*report, str(photo), "--model", "resnet50", "--weights", "random"),
            20.0,
            share=1.6,
        ),
        Case(
            "cnnviz cam, resnet50, random weights",
            (*CNNVIZ, "cam", str(photo), "--model", "resnet50", "--weights", "random"),
        ),
    ]


def _is_cached(name: str) -> bool:
    home = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch"))
    return any((home / "hub" / "checkpoints").glob(f"{name}-*.pth"))


def measure(chosen: Sequence[Case], repeat: int) -> dict[str, Timed]:
    """Return what each command took in `repeat` rounds, after one that does not count.

    Raises
    ------
    RuntimeError
        If a command fails, with what it said.
    """
    found: dict[str, list[tuple[float, float]]] = {case.name: [] for case in chosen}
    for turn in range(repeat + 1):
        print(f"round {turn} of {repeat} ...", file=sys.stderr, flush=True)
        for case in chosen:
            found[case.name].append(_seconds(case))
    return {name: Timed(*zip(*taken[1:], strict=True)) for name, taken in found.items()}


def _seconds(case: Case) -> tuple[float, float]:
    """Return the seconds that one run of a command took: on the wall, and of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        start, before = time.perf_counter(), _of_children()
        done = subprocess.run(case.command, cwd=folder, capture_output=True, text=True, check=False)
        taken = time.perf_counter() - start, _of_children() - before
    if done.returncode:
        raise RuntimeError(f"{case.name} failed:\n{done.stderr}")
    return taken


def _of_children() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def table(chosen: Sequence[Case], found: dict[str, Timed]) -> str:
    """Return the measurements as a table in Markdown."""
    base = found[chosen[0].name]
    lines = [
        "| command | median | fastest to slowest | beside `import torch, torchvision` | processor "
        "| beside it | to reach |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for case in chosen:
        own = found[case.name]
        goals = [
            f"{goal:g} {unit}" for goal, unit in ((case.limit, "s"), (case.share, "x")) if goal
        ]
        lines.append(
            f"| {case.name} | {own.median():.2f} s | {min(own.wall):.2f} to {max(own.wall):.2f} s "
            f"| {own.of(base):.2f} x | {own.median('cpu'):.2f} s | {own.of(base, 'cpu'):.2f} x "
            f"| {', '.join(goals)} |"
        )
    return "\n".join(lines)


def passes(photo: Path) -> str:
    """Return the passes of a thorough report for two networks, counted section by section."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import cnnviz
    from cnnviz.reports import report
    from tests.helpers.pass_counter import counted

    weights = "DEFAULT" if _is_cached("squeezenet1_0") else "random"
    networks = {
        "as shipped": (cnnviz.load(), cnnviz.Shapes()[19].image),
        f"squeezenet1_0, {weights}": (cnnviz.load("squeezenet1_0", weights), photo),
    }
    parts = []
    for name, (model, image) in networks.items():
        with counted(model.module) as found:
            report(model, image, thorough=True, progress=found.progress)
        again = {key: count for key, count in found.computed().items() if count > 1}
        parts += [
            f"### cnnviz report --thorough, {name}",
            "",
            found.table(),
            "",
            f"{len(again)} images went more than once through the same weights, "
            f"{sum(again.values())} times in all.",
            "",
        ]
    return "\n".join(parts)


def circumstances(repeat: int) -> str:
    """Say on what the measurements were made."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"Seconds for whole processes, {repeat} runs each after one that does not count, turn by "
        f"turn; {cores} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}."
    )


def main() -> int:
    """Measure, print, and return 1 if a limit was passed."""
    parser = argparse.ArgumentParser(description="How long whole commands take here.")
    parser.add_argument("--repeat", type=int, default=3, help="runs that count for each command")
    parser.add_argument("--photo", type=Path, help="the photo; matplotlib's sample without it")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a page of Markdown")
    parser.add_argument("--passes", action="store_true", help="count the passes of a report")
    add_json_option(parser)
    given = parser.parse_args()
    photo = given.photo
    if photo is None:
        from matplotlib import cbook

        photo = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    if given.passes:
        print(passes(photo.resolve()))
        return 0
    repeat = max(1, given.repeat)
    chosen = cases(photo.resolve())
    found = measure(chosen, repeat)
    text = f"{table(chosen, found)}\n\n{circumstances(repeat)}\n"
    print(text)
    if given.write:
        head = "# Speed\n\nMeasured by `make bench`, which prints this table for any machine.\n\n"
        given.write.write_text(head + text, "utf-8")
    base = chosen[0].name
    goals = [Goal(case.name, (base,), 1 / case.share) for case in chosen if case.share]
    keep(given.json, "Whole commands, from start to exit", found, goals)
    late = [case.name for case in chosen if case.limit and min(found[case.name].wall) > case.limit]
    for name in late:
        print(f"over its limit: {name}", file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
