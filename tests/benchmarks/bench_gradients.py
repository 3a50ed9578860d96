"""Verdicts on gradients beside what the literature says of each network, as a confusion table.

    python tests/benchmarks/bench_gradients.py [--seeds 3,4] [--quick] [--zoo] [--write FILE.md]

Rules and thresholds were settled on seeds 0 to 2; the default seeds, 3 to 5, were looked at once
they stood. Every network is probed as it is, and again with a batch of 4, with its loss multiplied
by 1e-6 and by 65,536, with logits so large that it is sure, and with its weights rescaled without
changing the function.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import cnnviz  # noqa: E402
from cnnviz.views.gradient_flow import GradientFlow, gradient_flow  # noqa: E402
from tests.helpers import gradient_families as families  # noqa: E402

LABELS = (
    "non-finite",
    "blocked",
    "vanished",
    "vanishing",
    "watch",
    "healthy",
    "exploding",
    "exploded",
)
TUNED_ON, HELD_OUT = (0, 1, 2), (3, 4, 5)


@dataclass(frozen=True)
class Reading:
    """One network under one condition, and what was said of it."""

    case: families.Case
    condition: str
    found: GradientFlow

    @property
    def right(self) -> bool:
        """Whether that is what the literature says."""
        verdict = self.found.verdict
        return families.is_right(self.case.expected, verdict.label, verdict.findings)


def scaled_loss(factor: float, count: int) -> Callable[[Any], torch.Tensor]:
    """Return a cross-entropy of arbitrary labels times a factor."""
    labels = torch.arange(count) % 10

    def objective(output: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, labels[: len(output)]) * factor

    return objective


def conditions(case: families.Case) -> Iterator[tuple[str, nn.Module, torch.Tensor, Any]]:
    """Yield every condition that a network is probed under."""
    module, images = case.build(), case.images()
    yield "as it is", module, images, "auto"
    yield "batch of 4", module, images[:4], "auto"
    # Where the head begins at zero, no loss sends anything back before the first step.
    head = families.layers(module)[-1].weight
    if bool(head.any()):
        yield "loss x 1e-6", module, images, scaled_loss(1e-6, len(images))
        yield "loss x 65,536", module, images, scaled_loss(65_536.0, len(images))
        sure = case.build()
        families.sharpened(sure)
        yield "sure of its answers", sure, images, "auto"
    moved = case.build()
    if families.rescaled(moved, torch.Generator().manual_seed(case.seed)):
        yield "weights rescaled", moved, images, "auto"


def readings(cases: list[families.Case], tell: Callable[[str], None]) -> list[Reading]:
    """Probe every network under every condition."""
    found = []
    for place, case in enumerate(cases, 1):
        for condition, module, images, objective in conditions(case):
            flow = gradient_flow(module, images, objective=objective, remedies=False)
            found.append(Reading(case, condition, flow))
        tell(f"{place} of {len(cases)}: {case}")
    return found


def report(found: list[Reading]) -> str:
    """Return the tables."""
    return "\n".join(
        [*_confusion(found), "", *_families(found), "", *_by_condition(found), "", *_misses(found)]
    )


def _confusion(found: list[Reading]) -> list[str]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        counts[one.case.expected][one.found.verdict.label] += 1
    lines = [f"| expected | {' | '.join(LABELS)} | right |", "|---|" + "---|" * (len(LABELS) + 1)]
    for expected, row in counts.items():
        mine = [one for one in found if one.case.expected == expected]
        cells = " | ".join(str(row[label] or "") for label in LABELS)
        lines.append(f"| {expected} | {cells} | {sum(m.right for m in mine)} of {len(mine)} |")
    return lines


def _families(found: list[Reading]) -> list[str]:
    lines = ["| network | expected | D, least to greatest | right |", "|---|---|---|---|"]
    groups: dict[str, list[Reading]] = defaultdict(list)
    for one in found:
        groups[one.case.family].append(one)
    for family, mine in groups.items():
        values = sorted(one.found.decades for one in mine)
        span = f"{values[0]:+.1f} to {values[-1]:+.1f}"
        right = f"{sum(one.right for one in mine)} of {len(mine)}"
        lines.append(f"| {family} | {mine[0].case.expected} | {span} | {right} |")
    return lines


def _by_condition(found: list[Reading]) -> list[str]:
    lines = [
        "| condition | networks | right | healthy read as watch | false alarms |",
        "|---|---|---|---|---|",
    ]
    groups: dict[str, list[Reading]] = defaultdict(list)
    for one in found:
        groups[one.condition].append(one)
    for condition, mine in groups.items():
        right = sum(one.right for one in mine)
        well = [one for one in mine if one.case.expected == families.HEALTHY]
        watched = sum(one.found.verdict.label == "watch" for one in well)
        alarms = sum(not one.right for one in well)
        lines.append(
            f"| {condition} | {len(mine)} | {right} ({right / len(mine):.1%}) | {watched} of "
            f"{len(well)} | {alarms} of {len(well)} |"
        )
    return lines


def _misses(found: list[Reading]) -> list[str]:
    lines = [
        f"- {one.case}, width {one.case.width}, {one.case.side} px, batch {one.case.batch}, "
        f"{one.condition}: expected {one.case.expected}, read as {one.found.verdict.label} "
        f"(D = {one.found.decades:+.2f}{', ' if one.found.verdict.findings else ''}"
        f"{', '.join(one.found.verdict.findings)})"
        for one in found
        if not one.right
    ]
    return ["Misses:", "", *lines] if lines else ["No misses."]


def zoo() -> str:
    """Read the architectures that the tests know, freshly initialised, on noise."""
    from tests.helpers.architectures import ARCHITECTURES

    lines = ["| network, freshly initialised | D | verdict |", "|---|---|---|"]
    for name, side in ARCHITECTURES.items():
        model = cnnviz.load(name, "random", device="cpu")
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(8, model.channels, side, side, generator=generator)
        found = gradient_flow(model, images, remedies=False)
        findings = f" ({', '.join(found.verdict.findings)})" if found.verdict.findings else ""
        lines.append(
            f"| {name}, {side} px | {found.decades:+.1f} | {found.verdict.label}{findings} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print or write the tables."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reader.add_argument("--seeds", default=",".join(map(str, HELD_OUT)))
    reader.add_argument("--quick", action="store_true")
    reader.add_argument("--zoo", action="store_true")
    reader.add_argument("--write", type=Path)
    given = reader.parse_args()
    seeds = tuple(int(seed) for seed in given.seeds.split(","))
    start = time.perf_counter()
    if given.zoo:
        text = zoo()
    else:
        cases = list(families.cases(seeds, quick=given.quick))
        found = readings(cases, lambda line: print(line, file=sys.stderr, flush=True))
        right = sum(one.right for one in found)
        text = (
            f"{len(cases)} networks, {len(found)} readings, {right} right "
            f"({right / len(found):.1%}), seeds {given.seeds}.\n\n{report(found)}"
        )
    print(text)
    print(f"\n{time.perf_counter() - start:.0f} s", file=sys.stderr)
    if given.write:
        given.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
