"""Files of numbers: arrays, tensors, and sound."""

from __future__ import annotations

import wave
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.foreign_code import first_line
from cnnviz.images.given_tensors import check_values_are_there
from cnnviz.images.photo import PhotoError
from cnnviz.results.given_files import check_ordinary, open_given
from cnnviz.results.parsed_again import parsed_again
from cnnviz.results.text import kind_of, plural

if TYPE_CHECKING:
    import torch

ARRAY_SUFFIXES = (".npy", ".npz", ".pt", ".pth")
WAV = ".wav"
SIGNAL_SUFFIXES = (*ARRAY_SUFFIXES, WAV)


def check_is_file(path: Path) -> None:
    """Raise `PhotoError` if there is no such file, no ordinary one, or nothing in it."""
    try:
        check_ordinary(path)
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise PhotoError(path.name, "there is no such file", "Check the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(
            path.name, f"the file cannot be read ({reason})", "Copy it to a file of its own."
        ) from error
    if size == 0:
        raise PhotoError(path.name, "the file is empty", "Copy or download it again.")


def read_numbers(path: Path) -> NDArray[Any]:
    """Return the one array in a file of `ARRAY_SUFFIXES`.

    Raises
    ------
    ImageError
        It cannot be read, or holds something else.
    """
    readers = {".npy": _read_npy, ".npz": _read_npz}
    return readers.get(path.suffix.lower(), _read_pt)(path)


@parsed_again
def _read_npy(path: Path) -> NDArray[Any]:
    try:
        with open_given(path) as file:
            found = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError, RecursionError) as error:
        raise _damaged(path, error, "numpy.save", "one array of numbers") from error
    return np.asarray(found)


@parsed_again
def _read_npz(path: Path) -> NDArray[Any]:
    try:
        with open_given(path) as file, np.load(file, allow_pickle=False) as held:
            names = list(held.files)
            if len(names) != 1:
                raise PhotoError(
                    path.name,
                    f"it holds {plural(len(names), 'array')}"
                    + (f" ({', '.join(names[:5])})" if names else ""),
                    "Save the one that is meant alone, as .npy.",
                )
            return np.asarray(held[names[0]])
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, error, "numpy.savez", "one array of numbers") from error


def _read_pt(path: Path) -> NDArray[Any]:
    import torch

    try:
        with open_given(path) as file:
            found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler meets damage with almost any exception
        raise _damaged(path, error, "torch.save", "one tensor") from error
    if not isinstance(found, torch.Tensor):
        raise PhotoError(path.name, f"it holds {kind_of(found)}", "Save one tensor in it.")
    return _in_numpy(found.detach(), path.name)


def _in_numpy(tensor: torch.Tensor, name: str) -> NDArray[Any]:
    """Return a tensor's numbers in their own kind, which says how they are meant, as of a .npy."""
    import torch

    try:
        check_values_are_there(tensor)
        plain = not tensor.is_quantized
    except UsageError:
        plain = False
    if not plain:
        kind = f"{tensor.layout}, {tensor.dtype}, {tensor.device}"
        raise PhotoError(
            name,
            f"its tensor is no dense one of ordinary numbers ({kind})",
            "Save one that is, such as of float32.",
        )
    # NumPy has no bfloat16, no halves of complex numbers, and no signs or conjugates to be taken.
    wide = {torch.bfloat16: torch.float32, torch.complex32: torch.complex64}
    held = tensor.to(wide.get(tensor.dtype, tensor.dtype))
    return np.asarray(held.resolve_conj().resolve_neg().numpy())


def read_wav(path: Path) -> tuple[NDArray[np.float32], int, int]:
    """Return the samples [C, L] of a PCM .wav file as -1 to 1, their bits, and samples a second.

    Raises
    ------
    ImageError
        It is no PCM .wav file.
    """
    try:
        with open_given(path) as stream, wave.open(stream, "rb") as file:
            width, rate, count = file.getsampwidth(), file.getframerate(), file.getnchannels()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise PhotoError(
            path.name, f"it is no PCM .wav file ({error})", "Convert it to 16-bit PCM."
        ) from error
    return _pcm(data, width).reshape(-1, count).T, 8 * width, rate


def _pcm(data: bytes, width: int) -> NDArray[np.float32]:
    if width == 1:
        return np.asarray(np.frombuffer(data, np.uint8) / 128.0 - 1.0, np.float32)
    raw = np.frombuffer(data, np.uint8).reshape(-1, width)
    # The sign lies in the highest byte: put at the top of 32 bits, it is that of a whole number.
    wide = np.zeros((len(raw), 4), np.uint8)
    wide[:, 4 - width :] = raw
    samples = wide.reshape(-1).view("<i4").astype(np.float32)
    return np.asarray(samples / np.float32(1 << 31), np.float32)


def _damaged(path: Path, error: Exception, writer: str, what: str) -> PhotoError:
    """Say what is wrong with a file; not in the words of its reader, which tell how to run it."""
    system = getattr(error, "errno", None) is not None or isinstance(error, MemoryError)
    return PhotoError(
        path.name,
        f"it cannot be read ({first_line(error)})"
        if system
        else f"it is damaged, or holds something other than {what} written by {writer}",
        f"Copy it again, or save {what} in it with {writer}.",
    )
