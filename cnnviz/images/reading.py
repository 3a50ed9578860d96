"""Read one image from a file, its bytes, an array or a PIL image."""

from __future__ import annotations

import hashlib
import io
import mimetypes
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.errors import InstallationError, did_you_mean
from cnnviz.images.decoding import Decoded, decode_array, decode_file, decode_image
from cnnviz.images.number_files import SIGNAL_SUFFIXES
from cnnviz.images.paths import expand, file_name, is_file_named_as_folder, writable
from cnnviz.images.photo import Photo, PhotoError, new_photo
from cnnviz.results.given_files import open_given

if TYPE_CHECKING:
    from PIL import Image

    from cnnviz.images.aliases import ImageLike


def read_photo(source: ImageLike, name: str | None = None) -> Photo:
    """Read one image into 8-bit RGB.

    Parameters
    ----------
    source : str, os.PathLike, bytes, PIL.Image.Image, numpy.ndarray or Photo
        A file that Pillow can decode (JPEG, PNG, WebP, BMP, TIFF and more), or its bytes; a PIL
        image; a uint8 array ``[H, W]`` (grey), ``[H, W, 1]``, ``[H, W, 3]`` (RGB) or ``[H, W, 4]``
        (RGB and alpha); or a uint16 array ``[H, W]``.
    name : str, optional
        What to call it; the file name, or ``image 0``, when not given.

    Returns
    -------
    Photo
        Its pixels are a copy, turned upright by the EXIF orientation. Transparency is composited
        on white, 16 bits are reduced to 8 (65535 becomes 255, or 4095 where no value is larger),
        only the first frame of an animation is kept, and CMYK is converted without its colour
        profile; `Photo.notes` says which of these happened. Other colour profiles are not applied
        either, as in the training pipelines of torchvision and timm.

    Raises
    ------
    ImageError
        The image cannot be read, or has more than `MAX_PIXELS` pixels. The sentence names it.
    """
    from PIL import Image

    if isinstance(source, Photo):
        return source
    if isinstance(source, Image.Image):
        return _from_memory(decode_image, source, name or _pil_name(source))
    if isinstance(source, np.ndarray):
        return _from_memory(decode_array, source, name or "image 0")
    if isinstance(source, str | os.PathLike):
        return _from_file(source, name)
    if isinstance(source, bytes):
        return _from_bytes(source, name or "image 0")
    raise PhotoError(
        name or "image 0",
        f"an object of type {type(source).__name__} is no image",
        "Give a path, a PIL image, or a uint8 array [H, W, 3].",
    )


def sample_photo() -> Photo:
    """Return the photo that matplotlib carries: Grace Hopper in uniform, in the public domain.

    Raises
    ------
    InstallationError
        This copy of matplotlib was installed without its sample data.
    """
    from matplotlib import cbook

    try:
        path = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    except FileNotFoundError as error:
        path = str(error.filename)
    if not Path(path).is_file():
        raise InstallationError(
            "This copy of matplotlib lacks its sample photo, grace_hopper.jpg.",
            "Name an image of your own, or reinstall matplotlib with pip.",
        )
    return read_photo(path)


def _from_file(source: str | os.PathLike[Any], name: str | None) -> Photo:
    text = os.fsdecode(source)
    path = expand(text)
    name = writable(name or path.name or text)
    _check_file(path, text, name)
    try:
        with open_given(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            found = decode_file(file, name)
    except OSError as error:
        raise PhotoError(
            name, f"the file cannot be read ({error.strerror or error})", "Check its permissions."
        ) from error
    return replace(_photo(found, name, digest), path=writable(text))


def _from_bytes(data: bytes, name: str) -> Photo:
    if not data:
        raise PhotoError(name, "the file is empty", "Copy or download it again.")
    return _photo(decode_file(io.BytesIO(data), name), name, hashlib.sha256(data).hexdigest())


def _from_memory(decode: Callable[[Any, str], Decoded], source: Any, name: str) -> Photo:
    return _photo(decode(source, name), name)


def _photo(found: Decoded, name: str, digest: str | None = None) -> Photo:
    return new_photo(found.pixels, name, found.notes, digest, found.white)


def check_is_there(source: str | os.PathLike[Any]) -> None:
    """Raise `PhotoError` if what is named is an address, or if there is nothing of that name."""
    text = os.fsdecode(source)
    path = expand(text)
    _check_there(path, text, file_name(text) or writable(text))


def _check_there(path: Path, text: str, name: str) -> None:
    if re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE):
        raise PhotoError(text, "addresses are not fetched", "Download the image and name the file.")
    with _reached(name):
        if not path.exists():
            raise PhotoError(name, f"there is no such file{_told_folder(path)}", _file_remedy(path))
        if is_file_named_as_folder(text):
            raise PhotoError(
                f"{name}{text[-1]}", "this is a file, and no folder", "Leave out the slash."
            )


def _check_file(path: Path, text: str, name: str) -> None:
    _check_there(path, text, name)
    with _reached(name):
        if path.is_dir():
            raise PhotoError(name, "this is a folder", _folder_remedy(path))
        if not path.is_file():
            raise PhotoError(
                name, "this is not an ordinary file", "Copy the image to a file first."
            )
        if path.stat().st_size == 0:
            raise PhotoError(name, "the file is empty", "Copy or download it again.")


@contextmanager
def _reached(name: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:  # a name with a NUL byte, too long, or not permitted
        raise PhotoError(
            name, f"the file cannot be reached ({error})", "Check its name and its permissions."
        ) from error


def _told_folder(path: Path) -> str:
    """Return where a file is missing, which may be another folder than the one meant."""
    return f" in {str(path.parent)!r}" if path.parent != Path() and path.parent.is_dir() else ""


def _folder_remedy(path: Path) -> str:
    images = sorted(name for name in _files_in(path) if _is_readable(name))
    if not images:
        return "Name an image file; there is none in it."
    return f"Name an image in it, such as {writable(str(path / images[0]))}."


def _files_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if _is_file(entry)]
    except OSError:
        return []


def _file_remedy(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {str(folder)!r} either; check the path."
    names = _files_in(folder)
    alike = [name for name in names if _may_be_meant(name, path.suffix.lower())]
    return did_you_mean(path.name, alike, "Check the path.")


def _may_be_meant(name: str, suffix: str) -> bool:
    """Return whether a file may be the one meant: by its name an image, an array or a sound."""
    return _is_readable(name) or Path(name).suffix.lower() in (suffix, "")


def _is_readable(name: str) -> bool:
    kind, _ = mimetypes.guess_type(name)
    return (kind or "").startswith("image/") or name.lower().endswith(SIGNAL_SUFFIXES)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # such as a link to itself
        return False


def _pil_name(image: Image.Image) -> str:
    return Path(str(getattr(image, "filename", "") or "")).name or "image 0"
