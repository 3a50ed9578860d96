"""Occlusion beside captum's: one process, turn by turn, random weights, the same values.

    python tests/benchmarks/bench_occlusion.py [--rounds N] [--only NETWORK ...] [--json FILE]

A window of 32 px in steps of 16 over 224 x 224 px is 169 squares. captum tries several
`perturbations_per_eval` on 49 squares, and ours is compared with the fastest of them. One forward
pass of the fast copy is what whole images would take for each square at least. On one thread.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings

import numpy as np
import torch
from kept_results import Goal, add_json_option, keep
from torch import nn
from turns import Way, in_turns, table

import cnnviz
from cnnviz.passes.fast_model import expect_many, fast_model
from cnnviz.views.occlusion import occlusion

WINDOW, STRIDE, TARGET = 32, 16, 7
AT_ONCE = (1, 4, 16, 64)
GOALS = {"vgg16": 8.0, "resnet18": 3.3, "squeezenet1_0": 5.5, "resnet50": 3.5}


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


def fastest(module: nn.Module, image: torch.Tensor) -> int:
    """Return how many perturbations at once captum is fastest with."""
    seconds = {}
    captums(module, image, 1, WINDOW)
    for at_once in AT_ONCE:
        begin = time.process_time()
        captums(module, image, at_once, WINDOW)
        seconds[at_once] = time.process_time() - begin
    return min(seconds, key=seconds.__getitem__)


def a_pass(model: cnnviz.Model, image: torch.Tensor) -> Way:
    """Return a forward pass of one image on the fast copy."""
    expect_many(model, image)
    fast = fast_model(model, image, rows=1)

    def run() -> None:
        with torch.no_grad():
            fast.forward(image)

    return run


def main() -> None:
    """Measure, and print as Markdown."""
    os.environ.setdefault("CNNVIZ_FAST", "1")
    parser = argparse.ArgumentParser(description="Occlusion beside captum's.")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count")
    parser.add_argument("--only", nargs="+", choices=list(GOALS), default=list(GOALS))
    add_json_option(parser)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for name in chosen.only:
        model = cnnviz.load(name, "random", device="cpu")
        exact = cnnviz.load(model.module, exact=True)
        image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        best = fastest(model.module, image)
        ways: dict[str, Way] = {
            "forward pass of the fast copy": a_pass(model, image),
            "cnnviz": lambda model=model, image=image: ours(model, image),
            "cnnviz, exact": lambda exact=exact, image=image: ours(exact, image),
            "captum": lambda model=model, image=image, best=best: captums(
                model.module, image, best
            ),
        }
        wanted = captums(model.module, image, best)
        off = float(np.abs(ours(model, image) - wanted).max())
        work = f"Occlusion of {name}, 169 squares of 32 px"
        found = in_turns(ways, max(1, chosen.rounds))
        note = (
            f"captum hides {best} square{'s' * (best > 1)} at once, which is fastest here. "
            f"The maps differ by {off:.1g} at most; "
            f"the largest value is {np.abs(wanted).max():.2g}."
        )
        print(f"{table(work, found)}\n{note}\n", flush=True)
        keep(chosen.json, work, found, [Goal("cnnviz", ("captum",), GOALS[name])], note=note)


if __name__ == "__main__":
    main()
