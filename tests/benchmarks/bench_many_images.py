"""What runs over many images cost, from a few of them: time, memory and disk of a million.

    python tests/benchmarks/bench_many_images.py [--rounds N] [--json FILE] [--table FILE]

Time is that of the processor, on one thread, of generated photos of 500 x 375 px that are read from
files. Each run is made with a few images and with more, each in a process of its own; the
difference is what an image takes, and what is left is what it takes to begin. Memory and disk are
those that grow with the images: of a network of one small convolution and 1,000 classes on noise of
8 px, a few thousand images and several times as many. A million is a straight line through the two.
`--table` only writes the table of a file that is there.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_top_activations import generate
from torch import nn

import cnnviz
from cnnviz.datasets import Dataset, DatasetImage, open_dataset
from cnnviz.models import Model, as_model
from cnnviz.results.text import estimated_time, file_size

MILLION = 1_000_000
CLASSES = 1000
Run = Callable[[Model, Any, Path], object]


class Labelled(Dataset):
    """A data set with a label for every image, or noise where there is none."""

    def __init__(self, count: int, whole: Dataset | None = None) -> None:
        self._count, self._whole = count, whole

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        return f"{index:07}.jpg" if self._whole is None else self._whole.name(index)

    def key(self, index: int) -> str:
        return self.name(index)

    def label(self, index: int) -> int:
        return index % CLASSES

    def read(self, index: int) -> DatasetImage:
        if self._whole is None:
            values = np.random.default_rng(index).standard_normal((3, 8, 8), np.float32)
            return DatasetImage(torch.from_numpy(values), self.label(index))
        return DatasetImage(self._whole.read(index).image, self.label(index))

    def describe(self) -> str:
        return f"{self._count:,} images"


def errors(model: Model, data: Any, state: Path) -> object:
    """Find the wrong answers."""
    return cnnviz.error_analysis(model, data, explain=0, workers=1, state=state)


def classifier(model: Model, data: Any, state: Path) -> object:
    """Measure the answers."""
    return cnnviz.evaluate_classifier(model, data, explain=0, workers=1, state=state)


def strongest(model: Model, data: Any, state: Path) -> object:
    """Find the strongest patches of the last stage."""
    return cnnviz.top_activations(model, data, top=1, workers=1, state=state)


def heatmaps(model: Model, data: Any, state: Path) -> object:
    """Measure one method, which makes its heatmaps in one pass."""
    from cnnviz.evaluation import evaluate

    return evaluate(model, data, methods=["gradcam"], workers=1, state=state)


def pictures(model: Model, data: Any, state: Path) -> object:
    """Make pictures of some channels, each by itself as on a machine with little memory."""
    return cnnviz.feature_visualization(model, f"layer2.0.conv1:0-{data - 1}", state=state)


TIMED: dict[str, tuple[Run, str, tuple[int, int]]] = {
    "errors": (errors, "images", (16, 64)),
    "evaluate-classifier": (classifier, "images", (16, 64)),
    "top-activations": (strongest, "images", (16, 64)),
    "evaluate, each method": (heatmaps, "images", (1, 3)),
    "visualize, layer2.0.conv1": (pictures, "units", (1, 3)),
}
"""What is timed, on how many of what."""
GROWING = {name: TIMED[name][0] for name in ("errors", "evaluate-classifier", "top-activations")}
"""What grows with the images."""
GROWN = (2_000, 10_000)


def measure(name: str, count: int, *, growing: bool) -> dict[str, float]:
    """Make one run, and return what it took."""
    torch.set_num_threads(1)
    run, noun, _ = TIMED[name]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if growing:
            layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
            torch.manual_seed(0)
            model = as_model(nn.Sequential(*layers, nn.Linear(8, CLASSES)).eval())
            data: Any = Labelled(count)
        else:
            model, data = cnnviz.load("resnet18", "random"), count
            if noun == "images":
                (place / "photos").mkdir()
                generate(place / "photos", count)
                photos = open_dataset(str(place / "photos"))
                data = photos if run is heatmaps else Labelled(count, photos)
        begun = time.process_time()
        run(model, data, place / "state")
        taken = time.process_time() - begun
        kept = sum(path.stat().st_size for path in (place / "state").rglob("*") if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": taken, "peak": float(peak), "state": float(kept)}


def apart(name: str, count: int, *, growing: bool) -> dict[str, float]:
    """Make one run in a process of its own."""
    words = [sys.executable, __file__, "--measure", name, "--count", str(count)]
    done = subprocess.run(
        [*words, *(["--growing"] if growing else [])], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def line(counts: tuple[int, int], values: tuple[float, float]) -> tuple[float, float]:
    """Return where the straight line through two points begins, and what each further one adds."""
    each = (values[1] - values[0]) / (counts[1] - counts[0])
    return values[0] - each * counts[0], each


def measured(rounds: int) -> dict[str, Any]:
    """Return what every run takes."""
    found: dict[str, Any] = {}
    for name, (_, noun, counts) in TIMED.items():
        pairs = [
            [apart(name, count, growing=False)["seconds"] for count in counts]
            for _ in range(rounds)
        ]
        lines = [line(counts, (few, many)) for few, many in pairs]
        begin, each = (statistics.median(one[at] for one in lines) for at in (0, 1))
        found[name] = {"of": noun, "counts": counts, "begin": begin, "each": each}
        if name in GROWING:
            few, many = (apart(name, count, growing=True) for count in GROWN)
            for what in ("peak", "state"):
                found[name][what] = line(GROWN, (few[what], many[what]))
        print(name, found[name], flush=True)
    return {"machine": platform.machine(), "torch": torch.__version__, "runs": found}


def table(found: Mapping[str, Any]) -> str:
    """Return the table of the page, a million from what was measured."""
    rows = []
    for name, one in found["runs"].items():
        seconds = one["begin"] + MILLION * one["each"]
        cells = [f"`{name}`" if " " not in name else f"`{name.replace(', ', '`, ')}"]
        cells += [f"{one['counts'][0]} and {one['counts'][1]} {one['of']}", f"{one['each']:.3g} s"]
        cells += [estimated_time(seconds), estimated_time(seconds / 1000)]
        for what in ("peak", "state"):
            begin, each = one.get(what, (0.0, 0.0))
            cells.append(file_size(int(begin + MILLION * each)) if what in one else "–")
        rows.append(f"| {' | '.join(cells)} |")
    heads = (
        "run",
        "measured on",
        "each",
        "a million, one core",
        "1,000 cores",
        "memory",
        "`--state`",
    )
    return "\n".join([f"| {' | '.join(heads)} |", "|---|---|---:|---:|---:|---:|---:|", *rows])


def main() -> None:
    """Measure, and print the table."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reader.add_argument("--rounds", type=int, default=3)
    reader.add_argument("--json", type=Path, metavar="FILE")
    reader.add_argument("--table", type=Path, metavar="FILE")
    reader.add_argument("--measure", choices=TIMED, help=argparse.SUPPRESS)
    reader.add_argument("--count", type=int, default=1, help=argparse.SUPPRESS)
    reader.add_argument("--growing", action="store_true", help=argparse.SUPPRESS)
    asked = reader.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.measure, asked.count, growing=asked.growing)))
        return
    if asked.table:
        print(table(json.loads(asked.table.read_text("utf-8"))))
        return
    found = measured(asked.rounds)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
