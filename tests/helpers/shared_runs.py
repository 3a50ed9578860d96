"""Runs that processes share, forked, killed, failing and stopped; a program of its own.

One process imports torch, and every process that a test needs is a fork of it. Its last line is
what was found, as JSON.

    python -m tests.helpers.shared_runs FOLDER
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from cnnviz.errors import OtherProcessError, OutputError
from cnnviz.evaluation import error_analysis, evaluate, evaluate_classifier
from cnnviz.heatmaps.checks.measure_groups import CheckSettings
from cnnviz.models import Model
from cnnviz.passes import batch_size, process_link, shard_pace, shared_scan
from cnnviz.results import resume_store
from cnnviz.units.visualization import job_plan
from cnnviz.views.feature_visualization import feature_visualization
from cnnviz.views.top_activations import top_activations
from cnnviz_cli.app import main
from tests.helpers.architectures import tiny_network
from tests.helpers.forks import ended, forked, statuses, together
from tests.helpers.gallery.generated import Generated
from tests.helpers.gallery.tiny import tiny_model

NAMES = ("one", "two", "three", "four")


def labelled() -> tuple[Model, Generated]:
    return Model(tiny_network(), categories=NAMES), Generated(50, broken=[3, *range(24, 33)])


def evaluated(state: Path | None, **how: Any) -> Any:
    settings = CheckSettings(steps=2, stages=1)
    given: dict[str, Any] = {"count": 3, "random": 1, "settings": settings}
    given["methods"] = ("gradcam",)
    return evaluate(tiny_model(), "shapes", state=state, shard=1, **given, **how)


def mistakes(state: Path | None, **how: Any) -> Any:
    return error_analysis(*labelled(), state=state, shard=8, explain=2, **how)


def classified(state: Path | None, **how: Any) -> Any:
    return evaluate_classifier(*labelled(), state=state, shard=8, explain=0, **how)


def strongest(state: Path | None, **how: Any) -> Any:
    return top_activations(*labelled(), "3", k=3, top=2, state=state, shard=8, **how)


def visualized(state: Path | None, **how: Any) -> Any:
    given = {"size": 32, **how}
    return feature_visualization(tiny_model(), "first:0-3;mixed:0-3", 3, state=state, **given)


RUNS: dict[str, Callable[..., Any]] = {
    "evaluate": evaluated,
    "errors": mistakes,
    "evaluate-classifier": classified,
    "top-activations": strongest,
    "visualize": visualized,
}
TOGETHER = {
    "evaluate": 2,
    "errors": 2,
    "evaluate-classifier": 2,
    "top-activations": 3,
    "visualize": 2,
}
"""How many processes share each; those of the other number are killed first, or run a command."""
KILLED = ("evaluate", "top-activations", "visualize")
"""Those that keep what they find in different ways: maps, shards, batches of pictures."""


def save(found: Any, folder: Path) -> None:
    folder.mkdir(parents=True)
    found.save(folder / "found.json")
    found.save(folder / "found.npz")


def same(folder: Path, run: Callable[..., Any], count: int) -> None:
    """Run with so many processes, and then with one; each saves what it has found."""
    state = folder / "state"
    ended(*together(count, lambda rank: save(run(state), folder / f"{count}-{rank}")))
    ended(forked(lambda: save(run(state), folder / "1-0")))


def kill(folder: Path, run: Callable[..., Any], seconds: float) -> int:
    """Kill two processes at any time, and let two end it; return how many were killed."""
    children = together(2, lambda rank: run(folder / "killed"))
    time.sleep(random.Random(os.getpid()).uniform(0.1, 0.7) * seconds)
    for child in children:
        os.kill(child, signal.SIGKILL)
    killed = statuses(children).count(-signal.SIGKILL)
    ended(*together(2, lambda rank: save(run(folder / "killed"), folder / f"killed-{rank}")))
    return killed


def fail(folder: Path, run: Callable[..., Any]) -> list[str]:
    """Let the second of three processes find its disk full; each says what it meets."""
    write = vars(resume_store)["write_atomically"]

    def work(rank: int) -> None:
        def full(path: Path, fill: Any) -> Path:
            if rank == 1 and path.parent.parent == folder / "failed" and path.stem != "settings":
                raise OutputError("The disk is full.", "Make room.")
            found: Path = write(path, fill)
            return found

        vars(resume_store)["write_atomically"] = full
        try:
            run(folder / "failed")
        except (OtherProcessError, OutputError) as error:
            (folder / str(rank)).write_text(f"{type(error).__name__}: {error}")

    ended(*together(3, work))
    ended(forked(lambda: save(run(folder / "failed"), folder / "after")))
    return [(folder / str(rank)).read_text() for rank in range(3)]


def command(
    folder: Path, count: int, *words: str, before: Callable[[int], object] = lambda rank: None
) -> list[int]:
    """Start a command in so many processes, whose words go to files, and return their ids."""
    folder.mkdir()

    def work(rank: int) -> None:
        os.chdir(folder)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{rank}-{name}", os.O_WRONLY | os.O_CREAT), number)
        before(rank)
        main(list(words))

    return together(count, work)


def told(folder: Path, children: list[int]) -> list[Any]:
    """Return what each process ended with, and what it said."""
    return [
        [code, (folder / f"{rank}-out").read_text(), (folder / f"{rank}-err").read_text()]
        for rank, code in enumerate(statuses(children))
    ]


def warm(*words: str) -> None:
    """Run a command here, so that what it imports at first use is there for every fork."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()), suppress(SystemExit):
        main(words)


