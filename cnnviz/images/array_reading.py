"""Read signals, volumes and clips: files, arrays, and pictures in a row.

A path may be a ``.npy``, ``.npz`` or ``.pt`` file, of a signal also a ``.wav``; of a clip it may be
a folder with its frames, or an animation.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.images.array_preprocessing import ArrayPreprocessing
from cnnviz.images.decoding import decode_frames
from cnnviz.images.number_files import (
    ARRAY_SUFFIXES,
    SIGNAL_SUFFIXES,
    WAV,
    check_is_file,
    read_numbers,
    read_wav,
)
from cnnviz.images.paths import expand
from cnnviz.images.photo import Photo, PhotoError, new_photo
from cnnviz.images.reading import read_photo
from cnnviz.images.size_notes import size_notes
from cnnviz.results.given_files import given_sha256, open_given
from cnnviz.results.space import IMAGE, Space, space_of
from cnnviz.results.text import kind_of, number, plural

if TYPE_CHECKING:
    import torch

_MOST_VALUES = 1 << 28
"""Most numbers of one input: 1 GB as float32."""


@dataclass(frozen=True, eq=False)
class ArrayInput(Photo):
    """A signal, a volume or a clip as the network is given it, before `mean` and `std`.

    Attributes
    ----------
    values : numpy.ndarray
        ``[C, L]`` or ``[C, D, H, W]`` float32, read-only.
    is_clip : bool
        Whether its slices are frames.
    rate : float or None
        Samples a second of a signal, as its file or the preprocessing says; None where nothing
        does.
    """

    values: NDArray[np.float32] = field(kw_only=True, repr=False)
    is_clip: bool = field(kw_only=True, default=False)
    rate: float | None = field(kw_only=True, default=None)

    @property
    def space(self) -> Space:
        """Which axes it has."""
        return space_of(self.values.ndim - 1)

    @property
    def described(self) -> str:
        """Its channels and its size in words: "2 channels of 800 samples"."""
        channels, *size = self.values.shape
        said = f"{plural(channels, 'channel')} of {self.space.size(size)}"
        if self.rate is None or self.rate == 1.0:
            return said
        return f"{said}, {number(size[0] / self.rate)} s at {self.rate:,.10g} Hz"


def values_of(photo: Photo) -> NDArray[np.float32] | None:
    """Return the numbers of a signal or a volume; None for a photo or a spectrogram."""
    if not isinstance(photo, ArrayInput) or photo.space == IMAGE:
        return None
    return photo.values


def rate_of(photo: Photo) -> float | None:
    """Return the samples a second of a signal; None where they are not known."""
    return photo.rate if isinstance(photo, ArrayInput) else None


@dataclass(frozen=True)
class _Found:
    """What a source holds: numbers, or frames; with its name, notes, digest and sampling rate."""

    values: NDArray[Any] | None
    frames: tuple[Photo, ...]
    name: str
    notes: tuple[str, ...] = ()
    digest: str | None = None
    rate: float | None = None


def read_array(
    source: Any, preprocessing: ArrayPreprocessing, name: str
) -> tuple[ArrayInput, torch.Tensor]:
    """Read one signal, volume or clip, and prepare it.

    Parameters
    ----------
    source : str, os.PathLike, numpy.ndarray, or sequence of pictures
        A file or a folder; numbers ``[C, ...]``, or without the channel where the network takes one
        channel; or the frames of a clip, whatever `read_photo` takes, as ``[T, H, W, 3]`` too.
    preprocessing : ArrayPreprocessing
        What the network takes.
    name : str
        What to call it where it has no name of its own.

    Raises
    ------
    ImageError
        It cannot be read, or is nothing of the kind that the network takes.
    """
    found = _found(source, preprocessing, name)
    notes = found.notes
    if found.frames:
        _check_frames(found, preprocessing)
        notes = (*notes, *size_notes(found.frames[0], preprocessing))
        tensor = preprocessing.frames(found.frames)
    else:
        assert found.values is not None
        tensor = preprocessing.prepared(_with_channels(found, preprocessing))
        if found.values.dtype == np.uint8:
            notes = (*notes, "bytes, divided by 255")
    _check_numbers(tensor, found.name)
    _check_rate(found, preprocessing)
    shown = new_array(tensor, preprocessing, found.name, notes, found.digest, rate=found.rate)
    return shown, tensor


def new_array(
    tensor: torch.Tensor,
    preprocessing: ArrayPreprocessing,
    name: str,
    notes: tuple[str, ...] = (),
    digest: str | None = None,
    *,
    as_tensor: bool = False,
    rate: float | None = None,
) -> ArrayInput:
    """Return what a prepared input [C, ...] shows to a person."""
    from cnnviz.results.array_pictures import portrait

    values = preprocessing.undone(tensor)
    values.setflags(write=False)
    shown = new_photo(portrait(values), name, notes, digest or _digest(values))
    return ArrayInput(
        shown.pixels,
        shown.name,
        shown.sha256,
        shown.notes,
        as_tensor,
        values=values,
        is_clip=preprocessing.of_frames,
        rate=preprocessing.rate if rate is None else rate,
    )


def is_picture(item: Any) -> bool:
    """Whether something is one picture, which can only be a frame of a clip."""
    from PIL import Image

    if isinstance(item, np.ndarray):
        return item.dtype == np.uint8 and (
            item.ndim == 2 or (item.ndim == 3 and item.shape[2] <= 4)
        )
    if isinstance(item, ArrayInput):
        return False
    if isinstance(item, str | os.PathLike):
        path = expand(os.fsdecode(item))
        return path.suffix.lower() not in (*SIGNAL_SUFFIXES, ".gif") and not path.is_dir()
    return isinstance(item, Photo | Image.Image | bytes)


def _found(source: Any, preprocessing: ArrayPreprocessing, name: str) -> _Found:
    if isinstance(source, np.ndarray):
        return _from_numbers(source, preprocessing, name)
    if isinstance(source, str | os.PathLike):
        return _from_path(expand(os.fsdecode(source)), preprocessing)
    if isinstance(source, list | tuple) and source and all(map(is_picture, source)):
        if not preprocessing.takes_frames:
            raise _wrong(name, "a list of pictures", preprocessing)
        frames = (
            read_photo(one, None if _is_named(one) else f"frame {at}")
            for at, one in enumerate(source)
        )
        found = _in_a_row(frames, name)
        return replace(found, name=found.frames[0].name) if _is_named(source[0]) else found
    raise _wrong(name, kind_of(source), preprocessing)


def _is_named(one: Any) -> bool:
    return isinstance(one, str | os.PathLike) or bool(getattr(one, "name", ""))


def _from_numbers(
    values: NDArray[Any], preprocessing: ArrayPreprocessing, name: str, digest: str | None = None
) -> _Found:
    frames = values.dtype == np.uint8 and preprocessing.takes_frames
    if frames and values.ndim == 4 and values.shape[3] == 3:
        photos = (read_photo(one, f"frame {at}") for at, one in enumerate(values))
        return _in_a_row(photos, name, digest)
    return _Found(values, (), name, (), digest)


def _from_path(path: Path, preprocessing: ArrayPreprocessing) -> _Found:
    name, suffix = path.name, path.suffix.lower()
    if path.is_dir():
        return _from_folder(path, preprocessing)
    if suffix in ARRAY_SUFFIXES or (suffix == WAV and preprocessing.axes == 1):
        check_is_file(path)
        if suffix == WAV:
            values, notes, rate = _read_wav(path, preprocessing.channels)
        else:
            values, notes, rate = read_numbers(path), (), None
        digest = given_sha256(path)
        found = _from_numbers(values, preprocessing, name, digest)
        return _Found(found.values, found.frames, name, (*notes, *found.notes), digest, rate)
    if preprocessing.takes_frames and suffix in (".gif", ".webp", ".tif", ".tiff", ".png"):
        check_is_file(path)
        frames = _frames_of(path)
        if len(frames) > 1:
            return _in_a_row(frames, name, given_sha256(path))
    check_is_file(path)
    what = "no file of numbers" if suffix in SIGNAL_SUFFIXES else "a picture"
    raise _wrong(name, what, preprocessing)


def _from_folder(path: Path, preprocessing: ArrayPreprocessing) -> _Found:
    if not preprocessing.takes_frames:
        raise _wrong(path.name, "a folder", preprocessing)
    known = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
    files = sorted(one for one in path.iterdir() if one.suffix.lower() in known)
    if not files:
        raise PhotoError(
            path.name, "the folder holds no picture", "Put the frames of one clip into it."
        )
    found = _in_a_row(map(read_photo, files), path.name, order="in the order of their names")
    joined = "".join(one.sha256 for one in found.frames)
    return replace(found, digest=hashlib.sha256(joined.encode()).hexdigest())


def _frames_of(path: Path) -> tuple[Photo, ...]:
    try:
        with open_given(path) as file:
            decoded = decode_frames(file, path.name, lambda count: _check_count(count, path.name))
    except OSError as error:
        raise PhotoError(path.name, f"it cannot be read ({error})", "Check the file.") from error
    return tuple(
        new_photo(frame.pixels, f"frame {at}", frame.notes, white=frame.white)
        for at, frame in enumerate(decoded)
    )


def _in_a_row(
    frames: Iterable[Photo], name: str, digest: str | None = None, *, order: str = "in a row"
) -> _Found:
    """Return the frames of a clip, and what was done to any of them."""
    held, count = list[Photo](), 0
    for frame in frames:
        count += frame.pixels.size
        _check_count(count, name)
        held.append(frame)
    notes = [note for frame in held for note in frame.notes]
    told = (f"{plural(len(held), 'frame')} {order}", *dict.fromkeys(notes))
    # Of a black frame nothing tells what its white is.
    whites = {frame.white for frame in held if frame.white and frame.pixels.any()}
    if len(whites) > 1:
        white = max(whites)
        held = [_as_white(frame, white) for frame in held]
        told = (*told, f"white is {white} in all frames with 16 bits")
    return _Found(None, tuple(held), name, told, digest)


def _as_white(frame: Photo, white: int) -> Photo:
    """Return a frame as bright as it is beside others in which another value is white."""
    if frame.white is None:
        return frame
    pixels = (frame.pixels.astype(np.uint32) * frame.white + white // 2) // white
    return new_photo(pixels.astype(np.uint8), frame.name, frame.notes, white=white)


def _check_count(count: int, name: str) -> None:
    if count > _MOST_VALUES:
        raise PhotoError(name, f"it has {count:,} numbers", f"Give {_MOST_VALUES:,} or fewer.")


def _read_wav(path: Path, channels: int) -> tuple[NDArray[Any], tuple[str, ...], float]:
    """Read PCM samples as -1 to 1; several channels are averaged for a network that takes one."""
    samples, width, rate = read_wav(path)
    notes = [f"{width}-bit samples at {rate:,} Hz, taken as -1 to 1"]
    if len(samples) > 1 and channels == 1:
        notes.append(f"{len(samples)} channels averaged")
        samples = samples.mean(0, keepdims=True)
    return samples, tuple(notes), float(rate)


def _with_channels(found: _Found, preprocessing: ArrayPreprocessing) -> NDArray[Any]:
    values, space, channels = found.values, preprocessing.space, preprocessing.channels
    assert values is not None
    if values.dtype.kind not in "fiub" or values.size == 0:
        what = "empty" if values.size == 0 else f"of {values.dtype}"
        raise PhotoError(found.name, f"the array is {what}", "Give numbers.")
    _check_count(values.size, found.name)
    if values.ndim == space.axes and channels == 1:
        return values[None]
    if values.ndim == space.axes + 2 and len(values) == 1:
        values = values[0]
    if values.ndim == space.axes + 1 and len(values) == channels:
        return values
    last = values.ndim == space.axes + 1 and values.shape[-1] == channels
    remedy = f"Give [{', '.join((str(channels), *space.letters))}]."
    raise PhotoError(
        found.name,
        f"it has the shape {list(values.shape)}, and the network takes {preprocessing.takes}",
        f"Its channels come last: move them to the front. {remedy}" if last else remedy,
    )


def _check_frames(found: _Found, preprocessing: ArrayPreprocessing) -> None:
    first = found.frames[0]
    for frame in found.frames[1:]:
        if frame.pixels.shape != first.pixels.shape:
            raise PhotoError(
                found.name,
                f"its frames differ in size: {first.height} x {first.width} and {frame.height} x "
                f"{frame.width}",
                "Give frames of one clip.",
            )


def _check_rate(found: _Found, preprocessing: ArrayPreprocessing) -> None:
    """Refuse a signal that was sampled faster or slower than those of the network.

    Nothing is resampled: what the network has learned at one rate sounds higher or lower at
    another, and its answer would mean nothing.
    """
    wanted = preprocessing.rate
    if found.rate is None or wanted is None or wanted == 1.0 or found.rate == wanted:
        return
    raise PhotoError(
        found.name,
        f"it is sampled at {found.rate:,.10g} Hz, and the network takes {wanted:,.10g} Hz",
        "Resample it first; if the network was trained at the rate of the file, say that rate.",
    )


def _check_numbers(tensor: torch.Tensor, name: str) -> None:
    if not bool(tensor.isfinite().all()):
        raise PhotoError(
            name,
            "it holds values that are not finite in single precision (NaN, infinity, or beyond "
            "3.4e38)",
            "Check the file.",
        )


def _wrong(name: str, what: str, preprocessing: ArrayPreprocessing) -> PhotoError:
    given = "an array, a .npy, .npz or .pt file"
    if preprocessing.axes == 1:
        given = "an array, a .npy, .npz, .pt or .wav file"
    elif preprocessing.takes_frames:
        given += ", or the frames of a clip as a folder or a list of pictures"
    return PhotoError(
        name, f"this is {what}, and the network takes {preprocessing.takes}", f"Give {given}."
    )


def refuse_picture(name: str, preprocessing: ArrayPreprocessing) -> PhotoError:
    """Return the error of a picture that is given where a signal or a volume is taken."""
    return _wrong(name, "a picture", preprocessing)


def _digest(values: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def named(items: Sequence[Any], index: int, preprocessing: ArrayPreprocessing) -> str:
    """Return what an input without a name is called."""
    noun = "clip" if preprocessing.of_frames else ""
    return f"{noun or preprocessing.space.noun} {index}"
