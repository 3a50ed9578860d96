"""Time several ways of doing the same, turn by turn in one process, as ratios to the first."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

Way = Callable[[], object]


def in_turns(
    ways: Mapping[str, Way], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, tuple[float, float]]:
    """Return the median seconds of each way, and the median ratio to the first, round by round.

    Every way runs once before the rounds that count. A ratio within a round holds when the speed of
    the machine drifts.
    """
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = clock()
            way()
            seconds[name].append(clock() - begin)
    first = next(iter(seconds.values()))
    return {
        name: (
            statistics.median(taken),
            statistics.median(own / floor for own, floor in zip(taken, first, strict=True)),
        )
        for name, taken in seconds.items()
    }


def table(title: str, found: Mapping[str, tuple[float, float]]) -> str:
    """Return the figures as a Markdown table, with the first way as the measure of the others."""
    first = next(iter(found))
    lines = [f"### {title}", "", f"| | median, s | of {first} |", "|---|---:|---:|"]
    lines += [f"| {name} | {taken:.3f} | {ratio:.2f} |" for name, (taken, ratio) in found.items()]
    return "\n".join([*lines, ""])
