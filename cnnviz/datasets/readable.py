"""Whether any image of a data set can be read, without a network and without torch."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.datasets.dataset import Dataset
from cnnviz.errors import ImageError
from cnnviz.images import PhotoError, Refusal
from cnnviz.results.text import reasons


def check_any_readable(dataset: Dataset) -> None:
    """Raise `ImageError` where no image can be read; no further one is read than the first."""
    refused: list[Refusal] = []
    for index in range(len(dataset)):
        try:
            dataset.read(index)
        except ImageError as error:
            refused.append(refusal(error, dataset.name(index)))
        else:
            return
    raise nothing_left(refused, dataset)


def nothing_left(refused: Sequence[Refusal], dataset: Dataset) -> ImageError:
    """Return the error for a data set of which no image could be read."""
    if len(refused) == len(dataset) == 1:
        (only,) = refused
        return ImageError(f"{only.name}: {only.reason}.", only.remedy or "Check the file.")
    why = f" ({reasons(refused, 3)})" if refused else ""
    return ImageError(f"No image of {dataset.describe()} can be used{why}.", "Check the files.")


def refusal(error: ImageError, name: str) -> Refusal:
    """Return what is told of an image of a data set that cannot be read."""
    reason = error.reason if isinstance(error, PhotoError) else error.what.rstrip(".")
    return Refusal(name, reason, error.remedy)
