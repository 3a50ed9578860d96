"""Tar shards in the layout of webdataset: indexed once, read by offset, never unpacked.

The files of one sample share the name up to its first full stop: ``0001.jpg`` with ``0001.cls``
(the class as a number) or ``0001.json`` (with "label", "cls", "class" or "target"). Where several
images do, ``0001.left.jpg`` has the label ``0001.left.cls`` before the one of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import product
from pathlib import Path
from typing import Any

from cnnviz.bounds import read_whole
from cnnviz.datasets.dataset import Dataset, DatasetImage
from cnnviz.datasets.files import SUFFIXES, size_in
from cnnviz.datasets.tar_members import Span, TarIndex, TarMember, state_of
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import PhotoError, read_photo
from cnnviz.images.paths import writable
from cnnviz.results.given_files import open_given
from cnnviz.results.structured import decoded
from cnnviz.results.text import file_size, first_few, plural, shortened

SUFFIX = ".tar"
_MOST_FILES = 100_000
_LARGEST_IMAGE, _LARGEST_LABEL = 512 << 20, 1 << 20
_CLASSES = range(2**31)
"""The numbers that a class can have."""
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_LABELS = ("label", "cls", "class", "target")
_NO_BYTES = (
    "are links, sparse files or devices: tar --dereference --hard-dereference stores the files"
)
_KINDS = ("cls", "json")
"""How the files of labels end; metadata beside a label may say nothing of it."""


_Sample = list[tuple[str, str, Span]]
"""The members of a sample: the name of each, what it is of the sample, and where it lies."""


@dataclass(frozen=True)
class _Entry:
    """One image of a shard, and its label's file."""

    shard: int
    member: str
    image: Span
    label: tuple[str, Span] | None


