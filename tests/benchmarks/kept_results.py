"""Keep what a benchmark measured as JSON: one file for each release, in `docs/benchmarks/`.

Every benchmark that takes `--json FILE` puts its own records there and leaves those of others;
`docs/benchmarks_page.py` writes `docs/benchmarks.md` from these files.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from turns import Timed

import cnnviz

_PACKAGES = ("torch", "torchvision", "captum", "grad-cam", "torchcam", "torch-lucent")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True)
class Goal:
    """What is to be reached: at least so many times faster than the fastest of some others.

    A share of a forward pass that is to be reached, such as 0.85, is 1 / 0.85 times faster than it.

    Attributes
    ----------
    way : str
        Which way is to reach it.
    of : tuple of str
        What it is compared with; those that were not measured do not count.
    times : float
        How many times faster than the fastest of these it has to be.
    """

    way: str
    of: tuple[str, ...]
    times: float


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Give a command the option `--json`."""
    default = f"docs/benchmarks/{cnnviz.__version__}.json"
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help=f"put the figures into a file that keeps those of other benchmarks, such as {default}",
    )


def keep(
    path: Path | None,
    work: str,
    found: Mapping[str, Timed],
    goals: Iterable[Goal] = (),
    *,
    peaks: Mapping[str, float] | None = None,
    note: str = "",
) -> None:
    """Put one table of a benchmark into a file, in place of what stands there for the same work.

    Parameters
    ----------
    path : Path or None
        The file, which is made if it is not there; nothing is done without one.
    work : str
        What is done, on which network and input: the same words in every release.
    found : mapping of str to Timed
        What each way took. The first is the measure of the others.
    goals : iterable of Goal
        What is to be reached.
    peaks : mapping of str to float, optional
        The peak memory of some ways, in MiB.
    note : str
        What a reader must know besides, such as how far the values differ.
    """
    if path is None:
        return
    record = _record(work, found, list(goals), peaks or {}, note)
    held = json.loads(path.read_text("utf-8")) if path.is_file() else {"works": []}
    works = [one for one in held["works"] if one["work"] != work]
    place = next((i for i, one in enumerate(held["works"]) if one["work"] == work), len(works))
    works.insert(place, record)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".part")
    text = json.dumps({"version": cnnviz.__version__, "works": works}, indent=1)
    written.write_text(text + "\n", "utf-8")
    written.replace(path)


def _record(
    work: str,
    found: Mapping[str, Timed],
    goals: Sequence[Goal],
    peaks: Mapping[str, float],
    note: str,
) -> dict[str, Any]:
    first, floor = next(iter(found.items()))
    rows = [
        {
            "way": name,
            "wall_s": timed.median("wall"),
            "cpu_s": timed.median("cpu"),
            "wall_of_first": timed.of(floor, "wall"),
            "cpu_of_first": timed.of(floor, "cpu"),
            "peak_mib": peaks.get(name),
            "wall_rounds_s": list(timed.wall),
            "cpu_rounds_s": list(timed.cpu),
        }
        for name, timed in found.items()
    ]
    return {
        "work": work,
        "measured": datetime.now(UTC).date().isoformat(),
        "command": command(sys.argv),
        "first": first,
        "rows": rows,
        "goals": [asdict(goal) | {"reached": _reached(goal, found)} for goal in goals],
        "note": note,
        "rounds": len(floor.wall),
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "versions": versions(),
    }


def command(arguments: Sequence[str]) -> str:
    """Return the command line of a benchmark without the file that it puts its figures into."""
    script, *options = arguments
    said = iter(options)
    # Both forms: `--json FILE` and `--json=FILE`.
    kept = [
        one for one in said if not (one == "--json" and next(said, "")) and "--json=" not in one
    ]
    return shlex.join(["python", f"tests/benchmarks/{Path(script).name}", *kept])


def _reached(goal: Goal, found: Mapping[str, Timed]) -> float | None:
    """Return how many times faster a way is than the fastest of others, in processor time."""
    others = [found[name] for name in goal.of if name in found]
    if goal.way not in found or not others:
        return None
    best = min(others, key=lambda timed: timed.median("cpu"))
    return best.of(found[goal.way], "cpu")


def machine() -> dict[str, Any]:
    """Return what the machine can do, without the names that it and its parts have."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    caches = sorted(_CACHES.glob("index*"))
    sizes = {(each / "level").read_text().strip(): each for each in caches}
    return {
        "processor": platform.machine(),
        "instructions": _instructions(),
        "cores": cores,
        "caches": {f"L{n}": (at / "size").read_text().strip() for n, at in sizes.items()},
        "system": platform.system(),
        "gpu": torch.cuda.is_available(),
    }


def _instructions() -> str:
    """Return which vectors torch computes with, and what multiplies in bfloat16."""
    held = {"AVX512-BF16": "_is_avx512_bf16_supported", "AMX": "_is_amx_tile_supported"}
    bf16 = [name for name, asked in held.items() if getattr(torch.cpu, asked, bool)()]
    return ", ".join([torch.backends.cpu.get_cpu_capability(), *(bf16 or ["no bfloat16"])])


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are compared."""
    found = {"python": platform.python_version(), "cnnviz": cnnviz.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
