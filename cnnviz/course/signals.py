"""Signals to convolve: from a file, from numbers that a person types, and responses by name."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.course.slid_over import MATRIX_SUFFIXES, read_matrix
from cnnviz.course.written import check_can_be_multiplied, is_written, written_rows
from cnnviz.errors import ImageError, UsageError, did_you_mean
from cnnviz.images.number_files import (
    ARRAY_SUFFIXES,
    WAV,
    check_is_file,
    read_numbers,
    read_wav,
)
from cnnviz.images.paths import expand
from cnnviz.results.given_files import given_sha256
from cnnviz.results.text import plural

Given = str | os.PathLike[str] | Sequence[float] | NDArray[np.floating | np.integer]
"""What a signal may be given as."""
SIGNAL_FILES = (*MATRIX_SUFFIXES, *ARRAY_SUFFIXES[1:], WAV)
LONGEST = 512
"""Samples of a signal at most."""


@dataclass(frozen=True, eq=False)
class Signal:
    """Samples, and where they come from.

    Attributes
    ----------
    name : str
        What they are called.
    values : ndarray of float64
        [N].
    notes : tuple of str
        What was done to a file to get them.
    sha256 : str
        That of the file; empty where there is none.
    """

    name: str
    values: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    sha256: str = ""


def _binomial(size: int) -> NDArray[np.float64]:
    counts = [math.comb(size - 1, place) for place in range(size)]
    found: NDArray[np.float64] = np.array(counts, np.float64) / 2 ** (size - 1)
    return found


def _impulse(size: int) -> NDArray[np.float64]:
    found = np.zeros(size)
    found[0] = 1.0
    return found


def _decay(size: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.power(0.6, np.arange(size))
    return found


def _late(size: int, height: float) -> NDArray[np.float64]:
    found = np.zeros(size)
    found[-1] = height
    return found


@dataclass(frozen=True)
class Named:
    """A response that has a name.

    Attributes
    ----------
    title : str
        What it is.
    of : callable
        From how many samples it has to these.
    size : int
        How many samples it has where nobody says.
    """

    title: str
    of: Callable[[int], NDArray[np.float64]]
    size: int


RESPONSES: dict[str, Named] = {
    "impulse": Named("an impulse, which leaves a signal as it is", _impulse, 1),
    "delay": Named("a late impulse, which moves a signal", lambda n: _late(n, 1.0), 4),
    "box": Named("a box, the moving average", lambda n: np.full(n, 1.0 / n), 5),
    "gaussian": Named("binomial weights, about a Gaussian", _binomial, 5),
    "difference": Named("the difference of neighbours", lambda n: np.array([1.0, -1.0]), 2),
    "curvature": Named("the second difference", lambda n: np.array([1.0, -2.0, 1.0]), 3),
    "exponential": Named("an exponential decay, each 0.6 of the one before", _decay, 8),
    "echo": Named("an echo of half the height", lambda n: _impulse(n) + _late(n, 0.5), 5),
}
"""The only list of the responses that have a name; ``box:9`` has nine samples."""
_FIXED = ("difference", "curvature")


def signal_of(given: Given, what: str, part: tuple[int, int] | None = None) -> Signal:
    """Return a signal that is given, or a part of it.

    Parameters
    ----------
    given : str, os.PathLike, sequence of float or ndarray
        Numbers; as text ``0,1,0,2`` or ``[0, 1, 0, 2]``; a file of `SIGNAL_FILES`; or the name of a
        response, which may say how many samples it has: ``box:9``.
    what : str
        What to call it in errors.
    part : (int, int), optional
        The first sample that is taken, counted from 0, and how many.

    Raises
    ------
    UsageError
        If it is no sequence of finite numbers, there is nothing of that name, or it is too long.
    ImageError
        If a file cannot be read.
    """
    found = _found(given, what)
    values = found.values
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise UsageError(f"The {what} is no sequence of finite numbers.", "Give one or more.")
    check_can_be_multiplied(values, f"The {what}")
    whole = len(values)
    notes = found.notes
    if part is not None:
        first, count = part
        if not 0 <= first < whole or count < 1:
            raise UsageError(
                f"The {what} has no {plural(count, 'sample')} from {first}: it has {whole:,}.",
                "Give the first sample, counted from 0, and how many.",
            )
        values = values[first : first + count]
        notes = (*notes, f"samples {first:,} to {first + len(values) - 1:,} of {whole:,}")
    if len(values) > LONGEST:
        raise UsageError(
            f"A {what} of {len(values):,} samples is too long to be seen sliding.",
            f"Give at most {LONGEST}" + (", such as part=(0, 400)." if what == "signal" else "."),
        )
    return Signal(found.name, values, notes, found.sha256)


def _found(given: Any, what: str) -> Signal:
    if isinstance(given, str) and is_written(given):
        given = _row(given)
    elif isinstance(given, str | os.PathLike):
        text = os.fsdecode(given)
        path = expand(text)
        if path.suffix.lower() in SIGNAL_FILES:
            return _read(path)
        return _named(text, what)
    try:
        return Signal("", np.array(given, np.float64))
    except (TypeError, ValueError):
        return Signal("", np.empty(0))


def _row(text: str) -> NDArray[np.float64]:
    try:
        rows = written_rows(text)
    except ValueError:
        return np.empty(0)
    return rows.ravel() if 1 in rows.shape else rows


def _named(text: str, what: str) -> Signal:
    name, _, size = text.strip().lower().replace("-", "_").partition(":")
    found = RESPONSES.get(name)
    if found is None:
        otherwise = (
            f"Give numbers, such as 0,1,0,2; a file that ends in {', '.join(SIGNAL_FILES)}; or "
            f"one of {', '.join(RESPONSES)}."
        )
        raise UsageError(f"There is no {what} {text!r}.", did_you_mean(name, RESPONSES, otherwise))
    if size and (not size.isdecimal() or int(size) < 1 or name in _FIXED):
        why = "always has" if name in _FIXED else "cannot have"
        told = str(found.size) if name in _FIXED else repr(size)
        raise UsageError(
            f"The response {name!r} {why} {told} samples.", f"Give {name}, or box:9 for nine."
        )
    return Signal(found.title, found.of(int(size) if size else found.size))


def _read(path: Path) -> Signal:
    check_is_file(path)
    notes: tuple[str, ...] = ()
    suffix = path.suffix.lower()
    if suffix == WAV:
        samples, bits, rate = read_wav(path)
        values: NDArray[Any] = samples
        notes = (f"{bits}-bit samples at {rate:,} Hz, taken as -1 to 1",)
    elif suffix in ARRAY_SUFFIXES:
        values = read_numbers(path)
    else:
        values = read_matrix(path)
    if values.dtype.kind not in "biuf":
        raise ImageError(f"{path.name}: it holds {values.dtype}.", "Give numbers.")
    numbers = values.astype(np.float64)
    if numbers.ndim == 2 and 1 in numbers.shape:
        numbers = numbers.ravel()
    elif suffix == WAV:
        notes = (*notes, f"{len(numbers)} channels averaged")
        numbers = numbers.mean(0)
    if numbers.ndim != 1 or not numbers.size:
        raise ImageError(
            f"{path.name}: it has the shape {list(values.shape)}, which is no signal.",
            "Give one row, or one column, of numbers.",
        )
    return Signal(path.name, numbers, notes, given_sha256(path))
