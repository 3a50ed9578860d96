"""Every amount of every sweep through the network, for the view of challenges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.course.challenges import Sweep, Swept, Variant, share_inside, similarity
from cnnviz.passes.likeliest import NO_CLASS
from cnnviz.views._followed import FollowedImage, Looked, overlaid, thumbnail

_THUMBNAIL = 72


class SweepsSeen:
    """What was found at every amount of every sweep."""

    def __init__(self, sweeps: Sequence[Sweep], steps: int) -> None:
        shape = len(sweeps), steps
        self.amounts = np.stack([sweep.amounts(steps) for sweep in sweeps])
        self.answers, self.beyond = np.zeros(shape), np.zeros(shape)
        self.similarity, self.on_object = np.full(shape, np.nan), np.full(shape, np.nan)
        self.classes = np.full(shape, NO_CLASS, np.int64)
        self.names = [[""] * steps for _ in sweeps]
        self.strips: list[NDArray[np.uint8]] = []

    def add(self, place: int, sweep: Sweep, swept: Swept, image: FollowedImage) -> None:
        """Run one sweep; the image as it is was looked at before."""
        variants = [swept.variant(sweep, float(amount)) for amount in self.amounts[place]]
        looked = [image.original, *image.look([one.values for one in variants[1:]])]
        tiles = []
        for step, (variant, found) in enumerate(zip(variants, looked, strict=True)):
            at = place, step
            self.answers[at], self.beyond[at] = found.answer, variant.beyond
            self.classes[at], self.names[place][step] = found.class_index, found.class_name
            self._compare(at, variant, found, image.original)
            tiles.append(_tile(image, variant, found))
        self.strips.append(np.stack(tiles))

    def _compare(
        self, at: tuple[int, int], variant: Variant, found: Looked, original: Looked
    ) -> None:
        if found.heat is None or original.heat is None:
            return
        self.similarity[at] = similarity(original.heat, found.heat, variant.back)
        if variant.mask is not None:
            self.on_object[at] = share_inside(found.heat, variant.mask)


def _tile(image: FollowedImage, variant: Variant, found: Looked) -> NDArray[np.uint8]:
    """Return the picture and its heatmap, [2, h, w, 3]."""
    values = torch.from_numpy(np.ascontiguousarray(variant.values))
    pixels = image.model.preprocessing.invert(values)
    pair = (pixels, overlaid(pixels, found.heat))
    return np.stack([thumbnail(one, _THUMBNAIL) for one in pair])
