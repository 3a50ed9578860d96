"""What a kernel slides over: a photo, or a matrix of numbers from memory or a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.course.written import check_can_be_multiplied, is_typed, written_rows
from cnnviz.errors import ImageError, UsageError
from cnnviz.images.paths import expand
from cnnviz.images.reading import check_is_there, read_photo
from cnnviz.passes.origin import origin
from cnnviz.results.given_files import LISTING, check_ordinary, given_text
from cnnviz.results.parsed_again import parsed_again
from cnnviz.results.provenance import ImageSource, Provenance

if TYPE_CHECKING:
    from cnnviz.images.aliases import ImageLike
    from cnnviz.models import Model

MATRIX_SUFFIXES = (".csv", ".txt", ".npy")
COLOURS: tuple[str, ...] = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class Looked:
    """What a kernel slides over.

    Attributes
    ----------
    name : str
        What it is called.
    values : ndarray
        [C, H, W]: uint8 of a photo, float64 of a matrix, float32 of what a network is given.
    channels : tuple of str
        The C channels.
    photo : ndarray of uint8 or None
        The same for display, [H, W, 3]; None of a matrix.
    provenance : Provenance
        Where it came from.
    """

    name: str
    values: NDArray[Any]
    channels: tuple[str, ...]
    photo: NDArray[np.uint8] | None
    provenance: Provenance


def photo_or_matrix(
    image: ImageLike | NDArray[Any] | Sequence[Sequence[float]], *, each: bool
) -> Looked:
    """Return a photo or a matrix as a kernel slides over it.

    Parameters
    ----------
    image : image or matrix
        The photo or the matrix.
    each : bool
        Whether each channel of a photo stays, rather than a grey that is made of them (luma,
        ITU-R 601).
    """
    matrix = as_matrix(image)
    if matrix is not None:
        values, name = matrix
        digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
        return Looked(name, values[None], ("values",), None, _origin(ImageSource(name, digest)))
    given: Any = image
    photo = read_photo(given)
    pixels, names = photo.pixels, COLOURS
    if all(np.array_equal(pixels[..., 0], pixels[..., place]) for place in (1, 2)):
        planes, names = pixels[..., :1], ("grey",)
    elif each:
        planes = pixels
    else:
        grey = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
        planes, names, pixels = grey, ("grey",), grey.repeat(3, axis=2)
    source = ImageSource(photo.name, photo.sha256)
    notes = tuple(f"{photo.name}: {note}" for note in photo.notes)
    values = np.ascontiguousarray(planes.transpose(2, 0, 1))
    return Looked(photo.name, values, names, pixels, _origin(source, notes))


def prepared_photo(model: Model, image: Any) -> Looked:
    """Return a photo as a network is given it.

    Raises
    ------
    UsageError
        If there are several.
    """
    batch = model.prepare(image)
    if len(batch) > 1:
        raise UsageError(f"One image is shown, and {len(batch)} are given.", "Give one.")
    values = batch.tensor[0].float().cpu().numpy()
    seen = model.preprocessing.invert(batch.tensor[0])
    names = channel_names(model, len(values))
    return Looked(batch.photos[0].name, values, names, seen, origin(model, batch))


def channel_names(model: Model, count: int) -> tuple[str, ...]:
    """Return what the channels of a network's input are."""
    turned = getattr(model.preprocessing, "colour", "rgb") == "bgr"
    named = {1: ("grey",), 3: COLOURS[::-1] if turned else COLOURS, 4: (*COLOURS, "alpha")}
    return named.get(count) or tuple(f"channel {place}" for place in range(count))


def _origin(source: ImageSource, notes: tuple[str, ...] = ()) -> Provenance:
    return Provenance(
        model="no network", weights="none", weights_sha256="", images=(source,), notes=notes
    )


def as_matrix(
    image: ImageLike | NDArray[Any] | Sequence[Sequence[float]],
) -> tuple[NDArray[np.float64], str] | None:
    """Return a matrix of numbers [H, W] and its name; None for what is an image.

    Numbers are lists of rows, arrays [H, W] of other types than those of images (uint8, uint16),
    files that end in .csv, .txt or .npy, and text such as "1 0 1; 0 1 0" or "[[1, 0], [0, 1]]".

    Raises
    ------
    UsageError
        If it is no matrix of finite numbers.
    ImageError
        If a file cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        text = os.fsdecode(image)
        path = expand(text)
        if is_typed(text):
            return _typed(text), "your matrix"
        if path.suffix.lower() not in MATRIX_SUFFIXES:
            return None
        values, name = read_matrix(path), path.name
        if values.dtype in (np.uint8, np.uint16) and values.ndim == 3:
            return None
    elif isinstance(image, np.ndarray):
        if image.dtype in (np.uint8, np.uint16) or image.ndim == 3:
            return None
        values, name = image, "your matrix"
    elif isinstance(image, Sequence) and not isinstance(image, bytes):
        try:
            values, name = np.array(image, np.float64), "your matrix"
        except (TypeError, ValueError) as error:
            raise _no_matrix() from error
    else:
        return None
    if values.ndim != 2 or not values.size or values.dtype.kind not in "biuf":
        raise _no_matrix()
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise _no_matrix()
    check_can_be_multiplied(numbers, "The matrix")
    return numbers, name


def _typed(text: str) -> NDArray[np.float64]:
    try:
        found = written_rows(text)
    except ValueError as error:
        raise _no_matrix() from error
    if not found.size or not np.isfinite(found).all():
        raise _no_matrix()
    check_can_be_multiplied(found, "The matrix")
    return found


def _no_matrix() -> UsageError:
    return UsageError(
        "What is given is neither an image nor a matrix of finite numbers.",
        "Give a path, a PIL image, a uint8 array [H, W, 3], or rows of equally many numbers.",
    )


@parsed_again
def read_matrix(path: Path) -> NDArray[Any]:
    """Return the numbers in a file of `MATRIX_SUFFIXES`.

    Raises
    ------
    ImageError
        It cannot be read.
    """
    check_is_there(path)
    try:
        check_ordinary(path)
        if path.suffix.lower() == ".npy":
            found: NDArray[Any] = np.load(path, allow_pickle=False)
            return found
        text = given_text(path, LISTING)
        return np.array(
            [row.replace(",", " ").split() for row in text.split("\n") if row.strip()], np.float64
        )
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{path.name}: it is no matrix of numbers.",
            "Write rows of equally many numbers, with commas between them.",
        ) from error
