"""Files that somebody names: opened only where they are ordinary ones, and read up to a bound.

A name may lead anywhere: to a pipe that nobody writes to, which waits for ever; to ``/dev/zero``,
which never ends; to a file with a hole of a terabyte. Whatever opens what a user named does it
here. What is wrong is an `OSError` whose ``strerror`` says it, as of any file that cannot be read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

SETTINGS = 16 << 20
"""The most bytes of what a person writes: settings, class names."""
LISTING = 4 << 30
"""The most bytes of what a program writes: lists of a data set, annotations, runs."""
_NOT_ORDINARY = "it is not an ordinary file"


def check_ordinary(path: Path) -> None:
    """Raise `OSError` unless there is a file at a path, or at the end of a link there.

    For files that another library opens by their name.
    """
    _check(path.stat(), path)


def open_given(path: Path) -> BufferedReader:
    """Open an ordinary file to be read; raise `OSError` for anything else, without waiting."""
    # Opening alone does something to some devices, such as a tape.
    check_ordinary(path)
    # Something else may lie there by now: a pipe is opened without waiting for who writes to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    stream = os.fdopen(os.open(path, flags), "rb")
    try:
        _check(os.fstat(stream.fileno()), path)
    except BaseException:
        stream.close()
        raise
    return stream


def no_file(
    path: Path, remedy: Callable[[Path], str] = lambda path: "Check the path.", noun: str = "file"
) -> tuple[str, str]:
    """Return what an error says, and what to do, of a path at which no ordinary file lies.

    Parameters
    ----------
    path : Path
        The path.
    remedy : callable
        What to do where nothing lies there, such as which name may have been meant.
    noun : str
        What the file would have been.
    """
    if path.is_dir():
        return f"{str(path)!r} is a folder.", f"Name a {noun}."
    if path.exists():
        return f"{str(path)!r} is not an ordinary file.", "Copy it to a file first."
    return f"There is no {noun} {str(path)!r}.", remedy(path)


def given_bytes(path: Path, most: int = LISTING) -> bytes:
    """Return what is in a file; raise `OSError` where it is no ordinary one, or has more bytes."""
    with open_given(path) as stream:
        if os.fstat(stream.fileno()).st_size > most:
            raise _too_large(path, most)
        data = stream.read(most + 1)
    if len(data) > most:  # it has grown meanwhile, or is one of those that tell no size
        raise _too_large(path, most)
    return data


def given_text(path: Path, most: int = SETTINGS) -> str:
    """Return the text in a file, without the mark that Windows puts in front.

    Raises
    ------
    OSError
        As `given_bytes`.
    UnicodeDecodeError
        If it is not UTF-8.
    """
    text = given_bytes(path, most).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def given_sha256(path: Path) -> str:
    """Return the SHA-256 of a file; raise `OSError` where it is no ordinary one."""
    with open_given(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check(found: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _NOT_ORDINARY, str(path))


def _too_large(path: Path, most: int) -> OSError:
    bound = f"{most >> 30} GB" if most >> 30 else f"{most >> 20} MB"
    return OSError(errno.EFBIG, f"it has more than {bound}", str(path))
