"""Where the time of the costly works goes, for the tables of docs/fast-copy.md.

    python docs/where_time_goes.py WORK ... [--images N] [--steps N]

Each work runs once to warm up and once under Python's profiler, on the clock of the processor. Told
are the shares of kinds of operations, each without what it calls, the functions named in `PARTS`
with all that they call, and what threads beside the first one took, which read photos.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

import cnnviz
from cnnviz.datasets import open_dataset
from cnnviz.passes.fast_model import expect_many
from cnnviz.views.attribute import attribute

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "benchmarks"))
from bench_gallery import scanned
from bench_top_activations import generate

MULTIPLY = ("conv", "linear", "addmm", "matmul", "mkldnn", "run_backward")
PARTS = {
    "accumulator.py": ("see", "answered", "portion"),
    "shard_files.py": ("write", "join"),
    "fast_model.py": ("forward",),
    "precision.py": ("outputs",),
    "hooks.py": ("preserve_state",),
    "cam_methods.py": ("_unit",),
    "map_places.py": ("stretched",),
    "packed.py": ("_send_back",),
}


def gallery(folder: Path, network: str, images: int, precision: str) -> Callable[[], object]:
    """Return a scan of all layers for a gallery."""
    generate(folder, images)
    model = cnnviz.load(network, "random", device="cpu")
    return scanned(model, open_dataset(folder), precision)


def scorecam(precision: str) -> Callable[[], object]:
    """Return Score-CAM of ResNet-18."""
    model, image = cnnviz.load("resnet18", "random", device="cpu"), torch.randn(1, 3, 224, 224)
    expect_many(model, image)
    held = cnnviz.capture(model, image, layers="layer4", target=7, gradients="layers")
    return lambda: cnnviz.cam(held, "layer4", "scorecam", precision=precision)


def visualization(steps: int) -> Callable[[], object]:
    """Return feature visualization of nine channels of a late layer of ResNet-18."""
    model = cnnviz.load("resnet18", "random", device="cpu")
    units = [f"layer4.1.conv2:{channel}" for channel in range(9)]
    return lambda: cnnviz.feature_visualization(model, units, steps=steps)


def integrated() -> Callable[[], object]:
    """Return integrated gradients of ResNet-18 in 50 steps."""
    model, image = cnnviz.load("resnet18", "random", device="cpu"), torch.randn(1, 3, 224, 224)
    expect_many(model, image)
    return lambda: attribute(model, image, "integrated_gradients", 7)


def told(run: Callable[[], object]) -> str:
    """Return the shares of one run, after one that is not counted."""
    run()
    profile = cProfile.Profile(timer=time.thread_time)
    begin, own = time.process_time(), time.thread_time()
    profile.runcall(run)
    whole, first = time.process_time() - begin, time.thread_time() - own
    kinds: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    for (file, _, name), (_, _, alone, below, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        builtin = file == "~"
        multiplies = builtin and any(word in name for word in MULTIPLY)
        kind = "convolutions, products, backward" if multiplies else "Python"
        kinds[name if builtin and not multiplies else kind] += alone
        if name in PARTS.get(Path(file).name, ()):
            parts[f"{Path(file).name}: {name}"] += below
    lines = [f"{whole:.2f} s, of which {(whole - first) / whole:.0%} in other threads"]
    lines += [f"| {name} | {each / whole:.1%} |" for name, each in kinds.most_common(14)]
    lines += [f"| with all below: {name} | {each / whole:.1%} |" for name, each in parts.items()]
    return "\n".join(lines)


def main() -> None:
    """Run what was asked for, and print the shares."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reader.add_argument("works", nargs="+")
    reader.add_argument("--images", type=int, default=96)
    reader.add_argument("--steps", type=int, default=32)
    given = reader.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        works: dict[str, Callable[[], Callable[[], object]]] = {
            "gallery": lambda: gallery(Path(made), "resnet50", given.images, "float32"),
            "gallery-bf16": lambda: gallery(Path(made), "resnet50", given.images, "bf16"),
            "scorecam": lambda: scorecam("float32"),
            "scorecam-bf16": lambda: scorecam("bf16"),
            "visualization": lambda: visualization(given.steps),
            "integrated": integrated,
        }
        for name in given.works:
            print(f"### {name}\n\n{told(works[name]())}\n", flush=True)


if __name__ == "__main__":
    main()
