"""Read one image from a file, an array or a PIL image into checked 8-bit RGB.

Pillow decodes. Whatever was done to the pixels on the way (an alpha channel composited, 16 bits
reduced to 8, a rotation undone) is kept in words beside them.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import ImageError, InstallationError, did_you_mean
from cnnviz.images.hearing import Heard, hearing
from cnnviz.images.paths import expand

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 178_956_970
"""Most pixels (height times width) an image may have: the limit at which Pillow suspects a bomb."""

FORMATS = "JPEG, PNG, WebP, BMP or TIFF"


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
    """

    def __init__(self, name: str, reason: str, remedy: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}.", remedy)


@dataclass(frozen=True, eq=False)
class Photo:
    """An image as read, before any preprocessing.

    Attributes
    ----------
    pixels : numpy.ndarray
        ``[H, W, 3]`` uint8, RGB, read-only.
    name : str
        The file name without its folders, or ``image 0`` for what came from memory.
    sha256 : str
        SHA-256 (hexadecimal) of the file's bytes, or of the bytes of `pixels` where there is no
        file.
    notes : tuple of str
        What was done to the pixels on reading, in words; empty for a plain 8-bit RGB image.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    name: str
    sha256: str
    notes: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])


def read_photo(source: Any, name: str | None = None) -> Photo:
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
        on white, 16 bits are reduced to 8 (65535 becomes 255), only the first frame of an animation
        is kept, and CMYK is converted without its colour profile; `Photo.notes` says which of these
        happened. Other colour profiles are not applied either, as in the training pipelines of
        torchvision and timm.

    Raises
    ------
    ImageError
        The image cannot be read, or has more than `MAX_PIXELS` pixels. The sentence names it.
    """
    from PIL import Image

    if isinstance(source, Photo):
        return source
    if isinstance(source, Image.Image):
        return _from_pil(source, name or _pil_name(source))
    if isinstance(source, np.ndarray):
        return _from_array(source, name or "image 0")
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
    # A file's name may hold bytes that are no text; they cannot be written into a report.
    name = (name or path.name or text).encode("utf-8", "replace").decode("utf-8")
    _check_file(path, text, name)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            pixels, notes = _decode(file, name)
    except OSError as error:
        raise PhotoError(
            name, f"the file cannot be read ({error.strerror or error})", "Check its permissions."
        ) from error
    return _photo(pixels, name, notes, digest)


def _from_bytes(data: bytes, name: str) -> Photo:
    if not data:
        raise PhotoError(name, "the file is empty", "Copy or download it again.")
    pixels, notes = _decode(io.BytesIO(data), name)
    return _photo(pixels, name, notes, hashlib.sha256(data).hexdigest())


def _check_file(path: Path, text: str, name: str) -> None:
    if re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE):
        raise PhotoError(text, "addresses are not fetched", "Download the image and name the file.")
    try:
        if path.is_dir():
            raise PhotoError(name, "this is a folder", f"Name the images in it: {path / '*.jpg'}.")
        if not path.exists():
            raise PhotoError(name, "there is no such file", _file_remedy(path))
        if not path.is_file():
            raise PhotoError(
                name, "this is not an ordinary file", "Copy the image to a file first."
            )
        if path.stat().st_size == 0:
            raise PhotoError(name, "the file is empty", "Copy or download it again.")
    except (ValueError, OSError) as error:  # a name with a NUL byte, too long, or not permitted
        raise PhotoError(
            name, f"the file cannot be reached ({error})", "Check its name and its permissions."
        ) from error


