"""Deletion and insertion: how fast the answer goes, and comes, in the order of a map."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

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
        In how many equal steps all pixels are exchanged.
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
    key = ("curves", tuple(baselines), steps, seed)
    # Methods whose maps put the pixels in the same order share what was asked in it.
    known: dict[Hashable, NDArray[np.float64]] = subject.shared.setdefault(key, {})
    if "ends" not in known:
        known["ends"] = np.stack([subject.answers(enumerate(images)) for images in empty])
    ends = known["ends"]

    def changed(image: int, order: NDArray[np.int64]) -> Iterator[tuple[int, torch.Tensor]]:
        whole = subject.inputs[image]
        place = torch.from_numpy(order).view(subject.size).to(whole.device)
        for step in range(1, steps):
            gone = place < round(step * order.size / steps)
            for missing in empty:
                yield image, torch.where(gone, missing[image], whole)
                yield image, torch.where(gone, whole, missing[image])

    def found(image: int) -> NDArray[np.float64]:
        orders = [ranks(-values, rng) for values in every[image]]
        digests = [(image, hashlib.sha256(order.tobytes()).digest()) for order in orders]
        new = {
            digest: order
            for digest, order in zip(digests, orders, strict=True)
            if digest not in known
        }
        asked = subject.answers(
            chain.from_iterable(changed(image, order) for order in new.values())
        )
        known.update(zip(new, asked.reshape(len(new), steps - 1, len(empty), 2), strict=True))
        return np.stack([known[digest] for digest in digests])

    middle = np.stack([found(image) for image in range(len(maps))])
    # [N, 1 + R, S - 1, B, 2] to [2, B, N, 1 + R, S - 1]
    middle = middle.transpose(4, 3, 0, 1, 2)
    start = np.broadcast_to(subject.whole[None, :, None], (len(empty), len(maps), count))
    end = np.broadcast_to(ends[:, :, None], start.shape)
    deletion = np.concatenate([start[..., None], middle[0], end[..., None]], axis=-1)
    insertion = np.concatenate([end[..., None], middle[1], start[..., None]], axis=-1)
    return Curves(
        baselines=tuple(baselines),
        shares=np.linspace(0.0, 1.0, steps + 1),
        deletion=deletion[:, :, 0],
        insertion=insertion[:, :, 0],
        random_deletion=deletion[:, :, 1:],
        random_insertion=insertion[:, :, 1:],
    )
