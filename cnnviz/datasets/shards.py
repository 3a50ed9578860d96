"""Tar shards in the layout of webdataset: indexed once, read by offset, never unpacked.

The files of one sample stand together and share the name up to its first full stop: ``0001.jpg``
with ``0001.cls`` (the class as a number) or ``0001.json`` (with "label", "cls" or "class").
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from itertools import product
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from cnnviz.bounds import read_whole
from cnnviz.datasets.dataset import Dataset, DatasetImage
from cnnviz.datasets.files import SUFFIXES, size_in
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import PhotoError, read_photo
from cnnviz.images.paths import writable
from cnnviz.results.given_files import open_given
from cnnviz.results.structured import decoded
from cnnviz.results.text import file_size, plural

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SUFFIX = ".tar"
_MOST_FILES = 100_000
_LARGEST_IMAGE, _LARGEST_LABEL = 512 << 20, 1 << 20
_LARGEST_HEADER = 1 << 20
"""The most bytes of what stands ahead of a member: long names, and what is said of it."""
_CLASSES = range(2**31)
"""The numbers that a class can have."""
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_LABELS = ("label", "cls", "class", "target")


@dataclass(frozen=True)
class _Span:
    """Where a member of a tar lies."""

    start: int
    size: int


_Sample = list[tuple[str, str, _Span]]
"""The members of a sample: the name of each, what it is of the sample, and where it lies."""


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
        self._entries: list[_Entry] = []
        without = further = 0
        for place, path in enumerate(self.paths):
            for group in _samples(path):
                found = _entries(place, group)
                self._entries += found
                without += not found
                further += max(0, len(_plain(group)) - 1)
        self.notes = _left_out(without, further)

    def __len__(self) -> int:
        return len(self._entries)

    def name(self, index: int) -> str:
        """Return the tar and the path of an image in it."""
        entry = self._entries[index]
        return writable(f"{self.paths[entry.shard].name}/{entry.member}")

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

    def size(self, index: int) -> tuple[int, int] | None:
        """Return the height and width that the header of an image tells."""
        entry = self._entries[index]
        try:
            self._check_span(entry, entry.image)
            # The header alone: of a million photos all the bytes are a day of reading.
            with open_given(self.paths[entry.shard]) as file:
                width, height = size_in(BufferedReader(_Member(file, entry.image)))
        except Exception:  # decoders meet damage with almost any exception; reading will name it
            return None
        return height, width

    def describe(self) -> str:
        """Say how many images and shards there are."""
        images, shards = plural(len(self), "image"), plural(len(self.paths), "shard")
        return f"{self.paths[0].name}, {images} in {shards}"

    def _check_span(self, entry: _Entry, span: _Span) -> None:
        if span.size > (_LARGEST_IMAGE if span == entry.image else _LARGEST_LABEL):
            raise PhotoError(
                f"{self.paths[entry.shard].name}/{entry.member}",
                f"it takes {file_size(span.size)} in the tar",
                "Store images of a usual size.",
            )

    def _bytes(self, entry: _Entry, span: _Span) -> bytes:
        self._check_span(entry, span)
        path = self.paths[entry.shard]
        try:
            with open_given(path) as file:
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


class _Member(RawIOBase):
    """A member of a tar as a file of its own, of which only what is asked for is read."""

    def __init__(self, tar: BufferedReader, span: _Span) -> None:
        self._tar, self._span, self._place = tar, span, 0

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether it can be read from any place."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        begins = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._span.size}
        self._place = max(0, begins[whence] + offset)
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read as many bytes as fit into a buffer, or are left."""
        view = memoryview(buffer).cast("B")
        left = max(0, min(len(view), self._span.size - self._place))
        self._tar.seek(self._span.start + self._place)
        count = self._tar.readinto(view[:left])
        self._place += count
        return count


