"""Files that are written whole or not at all, alone or together."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz.errors import OutputError
from cnnviz.results.given_files import open_given
from cnnviz.results.interrupts import Interrupts
from cnnviz.results.termination import cleared_on_sigterm

if TYPE_CHECKING:
    from numpy.typing import NDArray

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

Write = Callable[[Path], object]
"""Fills the file at a path."""

DUST = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", ".directory"})
"""Files that desktops leave in every folder they show."""
_MARK = ".cnnviz-"
"""What the names of temporary files begin with."""


def check_place(path: Path) -> None:
    """Raise an `OutputError` where no file can be written to `path`, as far as can be told."""
    try:
        check_parent(path, f" {path.name!r}")
        if path.is_dir():
            raise OutputError(f"{str(path)!r} is a folder.", "Name a file.")
        # A file would be put in place of a device or pipe: of /dev/null for everybody.
        if path.exists() and not path.is_file():
            raise OutputError(f"{str(path)!r} is not an ordinary file.", "Name another file.")
    except OSError as error:  # a name too long, or a folder that may not be looked into
        raise _unwritable(path, error) from error


def check_parent(path: Path, what: str = "") -> None:
    """Raise an `OutputError` where the folder is missing that a file or folder is to lie in.

    Parameters
    ----------
    path : Path
        Where it is to lie.
    what : str
        What it is called, behind a space.
    """
    parent = path.absolute().parent
    if parent.is_dir():
        return
    there = next((one for one in (parent, *parent.parents) if one.exists()), None)
    if there is not None and not there.is_dir():
        shown = str(there) if path.is_absolute() else os.path.relpath(there)
        raise OutputError(
            f"{shown!r} is a file, and no folder to write{what} to.", "Name another folder."
        )
    raise OutputError(
        f"There is no folder {str(path.parent)!r} to write{what} to.",
        "Make the folder first, or name another.",
    )


def check_can_write_in(folder: Path) -> None:
    """Raise an `OutputError` where nothing can be made in a folder that is there.

    It is tried: permissions do not tell of a file system that takes nothing.
    """
    probe = folder / f"{_MARK}{secrets.token_hex(4)}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise OutputError(
            f"Nothing can be written to {str(folder)!r}: {error.strerror or error}.",
            "Name a folder of your own, or change its permissions.",
        ) from error


def check_before_work(path: Path) -> None:
    """Raise an `OutputError` where no file can be written to `path`, trying it, as work begins."""
    check_place(path)
    check_can_write_in(path.parent)


def not_left_by_desktops(folder: Path) -> list[Path]:
    """Return what is in a folder, but for files that desktops leave in each that they show."""
    return [path for path in folder.iterdir() if path.name not in DUST]


def is_temporary(path: Path) -> bool:
    """Whether a file or folder is one that a command makes for the time of its work."""
    return path.name.startswith(_MARK)


def write_atomically(path: Path, write: Write) -> Path:
    """Let `write` fill a temporary file beside `path`, then move it into place.

    Raises
    ------
    OutputError
        If the folder is missing or cannot be written to. Nothing is left behind.
    """
    write_together([(path, write)])
    return path


def write_together(files: Sequence[tuple[Path, Write]]) -> None:
    """Let each be filled as a temporary file beside its path, then move all of them into place.

    They are filled in the order given, and none is moved before the last is full. What fails or
    is interrupted leaves every path as it was; only where the process is killed between two moves
    can some be new and some old.

    Parameters
    ----------
    files : sequence of (Path, callable)
        Each path, and what fills the file that is handed to it.

    Raises
    ------
    OutputError
        If a folder is missing or cannot be written to. Nothing is left behind.
    """
    for path, _ in files:
        check_place(path)
    filled: list[tuple[Path, Path]] = []
    with cleared_on_sigterm(), Interrupts.held() as interrupts, ExitStack() as claims:
        for path, write in files:
            with _told(path):
                filled.append((claims.enter_context(_temporary(path)), path))
                write(filled[-1][0])
        # Of two commands that write the same files each is to move all of its own at once.
        several = len(filled) > 1
        with interrupts.waiting(), alone_in(filled[0][1].parent) if several else nullcontext():
            _move(filled)


class _Held(threading.local):
    """The folders that a thread is alone in."""

    def __init__(self) -> None:
        self.places: set[Path] = set()


_HELD = _Held()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let no other process be in such a context of this folder, as far as the system can.

    For several files that belong together; the other waits. Within one thread contexts of one
    folder may lie inside one another.
    """
    place = folder.resolve()
    if place in _HELD.places:
        yield
        return
    descriptor = -1
    with suppress(OSError):  # Windows opens no folders; some file systems have no locks
        descriptor = os.open(folder, os.O_RDONLY)
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    _HELD.places.add(place)
    try:
        yield
    finally:
        _HELD.places.discard(place)
        if descriptor >= 0:
            os.close(descriptor)


