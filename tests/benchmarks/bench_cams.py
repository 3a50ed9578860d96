"""Heatmaps beside captum, grad-cam and torchcam: one process, turn by turn, random weights.

    python tests/benchmarks/bench_cams.py [--rounds N] [--only PART] [--write FILE.md]

A plain forward pass is the floor. A peer that is not installed is left out and named:
`pip install grad-cam torchcam` brings both.
"""

from __future__ import annotations

import argparse
import copy
import platform
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn
from turns import Way, in_turns, table

import cnnviz
from cnnviz.views.attribute import attribute

TARGET = 7


def floor(module: nn.Module, images: torch.Tensor) -> Way:
    """Return a plain forward pass."""

    def run() -> None:
        with torch.no_grad():
            module(images)

    return run


def ours(module: nn.Module, images: torch.Tensor, layers: list[str], method: str) -> Way:
    """Return our maps of the layers, from one capture."""
    model = cnnviz.load(module)

    def run() -> None:
        held = cnnviz.capture(model, images, layers=layers, target=TARGET, gradients="layers")
        cnnviz.cam(held, layers, method)

    return run


def captum_gradcam(module: nn.Module, images: torch.Tensor, layers: list[str]) -> Way:
    """Return captum's maps, layer by layer: it has no other way."""
    from captum.attr import LayerGradCam

    peers = [LayerGradCam(module, module.get_submodule(layer)) for layer in layers]

    def run() -> None:
        for peer in peers:
            peer.attribute(images, target=TARGET)

    return run


def grad_cam(name: str, module: nn.Module, images: torch.Tensor, layers: list[str]) -> Way:
    """Return the maps of the grad-cam package."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    chosen = [module.get_submodule(layer) for layer in layers]
    peer = getattr(pytorch_grad_cam, name)(module, chosen)
    if name == "ScoreCAM":
        peer.batch_size = 32
    targets = [ClassifierOutputTarget(TARGET)] * len(images)

    def run() -> None:
        peer(input_tensor=images, targets=targets)

    return run


def torchcam(name: str, module: nn.Module, images: torch.Tensor, layers: list[str]) -> Way:
    """Return the maps of torchcam."""
    import torchcam.methods

    options = {"batch_size": 32} if name == "ScoreCAM" else {}

    def run() -> None:
        with getattr(torchcam.methods, name)(module, layers, **options) as peer:
            output = module(images)
            peer([TARGET] * len(images), output)

    return run


def network(name: str) -> nn.Module:
    """Return a network of torchvision with random weights, in eval mode."""
    return cnnviz.load(name, "random").module


def gradcam_of_one_layer(rounds: int, count: int) -> str:
    """Grad-CAM of the last block of ResNet-50."""
    module = network("resnet50")
    images = torch.randn(count, 3, 224, 224)
    ways = {
        "forward pass": floor(module, images),
        "cnnviz": ours(module, images, ["layer4"], "gradcam"),
        "captum": captum_gradcam(copy.deepcopy(module), images, ["layer4"]),
        **_peers("GradCAM", module, images, ["layer4"]),
    }
    return table(f"Grad-CAM, ResNet-50, layer4, batch {count}", in_turns(ways, rounds))


def gradcam_of_all_blocks(rounds: int) -> str:
    """Grad-CAM of all 16 blocks of ResNet-50."""
    module = network("resnet50")
    images = torch.randn(1, 3, 224, 224)
    layers = [f"layer{s}.{b}" for s, blocks in enumerate((3, 4, 6, 3), 1) for b in range(blocks)]
    ways = {
        "forward pass": floor(module, images),
        "cnnviz": ours(module, images, layers, "gradcam"),
        "captum": captum_gradcam(copy.deepcopy(module), images, layers),
        **_peers("GradCAM", module, images, layers),
    }
    return table("Grad-CAM, ResNet-50, all 16 blocks, batch 1", in_turns(ways, rounds))


def scorecam(rounds: int) -> str:
    """Score-CAM of ResNet-18: hundreds of forward passes."""
    module = network("resnet18")
    images = torch.randn(1, 3, 224, 224)
    ways = {
        "cnnviz": ours(module, images, ["layer4"], "scorecam"),
        **_peers("ScoreCAM", module, images, ["layer4"]),
    }
    return table("Score-CAM, ResNet-18, layer4, batch 1", in_turns(ways, max(1, rounds // 4)))


def guided(rounds: int) -> str:
    """Guided backpropagation of ResNet-50."""
    from captum.attr import GuidedBackprop

    module = network("resnet50")
    images = torch.randn(1, 3, 224, 224)
    model = cnnviz.load(module)
    plain = copy.deepcopy(module)
    for child in plain.modules():
        if isinstance(child, nn.ReLU):
            child.inplace = False
    start = images.clone().requires_grad_()

    def captum() -> None:
        GuidedBackprop(plain).attribute(start, target=TARGET)

    ways: dict[str, Way] = {
        "forward pass": floor(module, images),
        "cnnviz": lambda: attribute(model, images, "guided_backprop", TARGET),
        "captum": captum,
    }
    return table("Guided backpropagation, ResNet-50, batch 1", in_turns(ways, rounds))


def _peers(name: str, module: nn.Module, images: torch.Tensor, layers: list[str]) -> dict[str, Way]:
    # Each peer gets a network of its own: some change it.
    found: dict[str, Way] = {}
    if find_spec("pytorch_grad_cam"):
        found["grad-cam"] = grad_cam(name, copy.deepcopy(module), images, layers)
    if find_spec("torchcam"):
        found["torchcam"] = torchcam(name, copy.deepcopy(module), images, layers)
    return found


PARTS: dict[str, Callable[[int], str]] = {
    "gradcam-1": lambda rounds: gradcam_of_one_layer(rounds, 1),
    "gradcam-8": lambda rounds: gradcam_of_one_layer(rounds, 8),
    "gradcam-all": gradcam_of_all_blocks,
    "scorecam": scorecam,
    "guided": guided,
}


def main() -> None:
    """Measure, and print or write the tables."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reader.add_argument("--rounds", type=int, default=9)
    reader.add_argument("--only", choices=PARTS, action="append")
    reader.add_argument("--write", type=Path)
    given = reader.parse_args()
    warnings.simplefilter("ignore")
    missing = [name for name in ("pytorch_grad_cam", "torchcam") if not find_spec(name)]
    lines = [
        f"Measured with {torch.get_num_threads()} threads on {platform.machine()}, torch "
        f"{torch.__version__}; medians of {given.rounds} rounds, turn by turn.",
        "",
    ]
    lines += [f"Not installed, so left out: {', '.join(missing)}.", ""] if missing else []
    for part in given.only or PARTS:
        lines.append(PARTS[part](given.rounds))
        print(lines[-1], flush=True)
    if given.write:
        given.write.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