def shards_of(pattern: str) -> list[Path]:
    """Return the files that ``a-{000..012}.tar`` stands for; a plain path stands for itself."""
    ranges = [(match[1], match[2]) for match in _RANGE.finditer(pattern)]
    total, spans = 1, []
    for first, last in ranges:
        low, high = read_whole(first), read_whole(last)
        if low is not None and high is not None and high < low:
            raise UsageError(f"The range {{{first}..{last}}} is empty.", "Begin with the least.")
        # Counted before the names are made, which would fill the memory.
        total *= _MOST_FILES + 1 if low is None or high is None else high - low + 1
        if low is None or high is None or total > _MOST_FILES:
            raise UsageError(
                f"The range {{{first}..{last}}} is of more than {_MOST_FILES:,} files.",
                "Name the folder that holds them, or fewer at once.",
            )
        spans.append([str(n).zfill(len(first)) for n in range(low, high + 1)])
    template = _RANGE.sub("\0", pattern)
    paths = []
    for numbers in product(*spans):
        parts = iter(numbers)
        paths.append(Path(re.sub("\0", lambda _, p=parts: next(p), template)))  # type: ignore[misc]
    return paths


def _samples(path: Path) -> Iterator[_Sample]:
    """Yield the members of each sample of a tar."""
    group: _Sample = []
    sample = ""
    for name, span in _members(path):
        stem, suffix = _split(name)
        if stem != sample:
            if group:
                yield group
            sample, group = stem, []
        group.append((name, suffix, span))
    if group:
        yield group


def _members(path: Path) -> Iterator[tuple[str, _Span]]:
    try:
        with open_given(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            for member in _headers(stream):
                hidden = PurePosixPath(member.name).name.startswith(".")
                if not member.isreg() or member.issparse() or hidden:
                    continue
                if member.offset_data + member.size > size:
                    raise tarfile.ReadError(f"{member.name!r} in it ends beyond it")
                yield member.name, _Span(member.offset_data, member.size)
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no file {str(path)!r}.", "Check the name and the range."
        ) from error
    # Sizes and offsets are whatever is written there, beyond what a file can have as well.
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{path.name} cannot be read as a tar ({reason}).",
            "Give plain tars, which are not compressed as a whole, and copy a damaged one again.",
        ) from error


def _headers(stream: BufferedReader) -> Iterator[tarfile.TarInfo]:
    """Yield what is said of each member of a tar, and read nothing else."""
    bounded = _Headers(stream)
    with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]
        place = -1
        while (member := tar.next()) is not None:
            # A size below zero would lead back, and round for ever.
            if member.size < 0 or member.offset <= place:
                raise tarfile.ReadError(f"the size of {member.name!r} in it is none")
            place = member.offset
            # Kept, they would grow with the data.
            tar.members.clear()
            bounded.left = _LARGEST_HEADER
            yield member


class _Headers:
    """A file of which little can be read between two members.

    What stands ahead of a member says itself how long it is, and may say gigabytes.
    """

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream
        self.left = _LARGEST_HEADER
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        self.left -= size
        if size < 0 or self.left < 0:
            raise tarfile.ReadError("what stands ahead of a member has no end")
        return self._stream.read(size)


def _split(name: str) -> tuple[str, str]:
    """Return the sample that a member belongs to, and what it is of it."""
    folder, slash, file = name.rpartition("/")
    stem, _, suffix = file.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def _entries(place: int, group: _Sample) -> list[_Entry]:
    """Return the image of a sample; each image where none has a plain suffix."""
    label = next(((kind, span) for _, kind, span in group if kind in ("cls", "json")), None)
    dotted = [entry for entry in group if entry[1].endswith(SUFFIXES)]
    chosen = _plain(group)[:1] or dotted
    return [_Entry(place, name, span, label) for name, _, span in chosen]


def _plain(group: _Sample) -> _Sample:
    return [entry for entry in group if f".{entry[1]}" in SUFFIXES]


def _left_out(without: int, further: int) -> tuple[str, ...]:
    """Say what of the samples is not looked at."""
    told = []
    if without:
        told.append(f"{plural(without, 'sample')} of the tars without an image left out")
    if further:
        told.append(f"{plural(further, 'image')} beside the first of a sample left out")
    return tuple(told)


def _label(kind: str, data: bytes) -> int | None:
    """Return the class that a label's file tells; None where it tells none."""
    try:
        if kind == "cls":
            return _class_of(data.decode("utf-8"))
        found = decoded(data, dict[str, Any])
    except ValueError:
        return None
    return next((_class_of(found[name]) for name in _LABELS if name in found), None)


def _class_of(written: Any) -> int | None:
    if isinstance(written, str):
        return _class_of(read_whole(written.strip()))
    if isinstance(written, float) and written.is_integer():
        return _class_of(int(written))
    return int(written) if isinstance(written, int) and written in _CLASSES else None
