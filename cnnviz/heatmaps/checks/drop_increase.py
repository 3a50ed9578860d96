"""Average drop and increase: what the answer loses where the map is dark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch, Maps, at_size
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.heatmap import evidence


@dataclass(frozen=True, eq=False)
class DropIncrease:
    """The probability of the explained class in the image that the map leaves.

    Attributes
    ----------
    whole : ndarray of float
        In the whole image, [N].
    kept : ndarray of float
        In the image multiplied with the map, [N].
    random_kept : ndarray of float
        With each random map, [N, R].
    brightness : ndarray of float
        The mean of each map between 0 and 1: how much of the image it keeps, [N].
    random_brightness : ndarray of float
        [N, R].
    """

    whole: NDArray[np.float64]
    kept: NDArray[np.float64]
    random_kept: NDArray[np.float64]
    brightness: NDArray[np.float64]
    random_brightness: NDArray[np.float64]

    def measures(self) -> tuple[Measure, ...]:
        """Return the drop, the increase and, without which neither means much, the brightness."""
        whole = self.whole[:, None]
        # A class of probability zero has nothing to lose. A score below that of a blank image,
        # -1, can fall further, by as many times its distance from it.
        below = np.where(whole == 0.0, 1.0, np.abs(whole))
        drop = np.maximum(whole - self.kept[:, None], 0.0) / below
        random_drop = np.maximum(whole - self.random_kept, 0.0) / below
        rises = (self.kept > self.whole).astype(np.float64)
        random_rises = (self.random_kept > whole).astype(np.float64)
        return (
            Measure("average_drop", "average drop", "low", drop[:, 0], random_drop),
            Measure("increase", "increase", "high", rises, random_rises),
            Measure("brightness", "map brightness", "", self.brightness, self.random_brightness),
        )


def drop_increase(subject: ExplainedBatch, maps: Maps, random: NDArray[np.float32]) -> DropIncrease:
    """Multiply each image with its map and ask again (Chattopadhay et al. 2018, section 4.1).

    The map is taken from 0 to 1 of its largest value, evidence against the class as 0, and
    multiplied with the network's input, so that what is dark becomes the mean colour of the data
    the network was trained on. A map that is bright everywhere loses nothing: Poppi et al. 2021
    reach the best scores with such a map. Read both numbers beside those of the random maps, which
    are exactly as bright in all, and beside the brightness itself.

    Parameters
    ----------
    subject : ExplainedBatch
        The images and classes.
    maps : ndarray of float32
        [N, h, w].
    random : ndarray of float32
        [N, R, h, w].
    """
    both = evidence(np.concatenate([maps[:, None], random], axis=1), relu=True)
    every = _unit(at_size(both, subject.size), len(subject.size))

    def changed() -> Iterator[tuple[int, torch.Tensor]]:
        for image, whole in enumerate(subject.inputs):
            for values in every[image]:
                yield image, whole * torch.from_numpy(values).to(whole)

    kept = subject.answers(changed()).reshape(every.shape[:2])
    brightness = every.mean(tuple(range(2, every.ndim)), dtype=np.float64)
    return DropIncrease(subject.whole, kept[:, 0], kept[:, 1:], brightness[:, 0], brightness[:, 1:])


def _unit(maps: NDArray[np.float32], axes: int) -> NDArray[np.float32]:
    """Return maps of evidence from 0 to 1 of their largest value; one without any is 0."""
    most = maps.max(tuple(range(-axes, 0)), keepdims=True)
    return np.asarray(maps / np.where(most > 0.0, most, 1.0), np.float32)
