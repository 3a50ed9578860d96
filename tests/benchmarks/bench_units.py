"""Projections of units beside captum's: one process, turn by turn, random weights, the same values.

    python tests/benchmarks/bench_units.py [--rounds N] [--channels K] [--layers NAME ...]

Nine channels of a layer of SqueezeNet 1.0 on one image of 224 px, each at its strongest position.
captum projects one neuron at a time, and gets a copy of the network without in-place rectifiers,
which it cannot follow. Ours goes through crops of the image that hold the units where these are at
most half of it; the second row is ours through whole images.
"""

from __future__ import annotations

import argparse
import copy
import os
import platform
import warnings
from importlib.metadata import version
from unittest.mock import patch

import numpy as np
import torch
from captum.attr import NeuronDeconvolution
from torch import nn
from turns import in_turns, table

import cnnviz
from cnnviz.units.projection import UnitPosition, UnitProjections, crops, project

LAYERS = ("features.3", "features.5", "features.7", "features.10", "features.12")


def theirs(
    module: nn.Module, layer: str, image: torch.Tensor, found: UnitProjections
) -> list[np.ndarray]:
    """Return captum's projection of the neurons that ours found."""
    peer = NeuronDeconvolution(module, module.get_submodule(layer))
    signals = []
    for channel in range(len(found.rows)):
        neuron = (channel, int(found.rows[channel]), int(found.columns[channel]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            signals.append(
                peer.attribute(image.clone().requires_grad_(), neuron)[0].detach().numpy()
            )
    return signals


def measure(layer: str, channels: int, rounds: int) -> str:
    """Return the table of one layer, and how far the values lie apart."""
    model = cnnviz.load("squeezenet1_0", "random", device="cpu")
    module = copy.deepcopy(model.module)
    for child in module.modules():
        if isinstance(child, nn.ReLU):
            child.inplace = False
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    picks = [UnitPosition(0, channel) for channel in range(channels)]
    found = project(model, image, layer, picks)
    wanted = theirs(module, layer, image, found)
    error = 0.0
    for place in np.flatnonzero(found.active):
        whole = wanted[place] * found.activations[place]
        error = max(error, abs(1.0 - np.abs(found.signals[place]).sum() / np.abs(whole).sum()))

    def through_whole_images() -> UnitProjections:
        with patch.object(crops, "WORTH", 0.0):
            return project(model, image, layer, picks)

    ways = {
        "cnnviz": lambda: project(model, image, layer, picks),
        "cnnviz, whole images": through_whole_images,
        "captum": lambda: theirs(module, layer, image, found),
    }
    height, width = found.size
    title = f"{channels} units of {layer} ({height} x {width} px)"
    told = f"The sums of absolute values differ by {error:.1g} of them at most.\n"
    return f"{table(title, in_turns(ways, rounds))}\n{told}"


def main() -> None:
    """Measure, and print as Markdown."""
    parser = argparse.ArgumentParser(description="Projections of units beside captum's.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--channels", type=int, default=9, help="units on the one image")
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=LAYERS)
    chosen = parser.parse_args()
    for layer in chosen.layers:
        print(measure(layer, chosen.channels, max(1, chosen.rounds)), flush=True)
    packages = ", ".join(f"{each} {version(each)}" for each in ("torch", "captum"))
    print(
        f"Medians of {max(1, chosen.rounds)} rounds, seconds; "
        f"{torch.get_num_threads()} threads, {os.cpu_count()} cores, {platform.machine()}, "
        f"{packages}."
    )


if __name__ == "__main__":
    main()
