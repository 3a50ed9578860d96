"""Occlusion beside captum's: one process, turn by turn, random weights, the same values.

    python tests/benchmarks/bench_occlusion.py [--rounds N] [--only NETWORK ...] [--cpu]
                                               [--write FILE.md]

A window of 32 px in steps of 16 over 224 x 224 px is 169 squares. captum tries several
`perturbations_per_eval` on 49 squares, and ours is compared with the fastest of them. With --cpu
the time of the processor is counted, and one thread used: on a machine that does other work at the
same time, that is the ratio that means something.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import nn

import cnnviz
from cnnviz.views.occlusion import occlusion

WINDOW, STRIDE, TARGET = 32, 16, 7
AT_ONCE = (1, 4, 16, 64)
GOALS = {"vgg16": 5.0, "resnet18": 2.2, "squeezenet1_0": 2.0, "resnet50": 1.8}


def ours(model: cnnviz.Model, image: torch.Tensor) -> np.ndarray:
    """Return our map of one image."""
    return occlusion(model, image, WINDOW, STRIDE, target=TARGET).maps[0][0]


def captums(
    module: nn.Module, image: torch.Tensor, at_once: int, stride: int = STRIDE
) -> np.ndarray:
    """Return captum's map of one image."""
    from captum.attr import Occlusion

    with torch.no_grad():
        found = Occlusion(module).attribute(
            image,
            sliding_window_shapes=(3, WINDOW, WINDOW),
            strides=(3, stride, stride),
            baselines=image.mean((2, 3), keepdim=True).expand_as(image),
            target=TARGET,
            perturbations_per_eval=at_once,
        )
    return found[0, 0].numpy()


def timed(
    clock: Callable[[], float], run: Callable[..., np.ndarray], *given: object
) -> tuple[float, np.ndarray]:
    """Return the seconds that a call takes, and what it returns."""
    begin = clock()
    found = run(*given)
    return clock() - begin, found


def measure(name: str, rounds: int, clock: Callable[[], float]) -> str:
    """Return a row of the table: medians, the median of the ratios within a round, the error."""
    model = cnnviz.load(name, "random", device="cpu")
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    captums(model.module, image, 1, WINDOW)
    trials = {each: timed(clock, captums, model.module, image, each, WINDOW)[0] for each in AT_ONCE}
    best = min(trials, key=trials.__getitem__)
    ours(model, image)
    mine, theirs, error = [], [], 0.0
    for _ in range(rounds):
        seconds, found = timed(clock, ours, model, image)
        peer, wanted = timed(clock, captums, model.module, image, best)
        mine.append(seconds)
        theirs.append(peer)
        error = max(error, float(np.abs(found - wanted).max()))
    ratios = [peer / own for own, peer in zip(mine, theirs, strict=True)]
    return (
        f"| {name} | {statistics.median(mine):.2f} s | {statistics.median(theirs):.2f} s ({best}) "
        f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
        f"| {GOALS[name]:g} | {error:.1g} of {np.abs(wanted).max():.2g} |"
    )


def main() -> None:
    """Measure, and print as Markdown."""
    parser = argparse.ArgumentParser(description="Occlusion beside captum's.")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count")
    parser.add_argument("--only", nargs="+", choices=list(GOALS), default=list(GOALS))
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a page of Markdown")
    parser.add_argument("--cpu", action="store_true", help="count processor time, on one thread")
    chosen = parser.parse_args()
    clock = time.process_time if chosen.cpu else time.perf_counter
    if chosen.cpu:
        torch.set_num_threads(1)
    lines = [
        "| network | cnnviz | captum (perturbations at once) | times faster | goal | difference |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in chosen.only:
        lines.append(measure(name, max(1, chosen.rounds), clock))
        print(lines[-1], flush=True)
    packages = ", ".join(f"{each} {version(each)}" for each in ("torch", "captum"))
    text = "\n".join(lines) + (
        f"\n\nMedians of {max(1, chosen.rounds)} rounds, seconds of "
        f"{'processor' if chosen.cpu else 'wall'} time; {torch.get_num_threads()} threads, "
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"{packages}. The difference is the largest in a map, beside its largest value.\n"
    )
    print(f"\n{text}")
    if chosen.write:
        chosen.write.write_text(f"# Occlusion\n\n{text}", "utf-8")


if __name__ == "__main__":
    main()
