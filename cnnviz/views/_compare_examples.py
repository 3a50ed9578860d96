"""The images whose answers are drawn: what either network says of them, and where it looked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnviz.datasets import Dataset
from cnnviz.images import Batch, Photo
from cnnviz.models import Model
from cnnviz.views._compare_pass import UNKNOWN, Side
from cnnviz.views._followed import FollowedImage, overlaid, thumbnail

_TILE = 128


def looked_at(model: Model, dataset: Dataset, indices: Sequence[int]) -> list[FollowedImage]:
    """Return what a network says of some images."""
    return [FollowedImage(model, _prepared(model, dataset, index), None) for index in indices]


def _prepared(model: Model, dataset: Dataset, index: int) -> Batch:
    image = dataset.read(index).image
    return model.prepare(image if isinstance(image, Photo) else image[None])


def tile(image: FollowedImage) -> NDArray[np.uint8]:
    """Return an image as the network takes it, square, with where it looked over it."""
    pixels = image.model.preprocessing.invert(image.batch.tensor[0])
    small = thumbnail(overlaid(pixels, image.original.heat), _TILE)
    found = np.full((_TILE, _TILE, 3), 255, np.uint8)
    top, left = ((_TILE - side) // 2 for side in small.shape[:2])
    found[top : top + small.shape[0], left : left + small.shape[1]] = small
    return found


def truth_of(side: Side, dataset: Dataset, index: int) -> str:
    """Return what an image is labelled with; nothing where that is not known."""
    label, classes = side.labels[index], dataset.classes
    if label == UNKNOWN:
        return ""
    return classes[label] if label < len(classes) else str(label)
