"""Reading a file that marks an object: which of its pixels say yes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import ImageError
from cnnviz.images import read_photo
from cnnviz.results.given_files import open_given

_REMEDY = "Write the object in white and all else in black."


def mask_in(path: Path) -> NDArray[np.bool_]:
    """Return where the mask in a file is, [H, W].

    Of black and white, and of soft edges between them, what is nearer to white. Otherwise what is
    not zero, in the numbers as they are stored: masks of 0 and 1, and 16 bits a pixel. Of a palette
    what is not black, whatever place each colour has in it; where all of it is black, its numbers.

    Raises
    ------
    ImageError
        If it cannot be read, holds several labels, of which it is not known which is the object, or
        is transparent in part.
    """
    seen = read_photo(path).pixels
    indexed, opaque = _how_stored(path)
    if not opaque:
        raise ImageError(
            f"{path.name} is transparent in part, and it is not known which part is the object.",
            _REMEDY,
        )
    if _is_grey(seen) and seen.max() == 255 and not (indexed and _has_steps(seen)):
        return np.asarray(seen.max(2) > 127)
    stored = _by_colour(seen) if indexed and seen.any() else _stored(path)
    labels = np.unique(stored[stored > 0])
    if len(labels) > 1:
        raise ImageError(
            f"{path.name} holds {len(labels)} labels beside zero, and a mask says yes or no.",
            _REMEDY,
        )
    return stored > 0


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels == pixels[:, :, :1]).all())


def _has_steps(pixels: NDArray[np.uint8]) -> bool:
    """Whether there is more than black and white: in a palette, labels rather than soft edges."""
    return bool(((pixels > 0) & (pixels < 255)).any())


def _by_colour(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """Return a number for each colour, of black zero."""
    return np.asarray(pixels.astype(np.int64) @ (256 ** np.arange(pixels.shape[2])))


def _how_stored(path: Path) -> tuple[bool, bool]:
    """Return whether an image has a palette, and whether all of it is opaque."""
    from PIL import Image

    with open_given(path) as file, Image.open(file) as image:
        opaque = True
        if image.has_transparency_data:
            opaque = image.convert("RGBA").getchannel("A").getextrema() == (255, 255)
        return image.mode == "P", opaque


def _stored(path: Path) -> NDArray[np.int64]:
    """Return the numbers of a file as they are; of several channels those of `_by_colour`."""
    from PIL import Image, ImageOps

    with open_given(path) as file, Image.open(file) as image:
        alone = image.convert("RGB") if image.mode in ("RGBA", "CMYK", "PA") else image
        values = np.asarray(ImageOps.exif_transpose(alone))
    return values.astype(np.int64) if values.ndim == 2 else _by_colour(values)
