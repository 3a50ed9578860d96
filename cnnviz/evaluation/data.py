"""The images to evaluate on: a folder, a list, or the shipped data with its exact masks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import ImageError, UsageError
from cnnviz.images import Photo, read_photo
from cnnviz.shapes import Shapes

SHAPES = "shapes"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_MASK = "-mask"
_DEFAULT_COUNT = 40


@dataclass(frozen=True, eq=False)
class Item:
    """One image to evaluate on, with the object where it is known.

    Attributes
    ----------
    photo : Photo
        The image.
    mask : ndarray of bool, optional
        The pixels that show the object, [H, W].
    """

    photo: Photo
    mask: NDArray[np.bool_] | None = None

    @property
    def key(self) -> str:
        """What tells this image and mask from all others."""
        digest = hashlib.sha256(self.photo.sha256.encode())
        if self.mask is not None:
            digest.update(np.packbits(self.mask).tobytes())
        return digest.hexdigest()


def items(data: Any, count: int | None = None) -> tuple[list[Item], list[str]]:
    """Return the images of a data set, and why others were left out.

    Parameters
    ----------
    data : str, Path, Shapes, or iterable of images or Items
        ``"shapes"`` for held-out samples of the shipped data; a folder, which is searched with all
        folders in it; or images. A file ``NAME-mask.png`` beside an image marks the object with
        its bright pixels, as `cnnviz shapes` writes it.
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
    if isinstance(data, str) and data == SHAPES:
        data = Shapes(split="held-out")
    if isinstance(data, Shapes):
        return _samples(data, count or _DEFAULT_COUNT), []
    return _read(_spread(_sources(data), count))


def _samples(shapes: Shapes, count: int) -> list[Item]:
    found = []
    for index in range(count):
        sample = shapes[index]
        name = f"shapes {shapes.split} {index} ({sample.name})"
        found.append(Item(read_photo(sample.image, name), sample.mask))
    return found


def _sources(data: Any) -> list[Any]:
    if not isinstance(data, (str, Path)):
        return list(data) if isinstance(data, Iterable) else [data]
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {str(data)!r}.", "Name a folder of images, or 'shapes'."
        )
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    return [path for path in files if not path.stem.endswith(_MASK)]


def _spread(sources: list[Any], count: int | None) -> list[Any]:
    if count is None or count >= len(sources):
        return sources
    places = np.linspace(0, len(sources) - 1, count).round().astype(int)
    return [sources[place] for place in places]


def _read(sources: list[Any]) -> tuple[list[Item], list[str]]:
    found, refused = [], []
    for source in sources:
        try:
            found.append(source if isinstance(source, Item) else _item(source))
        except ImageError as error:
            refused.append(str(error))
    if not found:
        why = f" ({refused[0]})" if refused else ""
        raise ImageError(f"There is no image to evaluate on{why}.", "Name a folder of photos.")
    return found, refused


def _item(source: Any) -> Item:
    photo = source if isinstance(source, Photo) else read_photo(source)
    if not isinstance(source, Path):
        return Item(photo)
    beside = source.with_name(f"{source.stem}{_MASK}.png")
    if not beside.is_file():
        return Item(photo)
    mask = read_photo(beside).pixels.max(2) > 127
    if mask.shape != photo.pixels.shape[:2]:
        raise ImageError(f"{beside.name} is not as large as {source.name}.", "Mend the mask.")
    return Item(photo, mask)
