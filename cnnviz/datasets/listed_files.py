"""Images that a CSV file lists, each with its label."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from cnnviz.bounds import read_whole
from cnnviz.datasets.files import FilesOnDisk
from cnnviz.errors import UsageError
from cnnviz.images.paths import expand
from cnnviz.results.given_files import LISTING, given_text
from cnnviz.results.text import first_few, plural

LISTS = (".csv", ".tsv")
PATHS = ("path", "file", "filename", "filepath", "image", "image_path", "img")
_LABELS = ("label", "labels", "class", "classes", "target", "category")
_BETWEEN = re.compile(r"[|;]")


class ListedFiles(FilesOnDisk):
    """The images of a CSV file with the columns ``path`` and ``label``.

    Without a line of headings the first column is the path and the second the label. A path is
    taken from the folder of the list. Several labels of one image stand with ``|`` or ``;`` between
    them. Labels that are all whole numbers are indices; any others are names, and the classes are
    these names in order of the alphabet.

    Parameters
    ----------
    path : Path
        The list, whose columns a comma, semicolon or tab separates.

    Raises
    ------
    UsageError
        If it cannot be read, lists nothing, or none of its files is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files, written = _columns(path)
        parts = [_taken_apart(text) for text in written]
        names = sorted({name for several in parts for name in several})
        numbered = all(read_whole(name) is not None for name in names)
        self.classes = () if numbered else tuple(names)
        places = {name: int(name) if numbered else place for place, name in enumerate(names)}
        self._labels = [tuple(places[name] for name in several) for several in parts]
        _check_there(self, [self.file(index) for index in range(len(self._files))])

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        """Return the path of an image as the list has it."""
        return self._files[index]

    def key(self, index: int) -> str:
        """Return the path in the list, the size, when the file was last written to, the labels."""
        labels = " ".join(map(str, self._labels[index]))
        try:
            found = self.file(index).stat()
        except OSError:
            return f"{self._files[index]} gone {labels}"
        return f"{self._files[index]} {found.st_size} {found.st_mtime_ns} {labels}"

    def label(self, index: int) -> int | None:
        """Return the label of an image that has exactly one."""
        several = self._labels[index]
        return several[0] if len(several) == 1 else None

    def labels(self, index: int) -> tuple[int, ...]:
        """Return all labels of an image."""
        return self._labels[index]

    def describe(self) -> str:
        """Say how many images and labels the list has."""
        labels = f" with {plural(len(self.classes), 'label')}" if self.classes else ""
        return f"{self.path.name}, {plural(len(self), 'image')}{labels}"

    def file(self, index: int) -> Path:
        """Return the file of an image."""
        return self.path.parent / expand(self._files[index])


def _columns(path: Path) -> tuple[list[str], list[str]]:
    """Return the paths and the labels that a list has, as they are written."""
    rows = csv_rows(path)
    headings = [cell.strip().casefold() for cell in rows[0]] if rows else []
    at = next((headings.index(name) for name in PATHS if name in headings), None)
    if at is None:
        at, labelled, body = 0, 1, rows
    else:
        labelled = next((headings.index(name) for name in _LABELS if name in headings), -1)
        body = rows[1:]
    kept = [row for row in body if len(row) > at and row[at].strip()]
    if not kept:
        raise UsageError(
            f"{path.name} lists no image.", "Give it the columns path and label, a line an image."
        )
    texts = [row[labelled].strip() if 0 <= labelled < len(row) else "" for row in kept]
    return [row[at].strip() for row in kept], texts


def csv_rows(path: Path) -> list[list[str]]:
    """Return the rows of a list, whose columns a comma, semicolon or tab separates.

    Raises
    ------
    UsageError
        If it cannot be read, or is no CSV file.
    """
    try:
        text = given_text(path, LISTING)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(
            f"The list {str(path)!r} cannot be read: {reason}.", "Save it as CSV in UTF-8."
        ) from error
    first = text.partition("\n")[0]
    between = next((sign for sign in "\t,;" if sign in first), ",")
    try:
        return [row for row in csv.reader(text.splitlines(), delimiter=between) if any(row)]
    except csv.Error as error:
        raise UsageError(f"{path.name} is no CSV file: {error}.", "Save it as CSV.") from error


def _taken_apart(text: str) -> list[str]:
    return [part for each in _BETWEEN.split(text) if (part := each.strip())]


def _check_there(listed: ListedFiles, paths: Sequence[Path]) -> None:
    missing = [listed.name(at) for at, path in enumerate(paths) if not path.is_file()]
    if len(missing) == len(paths):
        raise UsageError(
            f"None of the {plural(len(paths), 'file')} that {listed.path.name} lists is there: "
            f"{first_few(missing, 2, '.')}",
            f"Write their paths as seen from {str(listed.path.absolute().parent)!r}.",
        )