def remove_leftovers(folder: Path, *, below: bool = False) -> None:
    """Remove the temporary files of processes that were killed while they wrote.

    What a living process is writing stays, as do all files where that cannot be told: on Windows,
    and on file systems without locks.

    Parameters
    ----------
    folder : Path
        The folder; it need not exist.
    below : bool, optional
        Whether to look through the folders inside as well.
    """
    # Of what is walked through here, another command may be taking a folder away.
    for place, below_it, names in os.walk(folder):
        for name in names:
            if is_temporary(Path(name)):
                _remove_leftover(Path(place, name))
        if not below:
            below_it.clear()


def _remove_leftover(path: Path) -> None:
    """Remove a temporary file, unless a living process writes it."""
    if fcntl is not None:
        with suppress(OSError), open_given(path) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as a compressed ``.npz``, the same bytes for the same arrays."""
    import numpy as np

    from cnnviz.results.json_values import storable

    # The level that NumPy takes lasts more than twice as long and saves a twentieth.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, storable(array), allow_pickle=False)


def _move(filled: Sequence[tuple[Path, Path]]) -> None:
    """Move temporary files into place; put back what was there if one of them cannot be."""
    *earlier, last = filled
    moved: list[tuple[Path, Path | None]] = []
    try:
        for temporary, path in earlier:
            with _told(path):
                moved.append((path, _copy_beside(path)))
                temporary.replace(path)
        with _told(last[1]):
            last[0].replace(last[1])
    except BaseException:
        for path, old in reversed(moved):
            if old is not None:
                old.replace(path)
                # Two names of one file stay two names.
                old.unlink(missing_ok=True)
            else:
                path.unlink(missing_ok=True)
        raise
    for _, old in moved:
        if old is not None:
            old.unlink(missing_ok=True)


def _copy_beside(path: Path) -> Path | None:
    """Give what lies at a path a second name, and return it; None if nothing does."""
    if not path.exists():
        return None
    descriptor, name = tempfile.mkstemp(
        prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent
    )
    os.close(descriptor)
    copy = Path(name)
    try:
        copy.unlink()
        os.link(path, copy)
    except OSError:  # a file system without hard links
        shutil.copy2(path, copy)
    return copy


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Make a file beside a path, locked as long as it is filled and moved; what is left goes."""
    descriptor, name = _locked(path)
    temporary = Path(name)
    try:
        with suppress(OSError):
            # mkstemp makes the file private; a result is as readable as any file the user makes.
            temporary.chmod(0o666 & ~_umask())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        if fcntl is not None:
            os.close(descriptor)


def _locked(path: Path) -> tuple[int, str]:
    while True:
        descriptor, name = tempfile.mkstemp(
            prefix=f"{_MARK}{path.stem[:40]}-", suffix=path.suffix, dir=path.parent
        )
        if fcntl is None:
            # Windows moves no file that is open.
            os.close(descriptor)
            return descriptor, name
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, name
        # Swept by another process before it was locked.
        os.close(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{str(path)!r} cannot be written: {error.strerror or error}.",
        "Check the free space and the permissions, or name another place.",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
