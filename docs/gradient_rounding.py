"""Measure how far gradients in single precision are from those in double, on a fast copy and not.

    python docs/gradient_rounding.py [PHOTOS] [--count N] [--save FILE]

Takes the gradient of the first class's logit at every stage and at the input: on the network, on
its fast copy, on the network with the photo in a batch of two, and on the network in double
precision. The shipped networks see 48 shapes; with a folder of photos, SqueezeNet 1.0 with its
trained weights and ResNet-18 with random ones see these. Every difference is of the largest value
of the gradient in double precision. `--save` writes each of them as a line of JSON.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import cnnviz
from cnnviz.introspection.fast_copy import FastCopy
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.stop_forward import run_to
from cnnviz.passes.call_order import call_order
from cnnviz.passes.output_recorder import OutputRecorder

INPUT = "the input"
PAIRS = {
    "network - double": ("network", "double"),
    "copy - double": ("copy", "double"),
    "copy - network": ("copy", "network"),
    "network in a batch - alone": ("batch", "network"),
}
Slopes = dict[str, torch.Tensor]


def main() -> None:
    """Measure, and print a table for each network."""
    parser = argparse.ArgumentParser(description="Measure how gradients are rounded.")
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--save", type=Path)
    chosen = parser.parse_args()
    shapes = cnnviz.Shapes()
    sets: list[tuple[cnnviz.Model, Sequence[Any]]] = [
        (cnnviz.load(name), [shapes[index].image for index in range(chosen.count)])
        for name in ("shapes-plain", "shapes-residual")
    ]
    if chosen.photos is not None:
        photos = sorted(chosen.photos.glob("*.[jJ]*"))[: chosen.count]
        sets.append((cnnviz.load("squeezenet1_0"), photos))
        sets.append((_with_statistics(cnnviz.load("resnet18", weights=None), photos), photos))
    rows = [row for model, photos in sets for row in _measure(model, photos)]
    for name in dict.fromkeys(row["network"] for row in rows):
        _tell(name, [row for row in rows if row["network"] == name])
    if chosen.save is not None:
        chosen.save.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _with_statistics(model: cnnviz.Model, photos: Sequence[Any]) -> cnnviz.Model:
    """Give the batch norms of a network with random weights the statistics of photos."""
    module = model.module.train()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
    with torch.no_grad():
        module(model.prepare(list(photos[:16])).tensor)
    module.eval()
    return model


def _measure(model: cnnviz.Model, photos: Sequence[Any]) -> Iterator[dict[str, Any]]:
    network = model.module
    double = copy.deepcopy(network).double()
    first = model.prepare([photos[0]]).tensor
    stages = call_order(model, first).stage_layers()
    fast = FastCopy(network)
    fast.check(network, first, lambda module, images: module(images))
    for photo in photos:
        image = model.prepare([photo]).tensor
        with torch.no_grad():
            target = int(double(image.double()).argmax())
        slopes = {
            "network": _slopes(network, network, image, stages, target),
            "double": _slopes(double, double, image.double(), stages, target),
            "batch": _slopes(network, network, torch.cat([image, first]), stages, target),
        }
        with fast.folding(image, stages):
            slopes["copy"] = _slopes(fast.module, fast.module, image, stages, target)
        for place, exact in slopes["double"].items():
            found = {
                pair: _apart(slopes[one][place], slopes[other][place], exact)
                for pair, (one, other) in PAIRS.items()
            }
            yield {"network": model.name, "place": place, **found}


def _slopes(
    module: nn.Module,
    call: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    stages: Sequence[str],
    target: int,
) -> Slopes:
    """Return the gradient of the first image's logit at every call of the stages, and at it."""
    recorder = OutputRecorder(gradients=True)
    layers = {name: module.get_submodule(name) for name in stages}
    with isolated(module, grad=True):
        leaf = images.clone().requires_grad_()
        output = run_to(call, leaf.clone(), layers, after=recorder.record)
        recorder.differentiate(output[:1, target], leaf)
    assert recorder.input_gradient is not None
    found = {f"{name}#{call}": each[:1] for (name, call), each in recorder.gradients.items()}
    return {**found, INPUT: recorder.input_gradient[:1]}


def _apart(one: torch.Tensor, other: torch.Tensor, exact: torch.Tensor) -> float:
    return float((one.double() - other.double()).abs().max() / exact.abs().max())


def _tell(name: str, rows: Sequence[dict[str, Any]]) -> None:
    print(f"\n{name}: {len(rows)} gradients, at {len({row['place'] for row in rows})} places")
    print("| of the largest value | a quarter below | half below | nine tenths below | largest |")
    print("|---|---:|---:|---:|---:|")
    for pair in PAIRS:
        found = np.array([row[pair] for row in rows])
        quantiles = " | ".join(f"{value:.0e}" for value in np.quantile(found, [0.25, 0.5, 0.9, 1]))
        print(f"| {pair} | {quantiles} |")
    mine, its = (np.array([row[pair] for row in rows]) for pair in list(PAIRS)[:2])
    ratio = np.log10(np.maximum(its, 1e-12) / np.maximum(mine, 1e-12))
    low, high = _interval(ratio)
    print(f"copy to network, in decades of their distance from double: {low:.2f} to {high:.2f}")


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return where the mean of values lies, in 95 of 100 samples drawn from them."""
    drawn = np.random.default_rng(0).choice(values, (2000, len(values))).mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