class Shards(Dataset):
    """The images of one or several tar files.

    Parameters
    ----------
    paths : sequence of Path
        The files, in order; one that is named twice, or by two links, counts once.

    Raises
    ------
    UsageError
        If a file is missing, no plain tar, cut short or damaged.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths, again = _apart(paths)
        self._entries: list[_Entry] = []
        self._states: list[tuple[int, ...]] = []
        told = _Told(again=again)
        for place, path in enumerate(self.paths):
            found = TarIndex(path)
            self._states.append(found.state)
            told.add(found)
            for group in _samples(found.members.items()):
                entries = _entries(place, group)
                self._entries += entries
                told.without += not entries
                told.further += max(0, len(_plain(group)) - 1)
        self.notes = told.notes()

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
        """Return the label that stands beside an image; None where there is none, or several."""
        several = self.labels(index)
        return several[0] if len(several) == 1 else None

    def labels(self, index: int) -> tuple[int, ...]:
        """Return all labels that stand beside an image."""
        written = self._written_label(index)
        return () if written is None else _classes(*written) or ()

    def odd_label(self, index: int) -> str | None:
        """Return what stands beside an image as its label and is no class."""
        written = self._written_label(index)
        if written is None or _classes(*written) is not None:
            return None
        return shortened(written[1].decode("utf-8", "replace").strip(), 30, "end")

    def named_label(self, index: int) -> str | None:
        """Return the text that stands beside an image as its label, where it is no class."""
        written = self._written_label(index)
        if written is None or _classes(*written) is not None:
            return None
        try:
            told = _written(*written)
        except ValueError:
            return None
        return told.strip() if isinstance(told, str) else None

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
                width, height = size_in(BufferedReader(TarMember(file, entry.image)))
        except Exception:  # decoders meet damage with almost any exception; reading will name it
            return None
        return height, width

    def describe(self) -> str:
        """Say how many images and shards there are."""
        images, shards = plural(len(self), "image"), plural(len(self.paths), "shard")
        ends = dict.fromkeys([self.paths[0].name, self.paths[-1].name])
        return f"{' to '.join(ends)}, {images} in {shards}"

    def _written_label(self, index: int) -> tuple[str, bytes] | None:
        """Return how the label of an image is written, and its bytes; None where there is none."""
        entry = self._entries[index]
        if entry.label is None:
            return None
        kind, span = entry.label
        return kind, self._bytes(entry, span)

    def _check_span(self, entry: _Entry, span: Span) -> None:
        if span.size > (_LARGEST_IMAGE if span == entry.image else _LARGEST_LABEL):
            raise PhotoError(
                f"{self.paths[entry.shard].name}/{entry.member}",
                f"it takes {file_size(span.size)} in the tar",
                "Store images of a usual size.",
            )

    def _bytes(self, entry: _Entry, span: Span) -> bytes:
        self._check_span(entry, span)
        path = self.paths[entry.shard]
        try:
            with open_given(path) as file:
                state = state_of(file)
                file.seek(span.start)
                data = file.read(span.size)
        except OSError as error:
            raise ImageError(
                f"{path.name} cannot be read ({error.strerror or error}).", "Check the file."
            ) from error
        name = f"{path.name}/{entry.member}"
        if len(data) < span.size:
            raise PhotoError(name, "the tar ends before it does", "Copy the tar again.")
        # Something else may lie there by now, and be an image or a label as well.
        if state != self._states[entry.shard]:
            raise PhotoError(name, "the tar has changed since it was opened", "Start again.")
        return data


@dataclass
class _Told:
    """What of some tars is not looked at, or may be missing."""

    again: int
    without: int = 0
    further: int = 0
    replaced: int = 0
    others: int = 0
    open_ended: list[str] = field(default_factory=list)

    def add(self, tar: TarIndex) -> None:
        """Count what is known of one tar."""
        self.replaced += tar.replaced
        self.others += len(tar.others)
        if not tar.ended:
            self.open_ended.append(tar.path.name)

    def notes(self) -> tuple[str, ...]:
        """Say it."""
        told = [
            f"{plural(number, noun)} {why}"
            for number, noun, why in (
                (self.again, "tar", "named a second time left out"),
                (self.without, "sample", "of the tars without an image left out"),
                (self.further, "image", "beside the first of a sample left out"),
                (self.replaced, "file", "of the tars left out for a later one of the same name"),
                (self.others, "member", f"of the tars left out that {_NO_BYTES}"),
            )
            if number
        ]
        if self.open_ended:
            told.append(
                f"{plural(len(self.open_ended), 'tar')} without the mark that ends one, as where "
                f"the end was cut off: {first_few(self.open_ended, 3)}"
            )
        return tuple(told)


def _apart(paths: Sequence[Path]) -> tuple[tuple[Path, ...], int]:
    """Return each file once, and how many names are of one that was named before."""
    found: dict[object, Path] = {}
    for path in paths:
        try:
            there = path.stat()
            # Numbers of files tell hard links alone: not every file system has them.
            linked = there.st_nlink > 1
            found.setdefault((there.st_dev, there.st_ino) if linked else path.resolve(), path)
        except OSError:  # opening it will tell why
            found.setdefault(path, path)
    return tuple(found.values()), len(paths) - len(found)


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


def _samples(members: Iterable[tuple[str, Span]]) -> Iterable[_Sample]:
    """Return the members of each sample of a tar, wherever in it they stand."""
    found: dict[str, _Sample] = {}
    for name, span in members:
        sample, suffix = _split(name)
        found.setdefault(sample, []).append((name, suffix, span))
    return found.values()


def _split(name: str) -> tuple[str, str]:
    """Return the sample that a member belongs to, and what it is of it."""
    folder, slash, file = name.rpartition("/")
    stem, _, suffix = file.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def _entries(place: int, group: _Sample) -> list[_Entry]:
    """Return the image of a sample; each image where none has a plain suffix."""
    kept = {suffix: span for _, suffix, span in reversed(group)}
    dotted = [entry for entry in group if entry[1].endswith(SUFFIXES)]
    chosen = _plain(group)[:1] or dotted
    return [_Entry(place, name, span, _label_of(suffix, kept)) for name, suffix, span in chosen]


def _label_of(suffix: str, kept: Mapping[str, Span]) -> tuple[str, Span] | None:
    """Return the label's file of an image: the one that shares most of its name."""
    own = suffix.rpartition(".")[0]
    kinds = ((f"{one}.{kind}" if one else kind, kind) for one in (own, "") for kind in _KINDS)
    return next(((kind, kept[name]) for name, kind in kinds if name in kept), None)


def _plain(group: _Sample) -> _Sample:
    return [entry for entry in group if f".{entry[1]}" in SUFFIXES]


def _classes(kind: str, data: bytes) -> tuple[int, ...] | None:
    """Return the classes that a label's file tells; None where something else stands there."""
    try:
        written = _written(kind, data)
    except ValueError:
        return None
    several = [_class_of(one) for one in (written if isinstance(written, list) else [written])]
    known = tuple(one for one in several if one is not None)
    return known if len(known) == len(several) else None


def _written(kind: str, data: bytes) -> Any:
    """Return what a label's file says; a `ValueError` where it cannot be read."""
    if kind == "cls":
        return data.decode("utf-8")
    written = decoded(data, dict[str, Any])
    return next((written[name] for name in _LABELS if written.get(name) is not None), [])


def _class_of(written: Any) -> int | None:
    if isinstance(written, str):
        return _class_of(read_whole(written.strip()))
    if isinstance(written, float) and written.is_integer():
        return _class_of(int(written))
    return int(written) if isinstance(written, int) and written in _CLASSES else None
