"""A random sample of the images, the same for every channel, whatever was seen in which order."""

from __future__ import annotations

import numpy as np
import torch

from cnnviz.units.peaks import Peaks
from cnnviz.units.top_k import first_strongest
from cnnviz_gallery.scan.ranked_images import NOBODY, Ints, RankedImages, rank


class ImageSample:
    """What channels respond to in the images whose `rank` is least.

    Parameters
    ----------
    channels : int
        Of all layers together.
    count : int
        Images in the sample.
    seed : int
        Which these are.
    """

    def __init__(self, channels: int, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._images = np.full(count, NOBODY, np.int64)
        self._values = np.full((count, channels), -np.inf, np.float32)
        self._rows = np.zeros((count, channels), np.int32)
        self._columns = np.zeros((count, channels), np.int32)
        self._batch: Ints | None = None
        self._admitted: list[tuple[int, int]] = []

    def see(self, place: slice, maps: torch.Tensor, images: Ints, known: Peaks) -> None:
        """Look at the maps [N, C, H, W] of the channels at some place, of some images.

        Every channel must be shown a batch before any is shown the next. `known` are the largest
        values of these maps.
        """
        if self._batch is not images:
            self._admitted, self._batch = self._admit(images), images
        if not self._admitted:
            return
        rows, slots = np.array(self._admitted).T
        shape = len(rows), maps.shape[1]
        which, channels = (each.ravel() for each in np.indices(shape))
        values, down, across = first_strongest(maps, rows[which], channels, known)
        self._values[slots, place] = values.reshape(shape) + 0.0
        self._rows[slots, place] = down.reshape(shape)
        self._columns[slots, place] = across.reshape(shape)

    def picks(self, place: slice) -> RankedImages:
        """Return what was found of the channels at some place."""
        order = np.lexsort((rank(self._images, self._seed), self._images == NOBODY))
        values = np.ascontiguousarray(self._values[order, place].T)
        rows, columns = (
            np.ascontiguousarray(each[order, place].T, np.int64)
            for each in (self._rows, self._columns)
        )
        images = np.broadcast_to(self._images[order], values.shape).copy()
        return RankedImages(images, values, rows, columns)

    def _admit(self, images: Ints) -> list[tuple[int, int]]:
        """Let in the images of a batch that belong to the sample: (row, slot) of each."""
        both = np.concatenate([self._images, images])
        order = np.lexsort((rank(both, self._seed), both == NOBODY))[: self._count]
        kept, new = order[order < self._count], order[order >= self._count] - self._count
        free = np.setdiff1d(np.arange(self._count), kept[self._images[kept] != NOBODY])
        found = list(zip(new.tolist(), free.tolist(), strict=False))
        for row, slot in found:
            self._images[slot] = images[row]
        return found
