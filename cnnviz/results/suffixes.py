"""What the file of a result may be called, and the files of its pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cnnviz.errors import OutputError
from cnnviz.results.picture_style import ANIMATION_SUFFIXES, PICTURE_SUFFIXES

# What `Result.save` can write, and what a result that is a table can be written as besides.
SUFFIXES = (*PICTURE_SUFFIXES, ".npz", ".json")
TABLE_SUFFIXES = (".csv", ".tex")


_PAGES = (".html", ".htm", ".zip")


def check_folder_name(folder: Path) -> None:
    """Raise an `OutputError` where the name of a folder that is to be made is that of a file."""
    suffix = folder.suffix.lower()
    files = (*SUFFIXES, *TABLE_SUFFIXES, *ANIMATION_SUFFIXES, *_PAGES)
    if suffix in files and not folder.exists():
        raise OutputError(
            f"{folder.name!r} is the name of a file, and what is written is a folder.",
            f"Leave {folder.suffix!r} out: the files in the folder have names of their own.",
        )


def page_paths(path: Path, count: int) -> tuple[Path, ...]:
    """Return the files of so many pages: the path itself, or ``name-1.png``, ``name-2.png``."""
    if count == 1:
        return (path,)
    return tuple(path.with_stem(f"{path.stem}-{place + 1}") for place in range(count))


def check_suffix(path: Path, known: Sequence[str] = SUFFIXES) -> None:
    """Raise an `OutputError` unless a name ends in one of the suffixes that a result has."""
    suffix = path.suffix.lower()
    if suffix not in known:
        lacking = {TABLE_SUFFIXES: "is no table", ANIMATION_SUFFIXES: "does not move"}
        why = [said for suffixes, said in lacking.items() if suffix in suffixes]
        which = f"A result that {why[0]}" if why else "A result"
        raise OutputError(
            f"{which} cannot be saved as {path.name!r}.",
            f"End the name in one of {', '.join(known)}.",
        )
