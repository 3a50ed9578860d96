"""The images on which a loss is measured, and the answers that count as right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.bounds import Count, bounded, read_whole
from cnnviz.datasets import SHAPES, Dataset, open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.datasets.shapes import Shapes
from cnnviz.errors import TargetError
from cnnviz.images import Batch
from cnnviz.images.inputs import Images
from cnnviz.images.paths import expand
from cnnviz.models import Model
from cnnviz.passes.targets import check_one_each

COUNT = 64
"""How many images of a data set are taken where no count is given."""

Label = int | str
Labels = tuple[int, ...] | NDArray[np.float64]
"""The right class of each image; or for each label of each image whether it is right, [N, K]."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images with their labels.

    Attributes
    ----------
    batch : Batch
        The images, preprocessed.
    labels : tuple of int, ndarray of float or None
        The right class of each image; or for each of K labels whether it is right, [N, K], 1 or 0;
        None where the network's own answers are to count.
    source : str
        Where the labels come from, in a sentence.
    """

    batch: Batch
    labels: Labels | None
    source: str


@bounded
def labelled_images(
    model: Model,
    images: Images | Data,
    labels: Label | Sequence[Label] | torch.Tensor | None = None,
    count: Count | None = None,
) -> LabelledImages:
    """Read images and their labels.

    Parameters
    ----------
    model : Model
        The network, for its preprocessing and the names of its classes.
    images : image or images, "shapes", folder, or data set
        Whatever `Model.prepare` takes; or data with or without labels, as
        `cnnviz.open_dataset` takes it.
    labels : int, str, sequence of these, or torch.Tensor, optional
        The right class of every image, or of each; those of the data set by default. For
        independent labels a row of ones and zeros for each image, [N, K].
    count : int, optional
        At most how many images; all that are given, and `COUNT` of a data set, by default.

    Raises
    ------
    TargetError
        If a class is not known, or there are more or fewer labels than images.
    ImageError
        If there is no image.
    """
    if isinstance(images, (list, tuple)) and len(images) == 1 and isinstance(images[0], str):
        images = images[0]
    if _is_data(images):
        return _of_data(model, open_dataset(images, count or COUNT), labels)
    batch = model.prepare(cast("Images", images))
    if count is not None and count < len(batch):
        batch = Batch(batch.tensor[:count], batch.photos[:count], batch.boxes[:count])
    return LabelledImages(batch, *_labels(model, labels, len(batch)))


def _is_data(images: Images | Data) -> TypeGuard[Data]:
    """Tell a data set from images: a set has a length and an index and is no list or array."""
    if isinstance(images, (Dataset, Shapes)):
        return True
    if isinstance(images, (str, Path)):
        return images == SHAPES or expand(images).is_dir()
    if isinstance(images, (list, tuple)):
        return bool(images) and all(isinstance(entry, (tuple, dict)) for entry in images)
    bare = not isinstance(images, (Batch, np.ndarray, torch.Tensor, bytes))
    return bare and hasattr(images, "__getitem__") and hasattr(images, "__len__")


def _of_data(model: Model, data: Dataset, labels: Any) -> LabelledImages:
    samples = [data.read(index) for index in range(len(data))]
    batch = model.prepare([sample.image for sample in samples])
    given = [sample.label for sample in samples]
    if labels is None and all(label is not None for label in given):
        known = data.classes and model.categories
        found = tuple(
            model.class_index(data.classes[label]) if known else label
            for label in given
            if label is not None
        )
        told = ". ".join((f"Labels are those of the data ({data.describe()})", *data.notes))
        return LabelledImages(batch, found, f"{told}.")
    return LabelledImages(batch, *_labels(model, labels, len(batch)))


def _labels(model: Model, labels: Any, count: int) -> tuple[Labels | None, str]:
    if labels is None:
        return None, (
            "No labels were given: the network's own answers count as right, so that the loss "
            "tells how firmly it stands by them, and not how good they are."
        )
    several = not isinstance(labels, (int, str))
    each: list[Any] = list(labels) if several else [labels] * count
    check_one_each(len(each), count, "label")
    if any(np.ndim(label) for label in each):
        return _rows(each), "Labels are as given."
    return tuple(_index(model, label) for label in each), "Labels are as given."


def _rows(each: Sequence[Any]) -> NDArray[np.float64]:
    found = [np.asarray(row.tolist() if isinstance(row, torch.Tensor) else row) for row in each]
    even = {row.shape for row in found}
    if len(even) > 1 or found[0].ndim != 1 or not all(np.isin(row, (0, 1)).all() for row in found):
        raise TargetError(
            "The labels are no table of ones and zeros with a row for each image.",
            "Give [N, K], with a one for each label of an image that is right; where one of the "
            "classes is right, one class each does.",
        )
    return np.stack(found).astype(np.float64)


def _index(model: Model, label: Any) -> int:
    if isinstance(label, str) and read_whole(label) is None:
        return model.class_index(label)
    return int(label)
