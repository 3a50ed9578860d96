"""How much faithfulness is lost where Grad-CAM's ReLU comes after the stretching.

    python tests/benchmarks/bench_clipping.py FOLDER [--model NAME] [--steps N]

Insertion minus deletion (Petsiuk et al. 2018), from the blurred and from the mean image, of
Grad-CAM at the last stage for the likeliest class of each photo in the folder. The difference is
paired over the photos; its interval is that of 2000 resamples.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import cnnviz
from cnnviz.evaluation.result import intervals
from cnnviz.heatmaps.checks.deletion_insertion import deletion_insertion
from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch, Maps, at_size
from cnnviz.heatmaps.heatmap import Heatmap, evidence

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def gains(subject: ExplainedBatch, maps: Maps, steps: int) -> NDArray[np.float64]:
    """Return insertion minus deletion of each map, over both baselines, [N]."""
    none = np.zeros((len(maps), 0, *maps.shape[1:]), np.float32)
    curves = deletion_insertion(subject, maps, none, steps=steps)
    found = next(measure for measure in curves.measures() if measure.key == "gain")
    return found.values


def orders(heatmap: Heatmap, size: tuple[int, int]) -> dict[str, Maps]:
    """Return the same maps with the ReLU before and after the stretching, and without it."""
    signed = at_size(heatmap.maps[-1], size)
    return {
        "clipped, then stretched (what is drawn)": at_size(heatmap.shown(), size),
        "stretched, then clipped": evidence(signed, relu=True),
        "stretched, both signs": signed,
    }


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="squeezenet1_0")
    parser.add_argument("--steps", type=int, default=10)
    asked = parser.parse_args()
    model = cnnviz.load(asked.model)
    photos = sorted(p for p in asked.folder.iterdir() if p.suffix.lower() in SUFFIXES)
    held = cnnviz.capture(model, photos, layers="stages", gradients="layers")
    heatmap = cnnviz.cam(held)
    subject = ExplainedBatch.of(model, held.batch, heatmap=heatmap)
    found = {
        name: gains(subject, maps, asked.steps)
        for name, maps in orders(heatmap, subject.size).items()
    }
    first = next(iter(found.values()))
    print(f"{asked.model}, {heatmap.layers[-1]}, {len(photos)} photos, {asked.steps} steps\n")
    print("| the map | insertion - deletion | less than what is drawn |")
    print("|---|---|---|")
    for name, values in found.items():
        lost = first - values
        low, high = intervals(lost[None], 0)
        told = "" if values is first else f"{lost.mean():.3f} ({low[0]:.3f} to {high[0]:.3f})"
        print(f"| {name} | {values.mean():.3f} | {told} |")


if __name__ == "__main__":
    main()
