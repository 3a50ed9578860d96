"""Deletion and insertion: how fast the answer goes, and comes, in the order of a map."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch, Maps, at_size
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.checks.random_maps import ranks
from cnnviz.images.baselines import Baseline, baseline_images


@dataclass(frozen=True, eq=False)
class Curves:
    """The probability of the explained class while pixels go or come, the brightest first.

    Attributes
    ----------
    baselines : tuple of str
        The B images that stand for the missing pixels.
    shares : ndarray of float
        The share of the pixels that has been exchanged, from 0 to 1, [S + 1].
    deletion, insertion : ndarray of float
        Probabilities, [B, N, S + 1].
    random_deletion, random_insertion : ndarray of float
        Those of the random maps, [B, N, R, S + 1].
    """

    baselines: tuple[str, ...]
    shares: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]
    random_deletion: NDArray[np.float64]
    random_insertion: NDArray[np.float64]

    def measures(self) -> tuple[Measure, ...]:
        """Return deletion and insertion for each baseline, and the gain over all of them.

        The area under a curve is the mean probability on the way. The gain is insertion minus
        deletion, averaged over the baselines.
        """
        deleted, inserted = self._area(self.deletion), self._area(self.insertion)
        random_deleted = self._area(self.random_deletion)
        random_inserted = self._area(self.random_insertion)
        found = []
        for place, name in enumerate(self.baselines):
            found += [
                Measure(
                    f"deletion_{name}",
                    f"deletion ({name})",
                    "low",
                    deleted[place],
                    random_deleted[place],
                ),
                Measure(
                    f"insertion_{name}",
                    f"insertion ({name})",
                    "high",
                    inserted[place],
                    random_inserted[place],
                ),
            ]
        gain, random_gain = inserted - deleted, random_inserted - random_deleted
        whole = Measure("gain", "insertion - deletion", "high", gain.mean(0), random_gain.mean(0))
        return (*found, whole)

    def _area(self, curves: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.trapezoid(curves, self.shares, axis=-1))


def deletion_insertion(
    subject: ExplainedBatch,
    maps: Maps,
    random: NDArray[np.float32],
    *,
    baselines: Sequence[Baseline] = ("blur", "mean"),
    steps: int = 10,
    seed: int = 0,
) -> Curves:
    """Delete and insert pixels in the order of the maps (Petsiuk et al. 2018, algorithm 1).

    Parameters
    ----------
    subject : ExplainedBatch
        The images and classes.
    maps : ndarray of float32
        [N, h, w].
    random : ndarray of float32
        [N, R, h, w], stretched to the input in the same way.
    baselines : sequence of str
        What the missing pixels are taken from; see `cnnviz.images.baselines`. What is measured
        depends on it, which is why there are two: blurring leaves colours, and the mean colour
        leaves the shape of what was removed.
    steps : int
        In how many steps all pixels are exchanged, each as long as whole pixels allow.
    seed : int
        The seed of the order of pixels with equal values.
    """
    count = 1 + random.shape[1]
    rng = np.random.default_rng(seed)
    every = at_size(np.concatenate([maps[:, None], random], axis=1), subject.size)
    empty = [
        baseline_images(subject.model.preprocessing, subject.inputs, kind, seed)
        for kind in baselines
    ]
    key = tuple(baselines), seed
    if ("ends", *key) not in subject.shared:
        ends = np.stack([subject.answers(enumerate(images)) for images in empty])
        subject.shared["ends", *key] = ends
    ends = subject.shared["ends", *key]
    # What was asked with one of these pixels missing is not asked again, by whatever map.
    known = subject.shared.setdefault(("trials", *key), {}) if subject.shares_trials else {}
    middle = np.stack(
        [
            _answered(subject, image, [ranks(-values, rng) for values in row], empty, steps, known)
            for image, row in enumerate(every)
        ]
    )
    # [N, 1 + R, S - 1, B, 2] to [2, B, N, 1 + R, S - 1]
    middle = middle.transpose(4, 3, 0, 1, 2)
    start = np.broadcast_to(subject.whole[None, :, None], (len(empty), len(maps), count))
    end = np.broadcast_to(ends[:, :, None], start.shape)
    whole = math.prod(subject.size)
    deletion = np.concatenate([start[..., None], middle[0], end[..., None]], axis=-1)
    insertion = np.concatenate([end[..., None], middle[1], start[..., None]], axis=-1)
    return Curves(
        baselines=tuple(baselines),
        shares=np.array([_pixels(step, steps, whole) for step in range(steps + 1)]) / whole,
        deletion=deletion[:, :, 0],
        insertion=insertion[:, :, 0],
        random_deletion=deletion[:, :, 1:],
        random_insertion=insertion[:, :, 1:],
    )


def _pixels(step: int, steps: int, whole: int) -> int:
    """Return how many pixels have been exchanged after a step."""
    return round(step * whole / steps)


@dataclass(frozen=True, eq=False)
class _Trial:
    """An image of which some pixels are missing: the first of an order, or all but the first."""

    order: NDArray[np.int64]
    pixels: int
    inserted: bool
    baseline: int

    def missing(self) -> NDArray[np.bool_]:
        """Return which pixels are taken from the baseline, flat."""
        return np.logical_xor(self.order < self.pixels, self.inserted)


def _answered(
    subject: ExplainedBatch,
    image: int,
    orders: Sequence[NDArray[np.int64]],
    empty: Sequence[torch.Tensor],
    steps: int,
    known: dict[Hashable, float],
) -> NDArray[np.float64]:
    """Return the answers while pixels of an image go and come, [orders, steps - 1, B, 2]."""
    shape = (len(orders), steps - 1, len(empty), 2)
    keys: list[Hashable] = []
    new: dict[Hashable, _Trial] = {}
    for order in orders:
        for step in range(1, steps):
            pixels = _pixels(step, steps, order.size)
            sides = [_Trial(order, pixels, inserted, 0) for inserted in (False, True)]
            digests = [_digest(side.missing()) for side in sides]
            for place in range(len(empty)):
                for side, digest in zip(sides, digests, strict=True):
                    keys.append((image, place, digest))
                    if keys[-1] not in known:
                        new.setdefault(keys[-1], replace(side, baseline=place))
    whole = subject.inputs[image]

    def changed() -> Iterator[tuple[int, torch.Tensor]]:
        for trial in new.values():
            missing = torch.from_numpy(trial.missing()).view(subject.size).to(whole.device)
            yield image, torch.where(missing, empty[trial.baseline][image], whole)

    known.update(zip(new, subject.answers(changed()).tolist(), strict=True))
    return np.array([known[key] for key in keys]).reshape(shape)


def _digest(missing: NDArray[np.bool_]) -> bytes:
    return hashlib.sha256(np.packbits(missing).tobytes()).digest()
