"""How many multiplications deletion and insertion would save if a step went on from the last one.

    python docs/shared_steps.py [PHOTO] [--steps 10] [--random 2]

From one step to the next a tenth of the pixels is exchanged. Of each layer only the places change
that have one of these pixels in reach. Counted are, for maps of three methods and random maps as
smooth as they are, all multiplications of convolutions and linear layers; those of exactly these
places, which nothing computes faster than whole maps; and those of the smallest rectangle around
them, as `occlusion` computes. What one step shares with the next is counted, nothing is run so.

While weights are redrawn from the top, what lies below the lowest of them stays as it was. The last
table has its share of a forward pass, averaged over the stages.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.heatmaps.checks.explained_batch import at_size
from cnnviz.heatmaps.checks.random_maps import random_maps, ranks
from cnnviz.heatmaps.checks.randomisation import weighted_layers
from cnnviz.heatmaps.heatmap import evidence
from cnnviz.views._explainers import heatmap

NETWORKS = ("squeezenet1_0", "resnet18")
METHODS = ("gradcam", "saliency", "integrated_gradients")


class Counted:
    """Follows which places of each layer change, in a network whose numbers say whether they do."""

    def __init__(self, network: nn.Module) -> None:
        self.all = self.exact = self.boxed = 0.0
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.forward = lambda x, layer=module: self._layer(layer, x)
            elif isinstance(module, nn.BatchNorm2d | nn.ReLU | nn.Dropout):
                module.forward = lambda x: x
        self._network = network.eval()

    def add(self, changed: torch.Tensor) -> None:
        """Count a pass in which these pixels change, [h, w]."""
        with torch.no_grad():
            self._network(changed[None, None].float().expand(1, 3, -1, -1))

    def _layer(self, layer: nn.Conv2d | nn.Linear, values: torch.Tensor) -> torch.Tensor:
        if isinstance(layer, nn.Linear):
            self._count(layer.weight.numel(), torch.ones(1, 1))
            return values[:, :1].repeat(1, layer.out_features)
        touched = (values > 0).amax(1, keepdim=True).float()
        touched = F.pad(touched, [side for side in layer.padding[::-1] for _ in range(2)])
        reached = F.max_pool2d(touched, layer.kernel_size, layer.stride)
        self._count(layer.weight.numel(), reached[0, 0])
        return reached.repeat(1, layer.out_channels, 1, 1)

    def _count(self, each: int, reached: torch.Tensor) -> None:
        self.all += each * reached.numel()
        self.exact += each * float(reached.sum())
        rows, columns = (reached.amax(axis).nonzero() for axis in (1, 0))
        if len(rows):
            sides = [int(ends[-1] - ends[0]) + 1 for ends in (rows, columns)]
            self.boxed += each * sides[0] * sides[1]


def steps_of(order: np.ndarray, size: tuple[int, ...], steps: int) -> Iterator[torch.Tensor]:
    """Go through the pixels that each step exchanges; before the first stands the whole image."""
    place = order.reshape(size)
    for step in range(steps - 1):
        first, last = (round(one * order.size / steps) for one in (step, step + 1))
        yield torch.from_numpy((place >= first) & (place < last))


def shares(name: str, photo: Path, method: str, steps: int, random: int) -> list[float]:
    """Return by what factors fewer multiplications remain: exact places, and rectangles."""
    model = cnnviz.load(name, weights_of(name))
    batch = model.prepare(photo)
    found = heatmap(model, batch, None, method)
    maps = np.asarray(found.maps[-1], np.float32)
    every = np.concatenate([maps, random_maps(maps, random, 0)[0]])
    every = at_size(evidence(every, relu=found.relu), tuple(batch.tensor.shape[2:]))
    counts = Counted(cnnviz.load(name, "random").module)
    rng = np.random.default_rng(0)
    for values in every:
        for pixels in steps_of(ranks(-values, rng), values.shape, steps):
            counts.add(pixels)
    return [counts.all / counts.exact, counts.all / counts.boxed]


def kept_below(name: str, stages: int) -> float:
    """Return the share of the multiplications below the layers that a stage redraws, on average."""
    model = cnnviz.load(name, "random")
    image = torch.zeros(1, *model.input_shape)
    names = weighted_layers(model, image)
    each: dict[str, int] = {}
    for layer, module in model.module.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(
                lambda own, given, output, layer=layer: each.update(
                    {layer: own.weight.numel() * output[0, 0].numel()}
                )
            )
    with torch.no_grad():
        model.module(image)
    depths = np.unique(np.linspace(1, len(names), min(stages, len(names))).round().astype(int))
    kept = [sum(each.get(one, 0) for one in names[depth:]) for depth in depths]
    return float(np.mean(kept)) / sum(each.values())


def weights_of(name: str) -> str:
    """Return the weights that are there: trained ones where torch's cache holds them."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    return "DEFAULT" if any(folder.glob(f"{name}-*.pth")) else "random"


def main() -> None:
    """Count, and print as Markdown."""
    from matplotlib import cbook

    parser = argparse.ArgumentParser(description="What steps of deletion would share.")
    usual = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    parser.add_argument("photo", nargs="?", type=Path, default=usual)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--random", type=int, default=2, help="random maps beside each map")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| network | maps | exactly the places in reach | rectangles around them |")
    print("|---|---|---:|---:|")
    for name in NETWORKS:
        for method in METHODS:
            found = shares(name, given.photo, method, given.steps, given.random)
            print(f"| {name}, {weights_of(name)} | {method} |", end="")
            print("".join(f" {share:.2f} |" for share in found), flush=True)
    print("\n| network | below what 8 stages redraw |\n|---|---:|")
    for name in ("shapes-plain", *NETWORKS):
        print(f"| {name} | {kept_below(name, 8):.0%} |", flush=True)


if __name__ == "__main__":
    main()
