"""The scan of a gallery beside the bare forward pass, and what ImageNet and ResNet-50 would cost.

    python tests/benchmarks/bench_gallery.py [--rounds N] [--images N] [--device D] [--write F.md]
                                             [--json FILE]

Both read the same generated photos with the same loader, in the same batches, and run the network
to its end; the scan also counts every channel of every convolution and linear layer. What it costs
to keep the parts of a scan of ResNet-50 is measured with noise, without running the network.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from bench_top_activations import generate, peak_bytes
from kept_results import Goal, add_json_option, keep
from torch import nn
from turns import Timed, Way, in_turns, table

import cnnviz
from cnnviz.datasets import Dataset, LoadedBatch, default_workers, open_dataset, stream
from cnnviz.models import Model
from cnnviz.passes.copy_policy import PAYS
from cnnviz.passes.fast_model import fast_model
from cnnviz.passes.malloc import freed_memory_kept
from cnnviz.passes.precision import Precision, lacks_bf16
from cnnviz.results.shard_files import ShardFiles
from cnnviz.results.text import estimated_time
from cnnviz_gallery.scan.accumulator import Accumulator
from cnnviz_gallery.scan.partial_scan import PartialScan, PartialScans
from cnnviz_gallery.scan.plan import ScanPlan, plan_scan
from cnnviz_gallery.scan.scan import key, scan, scannable
from cnnviz_gallery.scan.scan_result import ScanSettings

LARGE = "resnet50"
NETWORKS = ("squeezenet1_0", LARGE)
FEW = 64
BATCH = ScanSettings().batch_size
KEPT = "forward pass, freed memory kept"
IMAGES, CLASSES = 1_281_167, 1000
UNIT_PAGE = 45_000
"""At most, in bytes, with its pictures."""


def bare(model: Model, data: Dataset, *, keeping: bool = False, fast: bool = False) -> Way:
    """Return a forward pass over all images, and nothing else."""

    def run() -> None:
        module = model.module.eval()
        kept = freed_memory_kept() if keeping else nullcontext()
        with (
            kept,
            torch.no_grad(),
            stream(
                data,
                model.preprocessing,
                ScanSettings().batch_size,
                device=model.device,
                dtype=model.dtype,
            ) as batches,
        ):
            for batch in batches:
                tensor, forward = batch.tensor, module
                if fast:
                    forward = fast_model(model, tensor, rows=PAYS).forward
                # Until the answers are here, a GPU has only been told what to do.
                forward(tensor).cpu()

    return run


def scanned(
    model: Model, data: Dataset, precision: Precision = "float32", *, fast: bool = True
) -> Way:
    """Return a scan, which is written to a new folder."""

    def run() -> None:
        before = os.environ.pop("CNNVIZ_FAST", None)
        os.environ["CNNVIZ_FAST"] = "1" if fast else "0"
        try:
            with tempfile.TemporaryDirectory() as folder:
                settings = ScanSettings(precision=precision)
                scan(model, data, folder=Path(folder), settings=settings)
        finally:
            del os.environ["CNNVIZ_FAST"]
            if before is not None:
                os.environ["CNNVIZ_FAST"] = before

    return run


def _ways(model: Model, data: Dataset) -> dict[str, Way]:
    ways = {
        KEPT: bare(model, data, keeping=True),
        "forward pass": bare(model, data),
        "forward pass of the fast copy": bare(model, data, keeping=True, fast=True),
        "scan on the network itself": scanned(model, data, fast=False),
        "scan": scanned(model, data),
    }
    if not lacks_bf16(model.device):
        ways["scan in bfloat16"] = scanned(model, data, "bf16")
    return ways


def throughput(
    data: Dataset, rounds: int, device: str, kept_in: Path | None
) -> tuple[list[str], float]:
    """Return a table for each network, and the images a second of a scan of the large one.

    What a scan takes to begin and to end does not count in one of a million images: the times are
    those of the images after the first few.
    """
    few, lines, rate = data.spread(FEW), list[str](), 0.0
    for name in NETWORKS:
        model = cnnviz.load(name, "random", device=device)
        ways = {(what, 0): way for what, way in _ways(model, few).items()}
        ways |= {(what, 1): way for what, way in _ways(model, data).items()}
        found = in_turns({f"{what} {part}": way for (what, part), way in ways.items()}, rounds)
        rest = {what: _after(found[f"{what} 1"], found[f"{what} 0"]) for what, part in ways if part}
        count = len(data) - len(few)
        rate = count / rest["scan"].median()
        work = f"Scan of {name}, {len(scannable(model))} layers, batches of {BATCH}"
        goals = [Goal("scan", (KEPT,), 1.0), Goal("scan in bfloat16", (KEPT,), 1.8)]
        keep(kept_in, work, rest, [goal for goal in goals if goal.way in rest])
        lines += [
            table(f"{work}, {count} images", rest),
            f"{rate:.1f} images/s.\n",
        ]
        print("\n".join(lines[-2:]), flush=True)
    return lines, rate


def _after(whole: Timed, few: Timed) -> Timed:
    """Return the times of the images that come after the first few."""
    apart = zip(whole.wall, few.wall, strict=True), zip(whole.cpu, few.cpu, strict=True)
    wall, cpu = (tuple(all_ - first for all_, first in each) for each in apart)
    return Timed(wall, cpu)


def noise(start: ScanPlan, names: tuple[str, ...], count: int, model: Model) -> Accumulator:
    """Return what a process has counted that has seen images of every class."""
    tally = Accumulator(start, ScanSettings(), IMAGES, model)
    generator = torch.Generator().manual_seed(0)
    size = ScanSettings().batch_size
    for first in range(0, count, size):
        places = np.arange(first, first + size)
        batch = LoadedBatch(torch.empty(size, *start.input_shape), places, places % CLASSES)
        for each, name in zip(start.layers, names, strict=True):
            tally.see(name, torch.randn(size, each.shape[0], 1, 1, generator=generator), batch)
        tally.answered(torch.randn(size, CLASSES, generator=generator), batch)
    return tally


def keeping(data: Dataset, rate: float, device: str) -> list[str]:
    """Return what it takes to keep and join the parts of a scan of the large network."""
    model = cnnviz.load(LARGE, "random", device=device)
    names = tuple(name for name in scannable(model) if isinstance(_layer(model, name), nn.Conv2d))
    start = plan_scan(model, data, names)
    channels = sum(each.shape[0] for each in start.layers)
    tally = noise(start, names, 2 * CLASSES, model)
    with tempfile.TemporaryDirectory() as folder:
        depends = key(model, data, names, ScanSettings(), 512)
        parts: ShardFiles[PartialScan] = ShardFiles(Path(folder), depends)
        begun = time.perf_counter()
        parts.write(tally.portion((0,), {}))
        writing = time.perf_counter() - begun
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.npz"))
        other: ShardFiles[PartialScan] = ShardFiles(Path(folder), depends)
        other.write(tally.portion((1,), {}))
        begun = time.perf_counter()
        other.join(PartialScans(start, 0))
        joining = time.perf_counter() - begun
    lines = [
        f"### {LARGE}, {channels:,} channels, {CLASSES:,} classes, {IMAGES:,} images",
        "",
        f"- One process, at {rate:.1f} images/s: {estimated_time(IMAGES / rate)}; eight such "
        f"processes: {estimated_time(IMAGES / rate / 8)}.",
        f"- Memory: {peak_bytes() / 1e9:.1f} GB at most for a process here, joining included, "
        f"{16 * IMAGES / 1e6:.0f} MB of it for the answers; it does not grow otherwise.",
        f"- Disk: {size / 1e9:.2f} GB for the part of each process, twice that while it is written "
        f"anew; at most {channels * UNIT_PAGE / 1e9:.1f} GB for the pages of all channels.",
        f"- Writing a part takes {writing:.1f} s, and joining two {joining:.1f} s.",
    ]
    print("\n".join(lines), flush=True)
    return lines


def _layer(model: Model, name: str) -> nn.Module:
    return model.module.get_submodule(name.partition("#")[0])


def main() -> None:
    """Measure, and print or write the tables."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reader.add_argument("--rounds", type=int, default=3)
    reader.add_argument("--images", type=int, default=320)
    reader.add_argument("--device", default="cpu")
    reader.add_argument("--write", type=Path)
    add_json_option(reader)
    given = reader.parse_args()
    where = torch.cuda.get_device_name() if given.device.startswith("cuda") else platform.machine()
    lines = [
        f"Measured on {where} with {torch.get_num_threads()} threads that compute and "
        f"{default_workers()} that read, torch {torch.__version__}; medians of {given.rounds} "
        f"rounds, turn by turn, batches of {ScanSettings().batch_size}.",
        "",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), given.images)
        data = open_dataset(folder)
        tables, rate = throughput(data, given.rounds, given.device, given.json)
        lines += tables + keeping(data, rate, given.device)
    if given.write:
        given.write.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
