"""Stability: how much a map changes when the photo hardly does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.heatmaps.checks.explained_batch import Explain, ExplainedBatch, Maps
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.checks.similarity import rank_correlation

NOISE = 0.02
"""The standard deviation of the noise, as a share of the range of pixels: five levels of 255."""


@dataclass(frozen=True, eq=False)
class Stability:
    """How alike the maps of slightly noisy copies are to those of the photos.

    Attributes
    ----------
    noise : float
        The standard deviation of the noise, as a share of the range of pixels.
    correlation : ndarray of float
        The rank correlation with the map of the photo, averaged over the copies, [N].
    change : ndarray of float
        The length of the difference of the maps over the length of the map, averaged, [N].
    shift : ndarray of float
        How much the probability of the explained class moved, averaged, [N].
    random_correlation, random_change : ndarray of float
        Those of the random maps, [N, R].
    """

    noise: float
    correlation: NDArray[np.float64]
    change: NDArray[np.float64]
    shift: NDArray[np.float64]
    random_correlation: NDArray[np.float64]
    random_change: NDArray[np.float64]

    def measures(self) -> tuple[Measure, ...]:
        """Return the correlation and the relative change."""
        return (
            Measure(
                "noise_correlation",
                "rank correlation under noise",
                "high",
                self.correlation,
                self.random_correlation,
            ),
            Measure(
                "noise_change",
                "relative change under noise",
                "low",
                self.change,
                self.random_change,
            ),
        )


def stability(
    subject: ExplainedBatch,
    maps: Maps,
    random: NDArray[np.float32],
    explain: Explain,
    *,
    copies: int = 3,
    noise: float = NOISE,
    seed: int = 0,
) -> Stability:
    """Explain noisy copies of each image and compare (after Alvarez-Melis and Jaakkola 2018).

    The noise is too weak for a person to mind, and it is drawn, not sought: this is the change to
    be expected, not the worst that an adversary could find. The class stays the one that was
    explained. A map of the photo alone is stable too, so stability never speaks for a method by
    itself.

    Parameters
    ----------
    subject : ExplainedBatch
        The images and classes.
    maps : ndarray of float32
        [N, h, w], from `explain` on the images as they are.
    random : ndarray of float32
        [N, R, h, w].
    explain : callable
        Makes the maps of a batch.
    copies : int
        How many noisy copies of each image.
    noise : float
        The standard deviation of the noise, as a share of the range of pixels.
    seed : int
        The seed of the noise.
    """
    inputs = subject.inputs
    # In the network's input a pixel from 0 to 1 spans 1 / deviation.
    std = subject.model.preprocessing.per_range(inputs.detach().float().cpu())
    generator = torch.Generator().manual_seed(seed)
    correlations, changes, shifts = [], [], []
    for _ in range(copies):
        drawn = torch.randn(inputs.shape, generator=generator) * noise / std
        noisy = inputs + drawn.to(inputs)
        found = explain(subject.model, replace(subject.batch, tensor=noisy), subject.asked)
        pairs = list(zip(maps, found, strict=True))
        correlations.append([rank_correlation(first, second) for first, second in pairs])
        changes.append([_relative(first, second) for first, second in pairs])
        shifts.append(np.abs(subject.answers(enumerate(noisy)) - subject.whole))
    return Stability(
        noise=noise,
        correlation=np.mean(correlations, axis=0),
        change=np.mean(changes, axis=0),
        shift=np.mean(shifts, axis=0),
        random_correlation=_each(rank_correlation, maps, random),
        random_change=_each(_relative, maps, random),
    )


def _relative(first: Maps, second: Maps) -> float:
    length = float(np.linalg.norm(first.astype(np.float64)))
    apart = float(np.linalg.norm(first.astype(np.float64) - second))
    return apart / length if length > 0.0 else float(apart > 0.0)


def _each(
    compare: Callable[[Maps, Maps], float], maps: Maps, random: NDArray[np.float32]
) -> NDArray[np.float64]:
    pairs = zip(maps, random, strict=True)
    return np.array([[compare(values, one) for one in several] for values, several in pairs])