def _file_remedy(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {str(folder)!r} either; check the path."
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    except OSError:
        names = []
    return did_you_mean(path.name, names, "Check the path.")


def _decode(file: Any, name: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    from PIL import Image, UnidentifiedImageError

    with hearing() as heard:
        try:
            with Image.open(file) as image:
                pixels, notes = _to_rgb(image, name)
        except PhotoError:
            raise
        except UnidentifiedImageError as error:
            raise PhotoError(
                name, "this is not an image that Pillow can read", f"Give a {FORMATS} file."
            ) from error
        except Image.DecompressionBombError as error:
            raise _too_large(name, _bomb_size(error)) from error
        except Exception as error:  # decoders meet damage with almost any exception
            raise _damaged(name, error) from error
    return pixels, (*notes, *_told(heard))


def _told(heard: Heard) -> tuple[str, ...]:
    from PIL import Image

    texts = [
        " ".join(text.split())
        for kind, text in heard
        if not issubclass(kind, Image.DecompressionBombWarning | DeprecationWarning)
    ]
    return tuple(dict.fromkeys(f"Pillow warned: {text.rstrip('. ')}" for text in texts))


def _damaged(name: str, error: Exception) -> PhotoError:
    detail = " ".join(str(error).split()).rstrip(".")
    if "truncated" in detail.lower() or isinstance(error, EOFError):
        return PhotoError(
            name,
            f"the file is truncated ({detail or 'it ends early'})",
            "Copy or download it again.",
        )
    detail = detail or type(error).__name__
    return PhotoError(name, f"the file is damaged ({detail})", f"Save it again as {FORMATS}.")


def _bomb_size(error: Exception) -> str:
    found = re.search(r"\((\d+) pixels\)", str(error))
    return f"{int(found[1]):,} pixels" if found else f"more than {MAX_PIXELS:,} pixels"


def _too_large(name: str, size: str) -> PhotoError:
    return PhotoError(
        name,
        f"the image has {size} and the limit is {MAX_PIXELS:,}",
        "Scale it down first; a network sees only a few hundred pixels a side.",
    )


def _pil_name(image: Image.Image) -> str:
    return Path(str(getattr(image, "filename", "") or "")).name or "image 0"


def _from_pil(image: Image.Image, name: str) -> Photo:
    with hearing() as heard:
        try:
            pixels, notes = _to_rgb(image, name)
        except PhotoError:
            raise
        except Exception as error:  # a lazily opened file decodes here, or was closed meanwhile
            raise _damaged(name, error) from error
    return _photo(pixels, name, (*notes, *_told(heard)))


def _from_array(array: NDArray[Any], name: str) -> Photo:
    from PIL import Image

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    grey = array.ndim == 2
    deep = grey and array.dtype == np.uint16
    if array.dtype != np.uint8 and not deep:
        raise PhotoError(
            name,
            f"an array of {array.dtype} is no image",
            "Give uint8 values from 0 to 255, or a float tensor [N, C, H, W] that is already "
            "preprocessed.",
        )
    if array.size == 0:
        raise PhotoError(name, "the image has no pixels", "Give at least one pixel.")
    if not grey and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise PhotoError(name, f"the array has shape {array.shape}", _shape_remedy(array))
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise _too_large(name, f"{array.shape[0] * array.shape[1]:,} pixels")
    if deep:
        return _photo(_repeat(_reduce(array)), name, ("16-bit reduced to 8-bit", _GREY))
    if grey:
        return _photo(_repeat(array), name, (_GREY,))
    if array.shape[2] == 4:
        pixels, notes = _flatten(Image.fromarray(np.ascontiguousarray(array)))
        return _photo(pixels, name, notes)
    return _photo(array.copy(), name, ())


def _shape_remedy(array: NDArray[Any]) -> str:
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        return "Its channels come first: give array.transpose(1, 2, 0)."
    return "Give [H, W, 3] (RGB), [H, W, 4] (RGB and alpha) or [H, W] (grey)."


def _photo(
    pixels: NDArray[np.uint8], name: str, notes: tuple[str, ...], digest: str | None = None
) -> Photo:
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)
    digest = digest or hashlib.sha256(pixels.tobytes()).hexdigest()
    return Photo(pixels, name, digest, tuple(dict.fromkeys(notes)))


_GREY = "grey repeated in three channels"
_ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")


def _to_rgb(image: Image.Image, name: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Decode, turn upright and convert; return the pixels and what was done to them."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width * height:,} pixels")
    if width * height == 0:
        raise PhotoError(name, "the image has no pixels", "Give at least one pixel.")
    notes = [*_frame_note(image), *_depth_note(image)]
    turned, turn_note = _upright(image)
    pixels, colour_notes = _convert(turned, name)
    return pixels, (*notes, *turn_note, *colour_notes)


def _frame_note(image: Image.Image) -> tuple[str, ...]:
    frames = int(getattr(image, "n_frames", 1))
    if frames <= 1:
        return ()
    return (f"frame {image.tell() + 1} of {frames}",)


def _depth_note(image: Image.Image) -> tuple[str, ...]:
    # For 16-bit colour Pillow keeps the high bytes as it decodes; only the raw mode tells.
    tiles = getattr(image, "tile", None) or ()
    deep = image.mode.startswith("I;16") or any(";16" in str(tile[3]) for tile in tiles)
    return ("16-bit reduced to 8-bit",) if deep else ()


def _upright(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    from PIL import ExifTags, ImageOps

    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    # The TIFF decoder turns the image itself while it loads, and then drops the tag.
    turned = ImageOps.exif_transpose(image)
    note = orientation in range(2, 9)
    return turned or image, ("turned upright by its EXIF orientation",) if note else ()


def _convert(image: Image.Image, name: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and image.format == "PNG"):
        deep = np.asarray(image.convert("I")).astype(np.uint16)
        return _repeat(_reduce(deep)), ("16-bit reduced to 8-bit", _GREY)
    if mode in ("I", "F"):
        kind = "32-bit integers" if mode == "I" else "floating-point numbers"
        raise PhotoError(
            name, f"its pixels are {kind}, whose white is unknown", "Save it with 8 or 16 bits."
        )
    if mode in _ALPHA_MODES or "transparency" in image.info:
        return _flatten(image)
    if mode in ("L", "1"):
        return _repeat(np.asarray(image.convert("L"))), (_GREY,)
    notes = () if mode in ("RGB", "P", "RGBX") else (f"{mode} converted to RGB",)
    if mode == "CMYK":
        notes = ("CMYK converted to RGB without its colour profile",)
    return np.array(image.convert("RGB")), notes


def _flatten(image: Image.Image) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    from PIL import Image

    # Pillow takes premultiplied grey apart only this way.
    layers = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    opaque = np.asarray(layers)[:, :, 3].min() == 255
    white = Image.new("RGBA", layers.size, (255, 255, 255, 255))
    pixels = np.array(Image.alpha_composite(white, layers).convert("RGB"))
    notes = () if opaque else ("transparency composited on white",)
    return pixels, (*notes, _GREY) if image.mode in ("L", "LA", "La") else notes


def _reduce(deep: NDArray[np.uint16]) -> NDArray[np.uint8]:
    # 65535 / 255 = 257, and adding half of it rounds to nearest.
    return ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _repeat(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[:, :, None], 3, axis=2)
