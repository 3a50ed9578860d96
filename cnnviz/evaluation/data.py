"""The images to evaluate on, with the object where it is known; read when they are measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cnnviz.datasets import SHAPES, Dataset, open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.datasets.shapes import Shapes
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import Photo

_DEFAULT_COUNT = 40
Mask = NDArray[np.bool_]


class EvaluationImage:
    """One image to evaluate on, with the object where it is known.

    Parameters
    ----------
    photo : Photo
        The image.
    mask : ndarray of bool, optional
        The pixels that show the object, [H, W].
    """

    def __init__(self, photo: Photo, mask: Mask | None = None) -> None:
        self.name = photo.name
        self._photo: Callable[[], Photo] = lambda: photo
        self._mask: Callable[[], Mask | None] = lambda: mask
        self._sha256: Callable[[], str] = lambda: photo.sha256

    @classmethod
    def of(cls, dataset: Dataset, index: int) -> EvaluationImage:
        """Return an image of a data set, which is read anew whenever it is asked for."""
        item = cls.__new__(cls)
        item.name = PurePosixPath(dataset.name(index)).name

        def photo() -> Photo:
            image = dataset.read(index).image
            if not isinstance(image, Photo):
                raise ImageError(f"{item.name} is a preprocessed tensor.", "Give photos.")
            return image

        item._photo = photo
        item._mask = lambda: dataset.mask(index)
        item._sha256 = lambda: dataset.sha256(index)
        return item

    @property
    def photo(self) -> Photo:
        """The image, read now; `ImageError` if it cannot be."""
        return self._photo()

    @property
    def mask(self) -> Mask | None:
        """The pixels that show the object, [H, W], read now; None where it is not known."""
        return self._mask()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the photo, for which a file is not decoded."""
        return self._sha256()

    @cached_property
    def key(self) -> str:
        """What tells this image and mask from all others."""
        digest = hashlib.sha256(self.sha256.encode())
        mask = self.mask
        if mask is not None:
            digest.update(np.packbits(mask).tobytes())
        return digest.hexdigest()


def items(
    data: Data | Sequence[EvaluationImage], count: int | None = None
) -> tuple[list[EvaluationImage], list[str]]:
    """Return the images of a data set, none of them decoded, and why others were left out.

    Parameters
    ----------
    data : str, Path, Shapes, data set, or list of EvaluationImages
        ``"shapes"`` for held-out samples of the shipped data, or whatever
        `cnnviz.open_dataset` opens. A file ``NAME-mask.png`` beside an image marks the
        object with its bright pixels, as `cnnviz shapes` writes it.
    count : int, optional
        At most how many, evenly spread over a folder or a list; 40 of the shipped data, and all
        of anything else, by default.

    Raises
    ------
    ImageError
        If no image is left.
    UsageError
        If there is no such folder, or the count is not positive.
    """
    if count is not None and count < 1:
        raise UsageError(f"{count} images cannot be evaluated.", "Give 1 or more.")
    found: list[EvaluationImage] = []
    refused: list[str] = []
    for source, index in _sources(data, count):
        if isinstance(source, EvaluationImage):
            found.append(source)
            continue
        try:
            source.check(index, masked=True)
            found.append(EvaluationImage.of(source, index))
        except ImageError as error:
            refused.append(str(error))
    if not found:
        raise nothing_left(refused)
    return found, refused


def nothing_left(refused: Sequence[str]) -> ImageError:
    """Return the error for data of which no image could be read."""
    why = f" ({refused[0]})" if refused else ""
    return ImageError(f"There is no image to evaluate on{why}.", "Name a folder of photos.")


def _sources(
    data: Data | Sequence[EvaluationImage], count: int | None
) -> Iterator[tuple[EvaluationImage | Dataset, int]]:
    """Yield where each image comes from: an EvaluationImage, or a data set and the place in it."""
    if isinstance(data, (list, tuple)) and any(
        isinstance(entry, EvaluationImage) for entry in data
    ):
        places = range(len(data))
        if count is not None and count < len(data):
            places = np.linspace(0, len(data) - 1, count).round().astype(int).tolist()
        for place in places:
            source = data[place]
            yield (source if isinstance(source, EvaluationImage) else open_dataset([source])), 0
        return
    shipped = isinstance(data, Shapes) or (isinstance(data, str) and data == SHAPES)
    if not shipped and isinstance(data, (list, tuple)) and not data:
        raise nothing_left([])
    dataset = open_dataset(cast(Data, data), count or (_DEFAULT_COUNT if shipped else None))
    for index in range(len(dataset)):
        yield dataset, index
