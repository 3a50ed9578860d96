"""The search for the strongest patches beside the bare forward pass, and what memory it takes.

    python tests/benchmarks/bench_top_activations.py [--rounds N] [--images N] [--json FILE]

Both read the same generated photos with the same loader and stop after the same layer; the search
also finds the nine strongest positions of every channel. The peak of the memory is that of a
process of its own for each number of images.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import torch
from kept_results import Goal, add_json_option, keep
from PIL import Image
from turns import Way, in_turns, table

import cnnviz
from cnnviz.datasets import Dataset, open_dataset, stream
from cnnviz.introspection.hooks import StopForward, module_hooks
from cnnviz.models import Model
from cnnviz.passes.scan import scan
from cnnviz.units.top_k import TopK

K = 9
BATCH = 8
LAYERS = (
    ("squeezenet1_0", "features.0"),
    ("squeezenet1_0", "features.12"),
    ("resnet18", "layer1"),
    ("resnet18", "layer4"),
)
MEMORY = (200, 2000)


def generate(folder: Path, count: int) -> None:
    """Write smooth photos of 500 x 375 px."""
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
        pixels = cv2.resize(coarse, (500, 375), interpolation=cv2.INTER_CUBIC)
        Image.fromarray(pixels).save(folder / f"{index:05}.jpg", quality=90)


def bare(model: Model, dataset: Dataset, layer: str) -> Way:
    """Return a forward pass over all images that ends after a layer."""

    def stop(*_: object) -> None:
        raise StopForward

    def run() -> None:
        module = model.module.eval()
        chosen = {layer: module.get_submodule(layer)}
        with (
            torch.no_grad(),
            module_hooks(chosen, after=stop),
            stream(
                dataset, model.preprocessing, BATCH, device=model.device, dtype=model.dtype
            ) as batches,
        ):
            for batch in batches:
                with suppress(StopForward):
                    module(batch.tensor)

    return run


def search(model: Model, dataset: Dataset, layer: str) -> Way:
    """Return the search for the strongest positions of every channel."""

    def run() -> None:
        found = TopK(K)
        scan(
            model,
            dataset,
            [layer],
            lambda _, maps, batch: found.update(maps, batch.indices),
            batch_size=BATCH,
        )

    return run


def throughput(folder: Path, rounds: int, kept_in: Path | None) -> list[str]:
    """Return a table for each layer, with the share of the throughput that is left."""
    dataset, lines = open_dataset(folder), []
    for name, layer in LAYERS:
        model = cnnviz.load(name, "random", device="cpu")
        ways = {
            "bare forward pass": bare(model, dataset, layer),
            "search for the strongest": search(model, dataset, layer),
        }
        found = in_turns(ways, rounds)
        bare_pass, own = found.values()
        seconds, ratio = own.median(), own.of(bare_pass)
        work = f"Strongest patches of {name}, {layer}, batches of {BATCH}"
        keep(kept_in, work, found, [Goal("search for the strongest", ("bare forward pass",), 1.0)])
        lines += [
            table(f"{name}, {layer}, {len(dataset)} images", found),
            f"{len(dataset) / seconds:.1f} images/s: {1 / ratio:.2f} of the throughput of the "
            "bare forward pass.\n",
        ]
        print("\n".join(lines[-2:]), flush=True)
    return lines


def peak(count: int) -> float:
    """Return the peak memory in MB of a process that searches so many images."""
    done = subprocess.run(
        [sys.executable, __file__, "--peak", str(count)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def print_peak(count: int) -> None:
    """Search so many images in this process, and print the peak of its memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), count)
        model = cnnviz.load("shapes", device="cpu")
        search(model, open_dataset(folder), "features.11")()
    print(peak_bytes() / 1e6)


def peak_bytes() -> int:
    """Return the peak of this process's memory.

    Linux counts in `ru_maxrss` what the process that started this one had; not so in VmHWM.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory(counts: tuple[int, ...]) -> list[str]:
    """Return a table of the peak memory for several numbers of images."""
    lines = ["### Peak memory, shapes-plain, features.11", "", "| images | MB |", "|---:|---:|"]
    lines += [f"| {count:,} | {peak(count):.0f} |" for count in counts]
    print("\n".join(lines), flush=True)
    return [*lines, ""]


def main() -> None:
    """Measure, and print or write the tables."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reader.add_argument("--rounds", type=int, default=3)
    reader.add_argument("--images", type=int, default=300)
    reader.add_argument("--memory", type=int, nargs="+", default=MEMORY)
    reader.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    reader.add_argument("--write", type=Path)
    add_json_option(reader)
    given = reader.parse_args()
    if given.peak:
        print_peak(given.peak)
        return
    lines = [
        f"Measured with {torch.get_num_threads()} threads on {platform.machine()}, torch "
        f"{torch.__version__}; medians of {given.rounds} rounds, turn by turn, batches of {BATCH}.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), given.images)
        lines += throughput(Path(folder), given.rounds, given.json)
    lines += memory(tuple(given.memory))
    if given.write:
        given.write.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
