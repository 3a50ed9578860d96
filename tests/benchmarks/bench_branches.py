"""What gradient_flow says of branches and towers at the start, and whether they then learn.

    python tests/benchmarks/bench_branches.py [--seeds 3,4] [--write FILE.md]

`tests/helpers/branched_networks.py` has the networks, and says of each how its branch has to fare.
Each is trained for 300 steps with SGD and with Adam. A branch has learned where the weights of its
first layer have moved by a hundredth of their norm or more. Networks and how they fare were settled
on seed 0. Exits with 1 where a verdict is wrong: "branch" must be found where a branch never
learns and must not be where it learns with both, and where it hardly learns with SGD the verdict
must not be healthy.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from cnnviz.gradients.verdicts import GradientVerdict  # noqa: E402
from cnnviz.views.gradient_flow import gradient_flow  # noqa: E402
from tests.helpers.branched_networks import (  # noqa: E402
    LEARNS,
    NEVER,
    WITH_ADAM,
    Branched,
    branched,
    gratings,
)

HELD_OUT = (3,)
STEPS, BATCH = 300, 16
LEARNED = 0.01


@dataclass(frozen=True)
class Fate:
    """What became of a branch.

    Attributes
    ----------
    correct : float
        The share of new images that the network tells after training.
    moved : float
        How far the weights of the branch's first layer have moved, as a share of their norm.
    """

    correct: float
    moved: float

    @property
    def learned(self) -> bool:
        """Whether the branch has learned."""
        return self.moved >= LEARNED


def told(network: nn.Module) -> float:
    """Return the share of new images that are told."""
    images, labels = gratings(512, torch.Generator().manual_seed(99))
    with torch.no_grad():
        return float((network.eval()(images).argmax(1) == labels).float().mean())


def trained(case: Branched, seed: int, adam: bool) -> Fate:
    """Train a network, and measure how far its branch has moved."""
    torch.manual_seed(seed)
    network = case.build().train()
    first = next(one for name, one in network.named_parameters() if name.startswith("branch"))
    begun = first.detach().clone()
    parameters = list(network.parameters())
    optimizer: torch.optim.Optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9)
    if adam:
        optimizer = torch.optim.Adam(parameters, lr=0.002)
    generator = torch.Generator().manual_seed(1000 + seed)
    for _ in range(STEPS):
        images, labels = gratings(BATCH, generator)
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
    return Fate(told(network), float((first.detach() - begun).norm() / begun.norm()))


def is_right(fares: str, verdict: GradientVerdict) -> bool:
    """Whether what is said at the start is how a branch fares."""
    found = "branch" in verdict.findings
    if fares == WITH_ADAM:
        return verdict.label != "healthy"
    return found if fares == NEVER else not (found and fares == LEARNS)


def row(case: Branched, seeds: tuple[int, ...]) -> tuple[str, bool]:
    """Return the row of a network, and whether all was said rightly of it."""
    said: list[GradientVerdict] = []
    right = True
    fates: dict[bool, list[Fate]] = defaultdict(list)
    for seed in seeds:
        torch.manual_seed(seed)
        images, _ = gratings(32, torch.Generator().manual_seed(seed))
        verdict = gradient_flow(case.build(), images, remedies=False).verdict
        said.append(verdict)
        right = right and is_right(case.fares, verdict)
        for adam in (False, True):
            fates[adam].append(trained(case, seed, adam))
    labels = ", ".join(sorted({", ".join((one.label, *one.findings)) for one in said}))
    found = [f"{one.branch_decades:+.1f}" for one in said if one.branch]
    span = (
        " to ".join(dict.fromkeys((min(found, key=float), max(found, key=float)))) if found else ""
    )
    cells = [
        f"{sum(one.learned for one in mine)} of {len(mine)} | "
        f"{sum(one.correct for one in mine) / len(mine):.0%}"
        for mine in (fates[False], fates[True])
    ]
    return f"| {case.what} | {labels} | {span} | {' | '.join(cells)} |", right


def main() -> int:
    """Measure, print or write the table, and return 1 where a verdict was wrong."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reader.add_argument("--seeds", default=",".join(map(str, HELD_OUT)))
    reader.add_argument("--write", type=Path)
    given = reader.parse_args()
    torch.set_num_threads(1)
    seeds, start = tuple(map(int, given.seeds.split(","))), time.perf_counter()
    lines = [
        "| network | verdict and findings | D in the branch | SGD: learned | told | "
        "Adam: learned | told |",
        "|---|---|---|---|---|---|---|",
    ]
    wrong = []
    for case in branched():
        line, right = row(case, seeds)
        lines.append(line)
        print(line, file=sys.stderr, flush=True)
        wrong += [] if right else [case.what]
    text = "\n".join([*lines, "", *(f"Wrong: {what}." for what in wrong)])
    print(text)
    print(f"\n{time.perf_counter() - start:.0f} s", file=sys.stderr)
    if given.write:
        given.write.write_text(text + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