def commands(folder: Path) -> dict[str, Any]:
    """Run commands that end in all the ways in which commands end."""
    folder.mkdir()
    write = vars(resume_store)["write_atomically"]
    errors = ("errors", "--data=shapes", "--count=12", "--weights=random", "--shard=3", "--json")
    kept, found = f"--state={folder / 'kept'}", dict[str, Any]()
    warm(*errors)

    def full(rank: int) -> None:
        def fails(path: Path, fill: Any) -> Path:
            if rank == 1 and path.suffix == ".npz":
                raise OutputError("The disk is full.", "Make room.")
            made: Path = write(path, fill)
            return made

        vars(resume_store)["write_atomically"] = fails

    def slow(rank: int) -> None:
        def waits(path: Path, fill: Any) -> Path:
            made: Path = write(path, fill)
            if path.suffix == ".npz":
                (folder / f"writing {rank}").touch()
                time.sleep(60)
            return made

        vars(resume_store)["write_atomically"] = waits

    ways: dict[str, tuple[int, tuple[str, ...], Callable[[int], object]]] = {
        "alone": (1, errors, lambda rank: None),
        "full": (3, (*errors, f"--state={folder / 'full-kept'}"), full),
        "stopped": (3, (*errors, kept), slow),
        "after": (2, (*errors, kept), lambda rank: None),
        "unknown": (2, (*errors, kept, "--class=nobody"), lambda rank: None),
        "no option": (2, ("errors", "--no-such-thing"), lambda rank: None),
        "no folder": (2, errors, lambda rank: None),
        "failed on": (
            2,
            ("evaluate-classifier", *errors[1:], kept, "--fail-on=error-rate>0"),
            lambda rank: None,
        ),
    }
    for name, (count, words, before) in ways.items():
        children = command(folder / name, count, *words, before=before)
        if name == "stopped":
            # Each has counted a part; Ctrl-C reaches all of them, and twice as under torchrun.
            until = time.monotonic() + 60
            while len(list(folder.glob("writing *"))) < count and time.monotonic() < until:
                time.sleep(0.05)
            for _ in range(2):
                for child in children:
                    os.kill(child, signal.SIGINT)
        found[name] = told(folder / name, children)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    # Small batches, so that there are several in a shard and several shards; all written at once.
    batch_size._MOST = job_plan._MOST = 3
    shared_scan.EVERY, shard_pace._SHARE = 0.0, 0
    # Nobody here is far away, and all are done in a blink: one that waits looks often.
    process_link._LONGEST_PAUSE = 0.05
    where = Path(sys.argv[1])
    found: dict[str, Any] = {"killed": 0, "failed": {}}
    for name, run in RUNS.items():
        folder = where / name
        # What is imported at first use is there for every fork.
        save(run(None), folder / "alone")
        began = time.perf_counter()
        same(folder, run, TOGETHER[name])
        if name in KILLED:
            found["killed"] += kill(folder, run, (time.perf_counter() - began) / 2)
        if name in KILLED[:2]:
            found["failed"][name] = fail(folder, run)
    found["commands"] = commands(where / "commands")
    sys.stdout.write(json.dumps(found) + "\n")
