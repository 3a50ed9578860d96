"""The images to evaluate on, with the object where it is known; read when they are measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cnnviz.bounds import Count, bounded
from cnnviz.datasets import SHAPES, Dataset, open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.datasets.annotated_boxes import (
    AnnotatedBox,
    AnnotatedBoxes,
    check_on_photo,
    read_boxes,
)
from cnnviz.datasets.shapes import Shapes
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import Photo
from cnnviz.results.text import plural

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
    boxes : sequence of AnnotatedBox
        The boxes around objects, where these are known and their pixels are not.

    Raises
    ------
    ImageError
        If a box lies outside the photo.
    """

    def __init__(
        self, photo: Photo, mask: Mask | None = None, boxes: Sequence[AnnotatedBox] = ()
    ) -> None:
        self.name = photo.name
        self.boxes = tuple(boxes)
        check_on_photo([one.box for one in boxes], photo.name, photo.pixels.shape[:2])
        self._photo: Callable[[], Photo] = lambda: photo
        self._mask: Callable[[], Mask | None] = lambda: mask
        self._sha256: Callable[[], str] = lambda: photo.sha256

    @classmethod
    def of(
        cls, dataset: Dataset, index: int, drawn: AnnotatedBoxes | None = None
    ) -> EvaluationImage:
        """Return an image of a data set, which is read anew whenever it is asked for.

        Where boxes are given, be they of other images alone, they take the place of its mask.

        Raises
        ------
        ImageError
            If the boxes cannot be of this image, as far as its size is known before it is read.
        """
        item = cls.__new__(cls)
        item.name = PurePosixPath(dataset.name(index)).name
        item.boxes = () if drawn is None else drawn.of(dataset.name(index), dataset.size(index))

        def photo() -> Photo:
            image = dataset.read(index).image
            if not isinstance(image, Photo):
                raise ImageError(f"{item.name} is a preprocessed tensor.", "Give photos.")
            if drawn is not None:
                drawn.of(dataset.name(index), image.pixels.shape[:2])
            return image

        item._photo = photo
        item._mask = lambda: dataset.mask(index) if drawn is None else None
        item._sha256 = lambda: dataset.sha256(index)
        return item

    @property
    def photo(self) -> Photo:
        """The image, read now; `ImageError` if it cannot be, or its boxes are of another."""
        return self._photo()

    @property
    def mask(self) -> Mask | None:
        """The pixels that show the object, [H, W], read now; None where it is not known."""
        return self._mask()

    @property
    def marked(self) -> bool:
        """Whether it is known where an object is."""
        return bool(self.boxes) or self.mask is not None

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
        if self.boxes:
            digest.update(repr(self.boxes).encode())
        return digest.hexdigest()


@bounded
def items(
    data: Data | Sequence[EvaluationImage],
    count: Count | None = None,
    boxes: AnnotatedBoxes | str | Path | None = None,
) -> tuple[list[EvaluationImage], list[str]]:
    """Return the images of a data set, none of them decoded, and why others were left out.

    Parameters
    ----------
    data : str, Path, Shapes, data set, or list of EvaluationImage
        ``"shapes"`` for held-out samples of the shipped data, or whatever
        `cnnviz.open_dataset` opens. A file ``NAME-mask.png`` beside an image marks the
        object with its bright pixels, as `cnnviz shapes` writes it.
    count : int, optional
        At most how many, evenly spread over a folder or a list; 40 of the shipped data, and all
        of anything else, by default.
    boxes : AnnotatedBoxes, str or Path, optional
        Boxes around the objects, as `cnnviz.datasets.annotated_boxes.read_boxes` reads them: CSV,
        COCO JSON or VOC XML. They take the place of masks.

    Raises
    ------
    ImageError
        If no image is left.
    UsageError
        If there is no such folder, the count is not positive, or the boxes are of none of the
        images.
    """
    drawn = read_boxes(boxes) if isinstance(boxes, (str, Path)) else boxes
    found: list[EvaluationImage] = []
    refused: list[str] = []
    left_out: dict[str, None] = {}
    for source, index in _sources(data, count):
        if isinstance(source, EvaluationImage):
            found.append(source)
            continue
        left_out.update(dict.fromkeys(source.notes))
        try:
            source.check(index, masked=drawn is None)
            found.append(EvaluationImage.of(source, index, drawn))
        except ImageError as error:
            refused.append(str(error))
    if not found:
        raise nothing_left(refused)
    if drawn is not None:
        refused += _told_boxes(found, drawn, refused)
    return found, [*left_out, *refused]


def _told_boxes(
    found: Sequence[EvaluationImage], drawn: AnnotatedBoxes, refused: Sequence[str]
) -> list[str]:
    """Say how many images have no box; refuse boxes that are of none."""
    without = [item.name for item in found if not item.boxes]
    if len(without) == len(found):
        if refused:
            raise nothing_left(refused)
        raise UsageError(
            f"{drawn.name} has no box of any of the images, such as {without[0]}.",
            "Write the paths of the images in it as they stand in the folder.",
        )
    if not without:
        return []
    return [f"{plural(len(without), 'image')} without a box in {drawn.name}: {without[0]}, ..."]


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
    dataset = open_dataset(cast("Data", data), count or (_DEFAULT_COUNT if shipped else None))
    for index in range(len(dataset)):
        yield dataset, index
