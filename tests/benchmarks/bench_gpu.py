"""Heatmaps on a CUDA GPU beside captum's: one process, turn by turn, random weights.

    python tests/benchmarks/bench_gpu.py [--rounds N] [--only PART ...] [--json FILE]

A plain forward pass is the measure. Every way ends when the GPU has computed what it gives. TF32 is
as torch sets it. The scan of a gallery is timed by `bench_gallery.py --device cuda`.
"""

from __future__ import annotations

import argparse
import copy
import sys
import warnings
from collections.abc import Callable

import torch
from kept_results import add_json_option, keep
from torch import nn
from turns import Way, in_turns, table

import cnnviz
from cnnviz.passes.fast_model import expect_many

TARGET, WINDOW, STRIDE = 7, 32, 16


def finished(run: Way) -> Way:
    """Return a way that ends when the GPU has done what it was told to do."""

    def wait() -> None:
        run()
        torch.cuda.synchronize()

    return wait


def plain(module: nn.Module, images: torch.Tensor) -> Way:
    """Return a forward pass by torch alone."""

    def run() -> None:
        with torch.no_grad():
            module(images)

    return finished(run)


def prepared(name: str, count: int) -> tuple[nn.Module, cnnviz.Model, torch.Tensor]:
    """Return a network of torchvision, the same for our views after its first calls, and images."""
    module = cnnviz.load(name, "random", device="cuda").module
    images = torch.randn(count, 3, 224, 224, device="cuda")
    model = cnnviz.load(copy.deepcopy(module))
    expect_many(model, images)
    return module, model, images


def gradcam(count: int) -> dict[str, Way]:
    """Grad-CAM of the last block."""
    from captum.attr import LayerGradCam

    module, model, images = prepared("resnet50", count)
    peer = LayerGradCam(module, module.layer4)

    def ours() -> None:
        held = cnnviz.capture(model, images, layers="layer4", target=TARGET, gradients="layers")
        cnnviz.cam(held, "layer4")

    return {
        "forward pass": plain(module, images),
        "cnnviz": finished(ours),
        "captum": finished(lambda: peer.attribute(images, target=TARGET)),
    }


def integrated() -> dict[str, Way]:
    """Integrated gradients in 50 steps."""
    from captum.attr import IntegratedGradients

    module, model, images = prepared("resnet50", 1)
    peer = IntegratedGradients(module)
    return {
        "forward pass": plain(module, images),
        "cnnviz": finished(
            lambda: cnnviz.attribute(model, images, "integrated_gradients", TARGET, steps=50)
        ),
        "captum": finished(lambda: peer.attribute(images, target=TARGET, n_steps=50)),
    }


def occluded() -> dict[str, Way]:
    """Occlusion with 169 squares."""
    from captum.attr import Occlusion

    module, model, images = prepared("resnet50", 1)
    baseline = images.mean((2, 3), keepdim=True).expand_as(images)

    def captums() -> None:
        with torch.no_grad():
            Occlusion(module).attribute(
                images,
                (3, WINDOW, WINDOW),
                (3, STRIDE, STRIDE),
                baseline,
                TARGET,
                perturbations_per_eval=64,
            )

    return {
        "forward pass": plain(module, images),
        "cnnviz": finished(lambda: cnnviz.occlusion(model, images, WINDOW, STRIDE, target=TARGET)),
        "captum": finished(captums),
    }


PARTS: dict[str, tuple[str, Callable[[], dict[str, Way]]]] = {
    "gradcam-1": ("Grad-CAM on a GPU, ResNet-50, layer4, batch 1", lambda: gradcam(1)),
    "gradcam-64": ("Grad-CAM on a GPU, ResNet-50, layer4, batch 64", lambda: gradcam(64)),
    "integrated": ("Integrated gradients on a GPU, ResNet-50, 50 steps", integrated),
    "occlusion": ("Occlusion on a GPU, ResNet-50, 169 squares of 32 px", occluded),
}


def main() -> None:
    """Measure, and print the tables."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reader.add_argument("--rounds", type=int, default=9)
    reader.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    add_json_option(reader)
    given = reader.parse_args()
    if not torch.cuda.is_available():
        sys.exit("There is no CUDA GPU here.")
    warnings.simplefilter("ignore")
    note = f"On one {torch.cuda.get_device_name()}, captum with 64 squares at once."
    print(note, "\n", flush=True)
    for name in given.only:
        work, ways = PARTS[name]
        found = in_turns(ways(), given.rounds)
        print(table(work, found), flush=True)
        keep(given.json, work, found, note=note)


if __name__ == "__main__":
    main()
