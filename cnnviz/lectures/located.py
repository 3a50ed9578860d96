"""Where a file lies, said so that it is found from the folder of a lecture."""

from __future__ import annotations

import os
from pathlib import Path

_FACTORY = ".py:"
_PATTERN = "*?["


def located(text: str, folder: Path | None) -> str:
    """Return what names a file, a folder or a pattern of files as it is named from a folder.

    What lies below the working folder, as `folder` does, is named from there, so that the two may
    be moved together; anything else has its absolute path. What is no file stays as it is.

    Parameters
    ----------
    text : str
        What may name a file; ``file.py:factory`` does.
    folder : Path or None
        The folder that it is named from; None where that is not known.
    """
    named, mark, factory = text.partition(_FACTORY)
    path = Path(named + mark[:-1]).expanduser()
    if not text or not _there(path):
        return text
    here, whole = Path.cwd(), path.absolute()
    home = folder.expanduser().absolute() if folder is not None else None
    if home is not None and _below(whole, here) and _below(home, here):
        told = Path(os.path.relpath(whole, home)).as_posix()
    else:
        told = str(whole)
    return f"{told}:{factory}" if mark else told


def _there(path: Path) -> bool:
    """Return whether there is such a file or folder, or a folder that a pattern begins with."""
    plain = path
    while set(_PATTERN) & set(plain.name):
        plain = plain.parent
    return plain.exists()


def _below(path: Path, folder: Path) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(folder)
