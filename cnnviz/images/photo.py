"""An image as read, and the error of one that cannot be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import ImageError, sentence

MAX_PIXELS = 178_956_970
"""Most pixels (height times width) an image may have: the limit at which Pillow suspects a bomb."""


class PhotoError(ImageError):
    """One image cannot be read or used; others of the same call may still be.

    Parameters
    ----------
    name : str
        The name of the image: its file name, or ``image 0``.
    reason : str
        What is wrong with it, as a clause without a full stop.
    remedy : str
        One sentence that says what to do about it.
    option : str, optional
        The same for somebody at the command line, where it names an option.
    """

    def __init__(self, name: str, reason: str, remedy: str, *, option: str | None = None) -> None:
        self.name = name
        self.reason = sentence(f"{reason}.")[:-1]
        super().__init__(f"{name}: {reason}.", remedy, option=option)


@dataclass(frozen=True, eq=False)
class Photo:
    """An image as read, before any preprocessing.

    Attributes
    ----------
    pixels : numpy.ndarray
        ``[H, W, 3]`` uint8, RGB, read-only.
    name : str
        The file name without its folders, or ``image 0`` for what came from memory. Among photos
        of one name in several folders it has as many folders as tell them apart.
    sha256 : str
        SHA-256 (hexadecimal) of the file's bytes, or of the bytes of `pixels` where there is no
        file.
    notes : tuple of str
        What was done to the pixels on reading, in words; empty for a plain 8-bit RGB image.
    as_tensor : bool
        Whether it was given as a preprocessed tensor, and `pixels` are made from that for display.
    label : str
        What it is labelled with, such as the name of its folder; empty where that is not known.
    path : str
        The file it was read from, as it was named; empty where there is none.
    white : int or None
        Of grey pixels with 16 bits the value that became 255; None for any others.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    name: str
    sha256: str
    notes: tuple[str, ...] = ()
    as_tensor: bool = False
    label: str = ""
    path: str = ""
    white: int | None = None

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])


def new_photo(
    pixels: NDArray[np.uint8],
    name: str,
    notes: tuple[str, ...],
    digest: str | None = None,
    white: int | None = None,
) -> Photo:
    """Return a photo that owns its pixels; its digest is theirs where no file has one."""
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)
    digest = digest or hashlib.sha256(pixels.tobytes()).hexdigest()
    return Photo(pixels, name, digest, tuple(dict.fromkeys(notes)), white=white)
