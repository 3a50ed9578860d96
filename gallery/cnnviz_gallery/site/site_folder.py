"""The files of a site: each written whole, and only where it says something new."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from msgspec import Struct

from cnnviz.errors import OutputError
from cnnviz.images.paths import expand
from cnnviz.results.files import (
    alone_in,
    check_can_write_in,
    check_parent,
    is_temporary,
    not_left_by_desktops,
    remove_leftovers,
    write_atomically,
)
from cnnviz.results.given_files import SETTINGS, given_bytes
from cnnviz.results.structured import decoded
from cnnviz.results.suffixes import check_folder_name
from cnnviz_gallery.site.own_content import GENERATOR, is_own

FORMAT = "cnnviz gallery 1"
MANIFEST = "gallery.json"
_SHARED = (
    MANIFEST,
    "index.html",
    *(f"assets/{name}" for name in ("gallery.css", "gallery.js", "icon.svg", "search.js")),
    "models/*/index.html",
    "models/*/network.json",
    "models/*/units.json",
)
"""Files that are certain to be written over where a site is gone on with."""


class _Manifest(Struct):
    format: str


class SiteFolder:
    """The folder of a site.

    Parameters
    ----------
    root : Path
        The folder; it is made, and may hold a gallery already.

    Attributes
    ----------
    written, kept : int
        Files that were written, and files that said the same already.

    Raises
    ------
    OutputError
        If something else than a gallery is there, or nothing can be written.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = expand(root).resolve()
        self.written = self.kept = 0
        self._counting = Lock()
        check(self.root)
        _make(self.root)
        remove_leftovers(self.root, below=True)
        self.write(MANIFEST, _json({"format": FORMAT}))

    def write(self, name: str, content: bytes | str) -> None:
        """Write a file whole or not at all; one that has this content already stays as it is."""
        data = content.encode() if isinstance(content, str) else content
        path = self._inside(name)
        same = _size(path) == len(data) and _content(path) == data
        if not same:
            _check_own(path)
            if not self.root.is_dir():  # made anew, it would hold a part of the pages
                raise OutputError(
                    f"The folder {str(self.root)!r} was removed while the command worked.",
                    "Start it again, and leave the folder alone until it has ended.",
                )
            _make(path.parent)
            write_atomically(path, lambda temporary: _fill(temporary, data))
        with self._counting:  # several threads write
            self.kept += same
            self.written += not same

    def write_json(self, name: str, data: dict[str, Any]) -> None:
        """Write plain data."""
        self.write(name, _json(data))

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Let one command at a time work in a folder of the site; another waits."""
        folder = self._inside(name)
        if self.root.is_dir():  # made anew, it would hold a part of the pages
            _make(folder)
        with alone_in(folder):
            yield

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None where there is none."""
        return _content(self.root / name)

    def read_json(self, name: str) -> dict[str, Any]:
        """Return plain data; nothing where there is no such file or it is damaged."""
        try:
            return decoded(self.read(name) or b"{}", dict[str, Any])
        except ValueError:
            return {}

    def has(self, name: str) -> bool:
        """Whether there is a file."""
        return (self.root / name).is_file()

    def remove(self, name: str) -> None:
        """Remove a file if an earlier build made it, as its content says."""
        path = self._inside(name)
        if is_own(path):
            path.unlink(missing_ok=True)

    def remove_empty(self, name: str) -> None:
        """Remove a folder that an earlier build made, unless something is left in it."""
        with suppress(OSError):
            self._inside(name).rmdir()

    def folders(self, name: str) -> list[str]:
        """Return the names of the folders in a folder."""
        path = self.root / name
        return (
            sorted(each.name for each in path.iterdir() if each.is_dir()) if path.is_dir() else []
        )

    def files(self, name: str) -> list[str]:
        """Return the names of the files in a folder, but for links."""
        path = self.root / name
        return (
            sorted(each.name for each in path.iterdir() if each.is_file() and not each.is_symlink())
            if path.is_dir()
            else []
        )

    def _inside(self, name: str) -> Path:
        """Return where a file of the site lies; a link that somebody put there leads nowhere."""
        path = self.root / name
        if not path.parent.resolve().is_relative_to(self.root) or ".." in path.parts:
            raise OutputError(
                f"{str(path)!r} leads out of the folder of the gallery.",
                "Take the link out of the folder, or name another folder.",
            )
        return path


def check(root: Path) -> None:
    """Raise `OutputError` unless a folder can become a gallery, or is one."""
    if root.exists() and not root.is_dir():
        raise OutputError(f"{str(root)!r} is a file.", "Name a folder for the gallery.")
    check_folder_name(root)
    if not root.exists():
        check_parent(root, " the gallery")
        check_can_write_in(root.parent)
        return
    check_can_write_in(root)
    # Another command may be about to write there what makes it a gallery.
    found = [path for path in not_left_by_desktops(root) if not is_temporary(path)]
    if found and not _is_gallery(root):
        raise OutputError(
            f"The folder {str(root)!r} is not empty and is not a cnnviz gallery.",
            "Name another folder.",
        )
    # All that is certain to be written again, before the work; the rest as it comes.
    for name in _SHARED:
        for path in root.glob(name):
            _check_own(path)


def _check_own(path: Path) -> None:
    """Raise `OutputError` where a file of somebody else has the name of one of a site."""
    if os.path.lexists(path) and not is_own(path):
        raise OutputError(
            f"{str(path)!r} would be written over, and nothing in it says that cnnviz made it.",
            "Move it away, or name another folder for the gallery.",
        )


def _is_gallery(root: Path) -> bool:
    try:
        return decoded(given_bytes(root / MANIFEST, SETTINGS), _Manifest).format == FORMAT
    except (OSError, ValueError):
        return False


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _content(path: Path) -> bytes | None:
    try:
        return given_bytes(path)
    except OSError:
        return None


def _fill(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {str(folder)!r} cannot be made: {error.strerror or error}.",
            "Check the free space and the permissions, or name another place.",
        ) from error


def _json(data: dict[str, Any]) -> str:
    # At the end, where it is looked for, also in what was read from an earlier build.
    last = {name: value for name, value in data.items() if name not in GENERATOR} | GENERATOR
    return json.dumps(last, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
