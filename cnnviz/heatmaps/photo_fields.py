"""What a map of evidence holds of the photos, signals or volumes that it lies over."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from cnnviz.images import ArrayInput, PhotoBox, axis_names_of
from cnnviz.passes.photo_answers import PhotoAnswer, photo_answers
from cnnviz.results.space import IMAGE

if TYPE_CHECKING:
    from cnnviz.passes.captured import Capture


class PhotoFields(TypedDict):
    """What of a `Heatmap` tells of the photos under the maps."""

    images: tuple[str, ...]
    photos: tuple[NDArray[np.uint8], ...]
    boxes: tuple[PhotoBox, ...]
    answers: tuple[PhotoAnswer, ...]
    inputs: tuple[NDArray[np.float32], ...]
    rates: tuple[float | None, ...]
    axis_names: tuple[str, ...]


def photo_fields(capture: Capture) -> PhotoFields:
    """Return what a `Heatmap` holds of the photos that its maps lie over."""
    batch = capture.batch
    arrays = [one for one in batch.photos if isinstance(one, ArrayInput) and one.space != IMAGE]
    prepared = capture.model.preprocessing
    return {
        "answers": photo_answers(capture),
        "images": tuple(photo.name for photo in batch.photos),
        "photos": tuple(photo.pixels for photo in batch.photos),
        "boxes": batch.boxes,
        "inputs": tuple(one.values for one in arrays),
        "rates": tuple(one.rate for one in arrays),
        "axis_names": axis_names_of(prepared),
    }
