"""Tar shards in the layout of webdataset: indexed once, read by offset, never unpacked.

The files of one sample stand together and share the name up to its first full stop: ``0001.jpg``
with ``0001.cls`` (the class as a number) or ``0001.json`` (with "label", "cls" or "class").
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path, PurePosixPath

from cnnviz.datasets.dataset import Dataset, DatasetImage
from cnnviz.datasets.files import SUFFIXES
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import PhotoError, read_photo
from cnnviz.results.text import plural

SUFFIX = ".tar"
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_LABELS = ("label", "cls", "class", "target")


@dataclass(frozen=True)
class _Span:
    """Where a member of a tar lies."""

    start: int
    size: int


@dataclass(frozen=True)
class _Entry:
    """One image of a shard, and its label's file."""

    shard: int
    member: str
    image: _Span
    label: tuple[str, _Span] | None


class Shards(Dataset):
    """The images of one or several tar files.

    Parameters
    ----------
    paths : sequence of Path
        The files, in order.

    Raises
    ------
    UsageError
        If a file is missing or is no plain tar.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._entries = [e for place, path in enumerate(self.paths) for e in _index(place, path)]

    def __len__(self) -> int:
        return len(self._entries)

    def name(self, index: int) -> str:
        """Return the tar and the path of an image in it."""
        entry = self._entries[index]
        return f"{self.paths[entry.shard].name}/{entry.member}"

    def key(self, index: int) -> str:
        """Return the name of an image, where it lies, and when the tar was last written to."""
        entry = self._entries[index]
        try:
            written = self.paths[entry.shard].stat().st_mtime_ns
        except OSError:
            return f"{self.name(index)} gone"
        return f"{self.name(index)} {entry.image.start} {entry.image.size} {written}"

    def label(self, index: int) -> int | None:
        """Return the label that stands beside an image; None where there is none."""
        entry = self._entries[index]
        if entry.label is None:
            return None
        kind, span = entry.label
        return _label(kind, self._bytes(entry, span))

    def read(self, index: int) -> DatasetImage:
        """Read an image and its label."""
        entry = self._entries[index]
        data = self._bytes(entry, entry.image)
        return DatasetImage(read_photo(data, self.name(index)), self.label(index))

    def describe(self) -> str:
        """Say how many images and shards there are."""
        images, shards = plural(len(self), "image"), plural(len(self.paths), "shard")
        return f"{self.paths[0].name}, {images} in {shards}"

    def _bytes(self, entry: _Entry, span: _Span) -> bytes:
        path = self.paths[entry.shard]
        try:
            with path.open("rb") as file:
                file.seek(span.start)
                data = file.read(span.size)
        except OSError as error:
            raise ImageError(
                f"{path.name} cannot be read ({error.strerror or error}).", "Check the file."
            ) from error
        if len(data) < span.size:
            raise PhotoError(
                f"{path.name}/{entry.member}", "the tar ends before it does", "Copy the tar again."
            )
        return data


def shards_of(pattern: str) -> list[Path]:
    """Return the files that ``a-{000..012}.tar`` stands for; a plain path stands for itself."""
    ranges = [(match[1], match[2]) for match in _RANGE.finditer(pattern)]
    spans = []
    for first, last in ranges:
        if int(last) < int(first):
            raise UsageError(f"The range {{{first}..{last}}} is empty.", "Begin with the least.")
        spans.append([str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)])
    template = _RANGE.sub("\0", pattern)
    paths = []
    for numbers in product(*spans):
        parts = iter(numbers)
        paths.append(Path(re.sub("\0", lambda _, p=parts: next(p), template)))  # type: ignore[misc]
    return paths


def _index(place: int, path: Path) -> Iterator[_Entry]:
    group: list[tuple[str, str, _Span]] = []
    sample = ""
    for name, span in _members(path):
        stem, suffix = _split(name)
        if stem != sample:
            yield from _entries(place, group)
            sample, group = stem, []
        group.append((name, suffix, span))
    yield from _entries(place, group)


def _members(path: Path) -> Iterator[tuple[str, _Span]]:
    if not path.is_file():
        raise UsageError(f"There is no file {str(path)!r}.", "Check the name and the range.")
    try:
        with tarfile.open(path, "r:") as tar:
            while (member := tar.next()) is not None:
                # Kept, they would grow with the data.
                tar.members.clear()  # type: ignore[attr-defined]
                hidden = PurePosixPath(member.name).name.startswith(".")
                if member.isreg() and not hidden:
                    yield member.name, _Span(member.offset_data, member.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UsageError(
            f"{path.name} cannot be read as a tar ({error}).",
            "Give plain tars, which are not compressed as a whole, and copy a damaged one again.",
        ) from error


def _split(name: str) -> tuple[str, str]:
    """Return the sample that a member belongs to, and what it is of it."""
    folder, slash, file = name.rpartition("/")
    stem, _, suffix = file.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def _entries(place: int, group: list[tuple[str, str, _Span]]) -> Iterator[_Entry]:
    """Yield the image of a sample; each image where none has a plain suffix."""
    label = next(((kind, span) for _, kind, span in group if kind in ("cls", "json")), None)
    plain = [entry for entry in group if f".{entry[1]}" in SUFFIXES][:1]
    dotted = [entry for entry in group if entry[1].endswith(SUFFIXES)]
    for name, _, span in plain or dotted:
        yield _Entry(place, name, span, label)


def _label(kind: str, data: bytes) -> int | None:
    try:
        if kind == "cls":
            return int(data.decode("utf-8").strip())
        found = json.loads(data)
        named = [found[name] for name in _LABELS if name in found]
        return int(named[0]) if named else None
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
