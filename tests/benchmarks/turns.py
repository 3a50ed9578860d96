"""Time several ways of doing the same, turn by turn in one process, as ratios to the first."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Way = Callable[[], object]
Clock = Literal["wall", "cpu"]


@dataclass(frozen=True)
class Timed:
    """The seconds that one way took in each round.

    Attributes
    ----------
    wall, cpu : tuple of float
        By the clock on the wall, and of the processor, of all threads together.
    """

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    def median(self, clock: Clock = "wall") -> float:
        """Return the median seconds."""
        return statistics.median(getattr(self, clock))

    def of(self, other: Timed, clock: Clock = "wall") -> float:
        """Return the median of the ratios to another way, round by round.

        A ratio within a round holds when the speed of the machine drifts.
        """
        pairs = zip(getattr(self, clock), getattr(other, clock), strict=True)
        return statistics.median(own / theirs for own, theirs in pairs)


def in_turns(ways: Mapping[str, Way], rounds: int) -> dict[str, Timed]:
    """Return what each way took. Every way runs once before the rounds that count."""
    for way in ways.values():
        way()
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.perf_counter(), time.process_time()
            way()
            wall[name].append(time.perf_counter() - begin[0])
            cpu[name].append(time.process_time() - begin[1])
    return {name: Timed(tuple(wall[name]), tuple(cpu[name])) for name in ways}


def table(title: str, found: Mapping[str, Timed], clocks: Sequence[Clock] = ("wall", "cpu")) -> str:
    """Return the figures as a Markdown table, with the first way as the measure of the others."""
    first, floor = next(iter(found.items()))
    names = {"wall": "wall time", "cpu": "processor"}
    heads = [f"{names[clock]}, s | of {first}" for clock in clocks]
    lines = [f"### {title}", "", f"| | {' | '.join(heads)} |"]
    lines.append(f"|---|{'---:|' * 2 * len(clocks)}")
    for name, timed in found.items():
        cells = [f"{timed.median(clock):.3f} | {timed.of(floor, clock):.2f}" for clock in clocks]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])
