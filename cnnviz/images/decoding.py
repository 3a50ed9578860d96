"""Checked 8-bit RGB from whatever holds an image; Pillow decodes.

Whatever was done to the pixels on the way (an alpha channel composited, 16 bits reduced to 8, a
rotation undone) is told in words beside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnviz.foreign_code import first_line
from cnnviz.images.number_files import ARRAY_SUFFIXES
from cnnviz.images.photo import MAX_PIXELS, PhotoError
from cnnviz.images.pillow_warnings import Heard, catch_pillow_warnings

if TYPE_CHECKING:
    from PIL import Image

FORMATS = "JPEG, PNG, WebP, BMP, GIF or TIFF"
_FEWER_BITS = (8, 10, 12)
_REDUCED = "16-bit reduced to 8-bit"
_GREY = "grey repeated in three channels"
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")


class Decoded(NamedTuple):
    """The pixels [H, W, 3], what was done to them, and of 16 bits that are grey what became 255."""

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    white: int | None = None


def decode_file(file: Any, name: str) -> Decoded:
    """Decode an opened file."""
    with _opened(file, name) as (image, heard):
        found = _to_rgb(image, name)
    return found._replace(notes=(*found.notes, *_told(heard)))


def decode_frames(file: Any, name: str, check: Callable[[int], None]) -> list[Decoded]:
    """Decode every frame of an opened file as a photo is decoded.

    Parameters
    ----------
    file : binary file
        The file.
    name : str
        What it is called.
    check : callable
        Raises if so many numbers are too many; asked before what is asked of is decoded.
    """
    from PIL import ImageSequence

    found: list[Decoded] = []
    with _opened(file, name) as (image, _):
        check(image.width * image.height * 3 * int(getattr(image, "n_frames", 1)))
        count = 0
        for frame in ImageSequence.Iterator(image):
            # Each may have a size of its own.
            count += frame.width * frame.height * 3
            check(count)
            found.append(_upright_rgb(frame, name))
    return found


@contextmanager
def _opened(file: Any, name: str) -> Iterator[tuple[Image.Image, Heard]]:
    """Open a file for the body, which decodes it; say what is wrong with it where that fails."""
    from PIL import Image, UnidentifiedImageError

    with catch_pillow_warnings() as heard:
        try:
            with Image.open(file) as image:
                yield image, heard
        except PhotoError:
            raise
        except UnidentifiedImageError as error:
            raise _unidentified(file, name) from error
        except Image.DecompressionBombError as error:
            raise _too_large_to_open(name, error) from error
        except Exception as error:  # decoders meet damage with almost any exception
            raise _damaged(name, error) from error


def _unidentified(file: Any, name: str) -> PhotoError:
    if _is_heif(file):
        return PhotoError(
            name,
            "this is a HEIC photo, as telephones take them, which Pillow does not read",
            "Save or export it as JPEG.",
        )
    numbers = name.lower().endswith(ARRAY_SUFFIXES)
    spectrogram = (
        " Of a network that takes spectrograms say so: --spectrogram, or "
        "ArrayPreprocessing(axes=2)."
    )
    return PhotoError(
        name,
        "this is not an image that Pillow can read",
        f"Give a {FORMATS} file.{spectrogram if numbers else ''}",
    )


def _is_heif(file: Any) -> bool:
    """Tell by its first bytes, since a name may say .jpg (ISO/IEC 23008-12)."""
    file.seek(0)
    head = file.read(12)
    return bool(head[4:8] == b"ftyp" and head[8:12] in _HEIF)


def decode_image(image: Image.Image, name: str) -> Decoded:
    """Convert an image that Pillow has opened."""
    with catch_pillow_warnings() as heard:
        try:
            found = _to_rgb(image, name)
        except PhotoError:
            raise
        except Exception as error:  # a lazily opened file decodes here, or was closed meanwhile
            raise _damaged(name, error) from error
    return found._replace(notes=(*found.notes, *_told(heard)))


def decode_array(array: NDArray[Any], name: str) -> Decoded:
    """Check and convert an array."""
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
        return _of_deep_grey(array)
    if grey:
        return Decoded(_repeat(array), (_GREY,))
    if array.shape[2] == 4:
        return _flatten(Image.fromarray(np.ascontiguousarray(array)))
    return Decoded(array.copy())


def _shape_remedy(array: NDArray[Any]) -> str:
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        return "Its channels come first: give array.transpose(1, 2, 0), which is [H, W, C]."
    return "Give [H, W, 3] (RGB), [H, W, 4] (RGB and alpha) or [H, W] (grey)."


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
    detail = " ".join(first_line(error).split())
    return PhotoError(name, f"the file is damaged ({detail})", f"Save it again as {FORMATS}.")


def _too_large_to_open(name: str, error: Exception) -> PhotoError:
    """Return what to raise for an image that Pillow refuses to open for its size."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    size = f"{int(found[1]):,} pixels" if found else f"more than {MAX_PIXELS:,} pixels"
    return _too_large(name, size)


