"""The score of every image with every square of it hidden, for the view of occlusion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.heatmaps.occlusion import BlockGrid, BlockSweep, Grid, Sweep
from cnnviz.introspection.hooks import isolated
from cnnviz.models import Model
from cnnviz.passes.fast_model import check_sound, on_fast_copy
from cnnviz.passes.malloc import freed_memory_kept
from cnnviz.passes.targets import Scores
from cnnviz.results.progress import Progress
from cnnviz.results.text import minus

SAMPLES = 8
"""How many squares of each image an approximation is held against the exact scores at."""
Laid = Grid | BlockGrid
Position = tuple[int, ...]


@dataclass(frozen=True)
class OcclusionSearch:
    """Every square of every image, at most `at_once` together, or each by itself if that is 1."""

    model: Model
    inputs: torch.Tensor
    baselines: torch.Tensor
    explained: Scores
    grid: Laid
    at_once: int

    def run(
        self, approximate: float | None, progress: Progress
    ) -> tuple[NDArray[np.float32], list[str]]:
        """Return the drops of every square of every image, and what is to be told of them.

        They are computed on a faster copy of the network where there is one.
        """

        def hide(computed_on: Model) -> tuple[NDArray[np.float32], list[str]]:
            search = replace(self, model=computed_on)
            with isolated(computed_on.module, grad=False), freed_memory_kept():
                return search._run(approximate, progress)

        rows = len(self.inputs) * len(self.grid.positions)
        return on_fast_copy(self.model, self.inputs, hide, rows=rows)

    def _run(
        self, approximate: float | None, progress: Progress
    ) -> tuple[NDArray[np.float32], list[str]]:
        count, squares = len(self.baselines), len(self.grid.positions)
        drops = np.zeros((count, *self.grid.shape), np.float32)
        notes: dict[str, None] = {}
        errors = []
        for image in range(count):
            sweep, done = self._sweep(image, approximate), 0
            for positions in self.grid.groups(self.at_once):
                progress(image * squares + done, count * squares, "hiding squares")
                found = self._drops(sweep, image, positions)
                for at, drop in zip(positions, found, strict=True):
                    drops[(image, *at)] = drop
                done += len(positions)
            if approximate is not None:
                errors.append(self._error(image, drops[image]))
            notes.update(dict.fromkeys(_work(sweep)))
        progress(count * squares, count * squares, "done")
        told = [] if approximate is None else [_accuracy(approximate, errors, drops)]
        return drops, [*notes, *told]

    def _sweep(self, image: int, cap: float | None) -> Sweep | BlockSweep:
        part = slice(image, image + 1)
        given = self.model, self.inputs[part], self.baselines[part]
        score = self.explained.resolved_targets[image].score
        if isinstance(self.grid, BlockGrid):
            return BlockSweep(*given, self.grid, score)
        return Sweep(*given, self.grid, score, cap, alone=self.at_once == 1)

    def _drops(
        self, sweep: Any, image: int, positions: tuple[Position, ...]
    ) -> NDArray[np.float32]:
        scores = sweep.scores(positions)
        check_sound(self.model, scores)
        lost = self.explained.values[image] - scores
        found: NDArray[np.float32] = lost.float().cpu().numpy()
        return found

    def _error(self, image: int, drops: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how far the drops of some squares are from the exact ones."""
        every = self.grid.positions
        places = np.unique(np.linspace(0, len(every) - 1, SAMPLES).round().astype(int))
        sample = tuple(every[place] for place in places)
        exact = self._drops(self._sweep(image, None), image, sample)
        rows, columns = zip(*sample, strict=True)
        near: NDArray[np.float32] = np.abs(drops[rows, columns] - exact)
        return near


def _work(sweep: Sweep | BlockSweep) -> list[str]:
    """Say where patches had to give way to whole maps."""
    if sweep.whole_images is not None:
        if isinstance(sweep, BlockSweep):
            return [f"Whole inputs were computed for each: {sweep.whole_images}."]
        return [f"Whole images were computed for every square: {sweep.whole_images}."]
    if sweep.dense_from is not None:
        return [
            "Only what a square changes was computed as far as the operation "
            f"{sweep.dense_from!r}, for which there is no rule; from there on, whole maps."
        ]
    return []


def _accuracy(
    approximate: float, errors: list[NDArray[np.float32]], drops: NDArray[np.float32]
) -> str:
    """Say how large the error of an approximation was where it was measured."""
    found = np.concatenate(errors)
    return minus(
        f"Squares were taken to change at most {approximate:.0%} of a layer's side: at "
        f"{len(found)} of {drops.size} squares, computed exactly as well, the drop of the score is "
        f"off by {found.mean():.2g} on average and {found.max():.2g} at most; the drops go from "
        f"{drops.min():.3g} to {drops.max():.3g}."
    )
