"""Heatmaps beside captum, grad-cam and torchcam: one process, turn by turn, random weights.

    python tests/benchmarks/bench_cams.py [--rounds N] [--only PART] [--threads N] [--no-memory]
                                          [--write FILE.md] [--json FILE]

Of the networks in `SINGLES`, each is a part only where it is asked for. Where other processes take
the cores from several threads, those that wait use up processor time, unless OMP_WAIT_POLICY is
passive in the environment.

A plain forward pass is the floor. A peer that is not installed is left out and named:
`pip install grad-cam torchcam` brings both. Peak memory is measured in a process for each way.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import gc
import os
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from kept_results import Goal, add_json_option, keep
from torch import nn
from turns import Way, in_turns, table

import cnnviz
from cnnviz.passes.fast_model import expect_many, fast_model
from cnnviz.views.attribute import attribute

TARGET = 7


def floor(module: nn.Module, images: torch.Tensor) -> Way:
    """Return a plain forward pass."""

    def run() -> None:
        with torch.no_grad():
            module(images)

    return run


def fast_floor(module: nn.Module, images: torch.Tensor) -> Way:
    """Return a forward pass of our fast copy, which is the least that our maps can take."""
    model = cnnviz.load(module)
    expect_many(model, images)
    fast = fast_model(model, images, rows=len(images))

    def run() -> None:
        with torch.no_grad():
            fast.forward(images)

    return run


def ours(
    module: nn.Module,
    images: torch.Tensor,
    layers: list[str],
    method: str,
    *,
    exact: bool = False,
) -> Way:
    """Return our maps of the layers, from one capture; `exact` is of the network itself."""
    model = cnnviz.load(module, exact=exact)
    # As after some calls: what is timed is none of the first.
    expect_many(model, images)

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


def gradcam_of_one_layer(
    count: int, name: str = "resnet50", layer: str = "layer4"
) -> dict[str, Way]:
    """Grad-CAM of the last layer with a map."""
    module = network(name)
    images = torch.randn(count, 3, 224, 224)
    return {
        "forward pass": floor(module, images),
        "forward pass of the fast copy": fast_floor(module, images),
        "cnnviz": ours(module, images, [layer], "gradcam"),
        "cnnviz, exact": ours(module, images, [layer], "gradcam", exact=True),
        "captum": captum_gradcam(copy.deepcopy(module), images, [layer]),
        **_peers("GradCAM", module, images, [layer]),
    }


def gradcam_of_all_blocks() -> dict[str, Way]:
    """Grad-CAM of all 16 blocks of ResNet-50."""
    module = network("resnet50")
    images = torch.randn(1, 3, 224, 224)
    layers = [f"layer{s}.{b}" for s, blocks in enumerate((3, 4, 6, 3), 1) for b in range(blocks)]
    return {
        "forward pass": floor(module, images),
        "cnnviz": ours(module, images, layers, "gradcam"),
        "cnnviz, exact": ours(module, images, layers, "gradcam", exact=True),
        "captum": captum_gradcam(copy.deepcopy(module), images, layers),
        **_peers("GradCAM", module, images, layers),
    }


def scorecam() -> dict[str, Way]:
    """Score-CAM of ResNet-18: hundreds of forward passes."""
    module = network("resnet18")
    images = torch.randn(1, 3, 224, 224)
    return {
        "forward pass of the fast copy": fast_floor(module, images),
        "cnnviz": ours(module, images, ["layer4"], "scorecam"),
        "cnnviz, exact": ours(module, images, ["layer4"], "scorecam", exact=True),
        **_peers("ScoreCAM", module, images, ["layer4"]),
    }


def guided() -> dict[str, Way]:
    """Guided backpropagation of ResNet-50, beside the plain gradient."""
    from captum.attr import GuidedBackprop

    module = network("resnet50")
    images = torch.randn(1, 3, 224, 224)
    model = cnnviz.load(module)
    # As for our other maps: what is timed is none of the first calls.
    expect_many(model, images)
    frozen = copy.deepcopy(module).requires_grad_(False)
    plain = copy.deepcopy(module)
    for child in plain.modules():
        if isinstance(child, nn.ReLU):
            child.inplace = False
    start = images.clone().requires_grad_()

    def captum() -> None:
        GuidedBackprop(plain).attribute(start, target=TARGET)

    def bare() -> None:
        torch.autograd.grad(frozen(start)[:, TARGET].sum(), start)

    return {
        "forward pass": floor(module, images),
        "cnnviz": lambda: attribute(model, images, "guided_backprop", TARGET),
        "captum": captum,
        "gradient by torch alone": bare,
    }


def _peers(name: str, module: nn.Module, images: torch.Tensor, layers: list[str]) -> dict[str, Way]:
    # Each peer gets a network of its own: some change it.
    found: dict[str, Way] = {}
    if find_spec("pytorch_grad_cam"):
        found["grad-cam"] = grad_cam(name, copy.deepcopy(module), images, layers)
    if find_spec("torchcam"):
        found["torchcam"] = torchcam(name, copy.deepcopy(module), images, layers)
    return found


@dataclass(frozen=True)
class Part:
    """One table: its title, the ways that it compares, what is to be reached.

    `share` is of how many rounds it takes one.
    """

    title: str
    ways: Callable[[], dict[str, Way]]
    goal: Goal
    share: int = 1


PLAIN, PEERS = ("forward pass",), ("captum", "grad-cam", "torchcam")
PARTS = {
    "gradcam-1": Part(
        "Grad-CAM, ResNet-50, layer4, batch 1",
        lambda: gradcam_of_one_layer(1),
        Goal("cnnviz", PLAIN, 1 / 0.95),
    ),
    "gradcam-8": Part(
        "Grad-CAM, ResNet-50, layer4, batch 8",
        lambda: gradcam_of_one_layer(8),
        Goal("cnnviz", PLAIN, 1 / 0.85),
    ),
    "gradcam-all": Part(
        "Grad-CAM, ResNet-50, all 16 blocks, batch 1",
        gradcam_of_all_blocks,
        Goal("cnnviz", PLAIN, 1 / 1.75),
    ),
    "scorecam": Part(
        "Score-CAM, ResNet-18, layer4, batch 1", scorecam, Goal("cnnviz", PEERS, 1.35), share=4
    ),
    "guided": Part(
        "Guided backpropagation, ResNet-50, batch 1", guided, Goal("cnnviz", PLAIN, 1 / 2.0)
    ),
}
SINGLES = {
    name: Part(
        f"Grad-CAM, {name}, {layer}, batch 1",
        partial(gradcam_of_one_layer, 1, name, layer),
        Goal("cnnviz", PEERS, 1.0),
    )
    for name, layer in {
        "resnet18": "layer4",
        "vgg16": "features.29",
        "squeezenet1_0": "features.12",
        "mobilenet_v2": "features.18",
    }.items()
}
ALL = {**PARTS, **SINGLES}


def peaks(name: str, ways: Iterable[str]) -> dict[str, float]:
    """Return by how many MiB each way raises the peak memory of a process that is about to run."""
    found = {}
    threads = str(torch.get_num_threads())
    for way in ways:
        command = [sys.executable, __file__, "--threads", threads, "--peak", name, way]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[way] = float(done.stdout.split()[-1])
    return found


def peak(name: str, way: str) -> float:
    """Return by how many MiB one way raises this process at its peak; it has run once before."""
    run = ALL[name].ways()[way]
    run()
    gc.collect()
    # What the first run freed goes back to the system, or the second would find it at hand.
    ctypes.CDLL(None).malloc_trim(0)
    # Linux forgets the peak so far when told to.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    begin = _resident("VmRSS")
    run()
    return _resident("VmHWM") - begin


def _resident(field: str) -> float:
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def main() -> None:
    """Measure, and print or write the tables."""
    os.environ.setdefault("CNNVIZ_FAST", "1")
    reader = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reader.add_argument("--rounds", type=int, default=9)
    reader.add_argument("--only", choices=ALL, action="append")
    reader.add_argument("--threads", type=int, help="of torch; its own choice without")
    reader.add_argument("--no-memory", action="store_true")
    reader.add_argument("--write", type=Path)
    add_json_option(reader)
    reader.add_argument("--peak", nargs=2, metavar=("PART", "WAY"), help=argparse.SUPPRESS)
    given = reader.parse_args()
    warnings.simplefilter("ignore")
    if given.threads:
        torch.set_num_threads(given.threads)
    if given.peak:
        print(peak(*given.peak))
        return
    missing = [name for name in ("pytorch_grad_cam", "torchcam") if not find_spec(name)]
    lines = [
        f"Measured with {torch.get_num_threads()} threads on {platform.machine()}, torch "
        f"{torch.__version__}; medians of {given.rounds} rounds, turn by turn.",
        "",
    ]
    lines += [f"Not installed, so left out: {', '.join(missing)}.", ""] if missing else []
    for name in given.only or PARTS:
        part = ALL[name]
        # A work of its own for the page, which has the others with one thread.
        title = f"{part.title}, {given.threads} threads" if given.threads else part.title
        ways, memory = part.ways(), dict[str, float]()
        found = in_turns(ways, max(1, given.rounds // part.share))
        lines.append(table(title, found))
        print(lines[-1], flush=True)
        if sys.platform == "linux" and not given.no_memory:
            memory = peaks(name, ways)
            rows = [f"| {way} | {peak:.0f} |" for way, peak in memory.items()]
            lines.append("\n".join(["| | peak memory, MiB |", "|---|---:|", *rows, ""]))
            print(lines[-1], flush=True)
        keep(given.json, title, found, [part.goal], peaks=memory)
    if given.write:
        given.write.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