def _too_large(name: str, size: str) -> PhotoError:
    return PhotoError(
        name,
        f"the image has {size} and the limit is {MAX_PIXELS:,}",
        "Scale it down first; a network sees only a few hundred pixels a side.",
    )


def _check_decodable(image: Image.Image, name: str) -> None:
    """Raise `PhotoError` if an opened image had better not be decoded, or is empty."""
    if image.format == "EPS":
        raise PhotoError(
            name,
            "this is PostScript, a program that would have to be run to see what it draws",
            "Save or export it as PNG.",
        )
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width * height:,} pixels")
    if width * height == 0:
        raise PhotoError(name, "the image has no pixels", "Give at least one pixel.")


def _to_rgb(image: Image.Image, name: str) -> Decoded:
    """Decode, turn upright and convert; return the pixels and what was done to them."""
    frame = _frame_note(image)
    found = _upright_rgb(image, name)
    return found._replace(notes=(*frame, *found.notes))


def _upright_rgb(image: Image.Image, name: str) -> Decoded:
    """Return the same of a frame, without which of several it is."""
    _check_decodable(image, name)
    depth = _depth_note(image)
    turned, turn_note = _upright(image)
    found = _convert(turned, name)
    # Deep grey tells its own depth.
    before = turn_note if _is_deep_grey(turned) else (*depth, *turn_note)
    return found._replace(notes=(*before, *found.notes))


def _frame_note(image: Image.Image) -> tuple[str, ...]:
    frames = int(getattr(image, "n_frames", 1))
    if frames <= 1:
        return ()
    return (f"frame {image.tell() + 1} of {frames}",)


def _depth_note(image: Image.Image) -> tuple[str, ...]:
    # For 16-bit colour Pillow keeps the high bytes as it decodes; only the raw mode tells.
    tiles = getattr(image, "tile", None) or ()
    deep = image.mode.startswith("I;16") or any(";16" in str(tile[3]) for tile in tiles)
    return (_REDUCED,) if deep else ()


def _upright(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    from PIL import ExifTags, ImageOps

    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    # The TIFF decoder turns the image itself while it loads, and then drops the tag.
    turned = ImageOps.exif_transpose(image)
    note = orientation in range(2, 9)
    return turned or image, ("turned upright by its EXIF orientation",) if note else ()


def _convert(image: Image.Image, name: str) -> Decoded:
    mode = image.mode
    if _is_deep_grey(image):
        return _of_deep_grey(np.asarray(image.convert("I")).astype(np.uint16))
    if mode in ("I", "F"):
        kind = "32-bit integers" if mode == "I" else "floating-point numbers"
        raise PhotoError(
            name, f"its pixels are {kind}, whose white is unknown", "Save it with 8 or 16 bits."
        )
    if mode in _ALPHA_MODES or "transparency" in image.info:
        return _flatten(image)
    if mode in ("L", "1"):
        return Decoded(_repeat(np.asarray(image.convert("L"))), (_GREY,))
    notes = () if mode in ("RGB", "P", "RGBX") else (f"{mode} converted to RGB",)
    if mode == "CMYK":
        notes = ("CMYK converted to RGB without its colour profile",)
    return Decoded(np.array(image.convert("RGB")), notes)


def _is_deep_grey(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")


def _flatten(image: Image.Image) -> Decoded:
    from PIL import Image

    # Pillow takes premultiplied grey apart only this way.
    layers = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    opaque = np.asarray(layers)[:, :, 3].min() == 255
    white = Image.new("RGBA", layers.size, (255, 255, 255, 255))
    pixels = np.array(Image.alpha_composite(white, layers).convert("RGB"))
    notes = () if opaque else ("transparency composited on white",)
    return Decoded(pixels, (*notes, _GREY) if image.mode in ("L", "LA", "La") else notes)


def _of_deep_grey(deep: NDArray[np.uint16]) -> Decoded:
    """Return 16 bits as 8, and what was done; white is where the bits that are used end.

    X-ray and microscopy keep 12 bits in 16, which would all be black.
    """
    largest = int(deep.max())
    bits = next((bits for bits in _FEWER_BITS if 0 < largest < 1 << bits), 16)
    white = (1 << bits) - 1
    # Adding half of the divisor rounds to nearest.
    reduced = ((deep.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)
    fewer = f"{bits}-bit values in 16 bits, as the largest is {largest}: white is {white}"
    return Decoded(_repeat(reduced), (_REDUCED if bits == 16 else fewer, _GREY), white)


def _repeat(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[:, :, None], 3, axis=2)
