"""What GradientMonitor costs a training: steps of ResNet-18 with it and without, turn by turn.

    python tests/benchmarks/bench_monitor.py [--rounds N] [--batch N] [--side PIXELS] [--cpu]

Each turn makes ten steps of SGD with momentum on random images, so that a monitor that records
every ten steps records one of them. The goals: every ten steps at most 1.05 times the time without
a monitor, every step at most 1.6 times. Exits with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from torchvision.models import resnet18
from turns import Clock, in_turns, table

from cnnviz import GradientMonitor

STEPS = 10
GOALS = {"every 10 steps": 1.05, "every step": 1.6}


def training(batch: int, side: int) -> tuple[torch.nn.Module, torch.optim.Optimizer, Callable]:
    """Return a network, its optimizer, and a function that makes one step and returns the loss."""
    torch.manual_seed(0)
    network = resnet18(weights=None, num_classes=100)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    images, labels = torch.randn(batch, 3, side, side), torch.arange(batch) % 100

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return network, optimizer, step


def way(batch: int, side: int, every: int | None, path: Path, scope: ExitStack) -> Callable:
    """Return a function that makes ten steps, watched every so many."""
    network, optimizer, step = training(batch, side)
    monitor = None
    if every is not None:
        monitor = scope.enter_context(
            GradientMonitor(network, optimizer, every, path=path / f"{every}.jsonl")
        )

    def ten() -> None:
        for _ in range(STEPS):
            loss = step()
            if monitor is not None:
                monitor.log(loss=loss)

    return ten


def main() -> int:
    """Measure, print, and return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description="What GradientMonitor costs a training.")
    parser.add_argument("--rounds", type=int, default=5, help="turns that count for each way")
    parser.add_argument("--batch", type=int, default=8, help="images a step")
    parser.add_argument("--side", type=int, default=224, help="pixels of their side")
    parser.add_argument("--cpu", action="store_true", help="count processor time")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a page of Markdown")
    chosen = parser.parse_args()
    with ExitStack() as scope:
        folder = Path(scope.enter_context(tempfile.TemporaryDirectory()))
        ways = {
            name: way(chosen.batch, chosen.side, every, folder, scope)
            for name, every in (("no monitor", None), ("every 10 steps", 10), ("every step", 1))
        }
        found = in_turns(ways, max(1, chosen.rounds))
    clock: Clock = "cpu" if chosen.cpu else "wall"
    text = (
        table(f"Ten steps of ResNet-18, {chosen.batch} images of {chosen.side} px", found, [clock])
        + f"\n{max(1, chosen.rounds)} rounds of {'processor' if chosen.cpu else 'wall'} time; "
        f"{torch.get_num_threads()} threads, {os.cpu_count()} "
        f"cores, {platform.machine()}, Python {platform.python_version()}, torch "
        f"{torch.__version__}.\n"
    )
    print(text)
    if chosen.write:
        chosen.write.write_text(f"# GradientMonitor\n\n{text}", "utf-8")
    none = found["no monitor"]
    late = [name for name, most in GOALS.items() if found[name].of(none, clock) > most]
    for name in late:
        print(f"over its goal of {GOALS[name]}: {name}", file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
