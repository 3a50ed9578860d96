"""Paths as people write them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any


def expand(path: str | os.PathLike[str]) -> Path:
    """Return a path with a leading ``~/`` replaced by the home folder.

    Only that form: ``~draft.jpg`` is a file, and pathlib would look for a user of that name.
    """
    text = os.fspath(path)
    return Path(text).expanduser() if text == "~" or text.startswith("~/") else Path(text)


def is_file_named_as_folder(path: str | os.PathLike[Any]) -> bool:
    """Whether a path ends in a slash, as those of folders do, and leads to something else.

    Python drops the slash, and the system would say that there is no such folder.
    """
    text = os.fsdecode(path)
    return text.endswith(("/", os.sep)) and expand(text).is_file()


def file_name(path: str) -> str:
    """Return the name of a file without its folders; of what is no path, nothing.

    A file's name may hold bytes that are no text; they cannot be written into a report.
    """
    return writable(expand(path).name)


def writable(name: str) -> str:
    """Return a name with whatever is no text replaced by question marks."""
    return name.encode("utf-8", "replace").decode("utf-8")


def distinct_names(named: Sequence[tuple[str, str]]) -> list[str]:
    """Return the names of files, each with as many of its folders as tell it from the others.

    Parameters
    ----------
    named : sequence of (str, str)
        The name of each, and its path as it was given; no path where it has none. Names that are
        no end of their path stay as they are, and so do those of one file that is named twice.

    >>> distinct_names([("1.jpg", "a/1.jpg"), ("1.jpg", "b/1.jpg"), ("2.jpg", "a/2.jpg")])
    ['a/1.jpg', 'b/1.jpg', '2.jpg']
    """
    parts = [_parts(name, path) for name, path in named]
    shown = [len(PurePath(name).parts) for name, _ in named]
    names = [name for name, _ in named]
    while True:
        alike = defaultdict(list)
        for place, name in enumerate(names):
            alike[name].append(place)
        longer = [
            place
            for places in alike.values()
            if len({parts[place] for place in places}) > 1
            for place in places
            if shown[place] < len(parts[place])
        ]
        if not longer:
            return names
        for place in longer:
            shown[place] += 1
            names[place] = PurePath(*parts[place][-shown[place] :]).as_posix()


def _parts(name: str, path: str) -> tuple[str, ...]:
    """Return the parts of a path that ends in a name, or of the name where it does not."""
    own, whole = PurePath(name).parts, PurePath(path).parts
    return whole if own and whole[-len(own) :] == own else own
