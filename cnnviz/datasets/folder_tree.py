"""The files of a folder and the folders in it, which may be the classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cnnviz.images.paths import writable
from cnnviz.results.text import plural


class FolderTree:
    """Files by their paths below a folder; where each lies in a folder there, these are classes.

    Parameters
    ----------
    root : Path
        The folder.
    files : sequence of str
        The paths of the files below it, with slashes.
    """

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self.root, self._files = root, tuple(files)
        self.classes: tuple[str, ...] = ()
        if all("/" in file for file in self._files):
            self.classes = tuple(dict.fromkeys(map(_folder, self._files)))
        self._labels = {name: place for place, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        """Return the path of a file below the root."""
        return writable(self._files[index])

    def label(self, index: int) -> int | None:
        """Return the class that the folder of a file stands for."""
        return self._labels.get(_folder(self._files[index]))

    def file(self, index: int) -> Path:
        """Return the file of one."""
        return self.root / self._files[index]

    def told(self, counted: str) -> str:
        """Say how many files there are, counted in words, and in how many folders."""
        classes = f" in {plural(len(self.classes), 'folder')}" if self.classes else ""
        return f"{self.root.name or self.root}, {counted}{classes}"


def _folder(file: str) -> str:
    return file.partition("/")[0]
