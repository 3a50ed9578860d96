"""What a tar holds, and where in it: read from its headers alone, and refused where one lies."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cnnviz.errors import UsageError
from cnnviz.results.given_files import open_given

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_LARGEST_HEADER = 1 << 20
"""The most bytes of what stands ahead of a member: long names, and what is said of it."""
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Span:
    """Where a member of a tar lies."""

    start: int
    size: int


class TarIndex:
    """The files that a tar holds.

    Parameters
    ----------
    path : Path
        The tar.

    Attributes
    ----------
    members : dict of str to Span
        The name of each file, in order, and where it lies; of a name that stands twice the later,
        as when a tar is unpacked.
    replaced : int
        How many files a later one of the same name replaces.
    others : tuple of str
        The names of links, sparse files and devices, whose bytes do not stand there as they are.
    ended : bool
        Whether the tar has the mark that ends one.
    state : tuple of int
        What tells that the file was changed since.

    Raises
    ------
    UsageError
        If there is no such file, or it is no plain tar, cut short or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: dict[str, Span] = {}
        self.replaced = 0
        others: list[str] = []
        try:
            with open_given(path) as stream:
                self.state = state_of(stream)
                bounded = _Headers(stream)
                with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]
                    for member in _members(tar, bounded, self.state[0]):
                        if PurePosixPath(member.name).name.startswith("."):
                            continue
                        if member.isreg() and not member.issparse():
                            self._add(member)
                        else:
                            others.append(member.name)
                    self.ended = _is_ended(stream, tar.offset)
        except FileNotFoundError as error:
            raise UsageError(
                f"There is no file {str(path)!r}.", "Check the name and the range."
            ) from error
        # Sizes and offsets are whatever is written there, beyond what a file can have as well.
        except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(
                f"{path.name} cannot be read as a tar ({reason}).",
                "Give plain tars, which are not compressed as a whole and each a file of its own, "
                "and copy a damaged one again.",
            ) from error
        self.others = tuple(others)

    def _add(self, member: tarfile.TarInfo) -> None:
        self.replaced += self.members.pop(member.name, None) is not None
        self.members[member.name] = Span(member.offset_data, member.size)


class TarMember(RawIOBase):
    """A member of a tar as a file of its own, of which only what is asked for is read."""

    def __init__(self, tar: BufferedReader, span: Span) -> None:
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


def state_of(stream: BufferedReader) -> tuple[int, int]:
    """Return the size of an open file, and when it was last written to."""
    # Not which file it is: some file systems behind a network number them anew.
    found = os.fstat(stream.fileno())
    return found.st_size, found.st_mtime_ns


def _members(tar: tarfile.TarFile, bounded: _Headers, size: int) -> Iterator[tarfile.TarInfo]:
    """Yield what is said of each member of a tar but folders, and read nothing else."""
    place = -1
    while (member := tar.next()) is not None:
        # A size below zero would lead back, and round for ever.
        if member.size < 0 or member.offset <= place:
            raise tarfile.ReadError(f"the size of {member.name!r} in it is none")
        if member.isreg() and not member.issparse() and member.offset_data + member.size > size:
            raise tarfile.ReadError(f"{member.name!r} in it ends beyond it")
        place = member.offset
        # Kept, they would grow with the data.
        tar.members.clear()  # type: ignore[attr-defined]
        bounded.left = _LARGEST_HEADER
        if not member.isdir():
            yield member


def _is_ended(stream: BufferedReader, place: int) -> bool:
    """Whether the mark that ends a tar stands at a place.

    Python's module takes whatever is no header for the end, and says nothing of what follows.

    Raises
    ------
    tarfile.ReadError
        If something else stands there, or anything but zeros follows.
    """
    stream.seek(place)
    block = stream.read(tarfile.BLOCKSIZE)
    if len(block) % tarfile.BLOCKSIZE or any(block):
        raise tarfile.ReadError(f"what stands at byte {place:,} is no header of a file")
    while rest := stream.read(_AT_ONCE):
        if rest.count(0) < len(rest):
            raise tarfile.ReadError(
                f"more follows its end at byte {place:,}, as where tars were written one behind "
                "the other"
            )
    return bool(block)


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
