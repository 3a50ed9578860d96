"""The photos that a command was given: files, patterns, folders and whole data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz.errors import ImageError, UsageError
from cnnviz_cli.terminal import one_line, say

if TYPE_CHECKING:
    from cnnviz.datasets import Dataset

MOST = 32
"""How many images of a folder are taken where --count does not say."""


@dataclass(frozen=True)
class _Member:
    """An image of a folder, a list or a data set.

    Attributes
    ----------
    read : callable
        Reads it.
    path : Path or None
        Its file, where it has one of its own.
    label : str
        What it is labelled with; empty where that is not known.
    """

    read: Callable[[], Any]
    path: Path | None
    label: str


def choose_photos(
    named: Sequence[str], data: str | None, count: int | None, workers: int | None = None
) -> list[Any]:
    """Return the photos that files, patterns, folders or a data set mean, evenly spread.

    A pattern matches names in any case: ``*.jpg`` also means ``IMG_1.JPG``. How many of how many
    are taken is said on stderr wherever some are left out. Those of folders and lists are read by
    several threads, and know their labels; a file that cannot be read is returned as its path, for
    whoever tells of all refused photos together.

    Raises
    ------
    UsageError
        If both photos and data are named, nothing matches, or the count is below one or of nothing.
    """
    if named and data:
        raise UsageError("Both photos and --data are given.", "Give one of the two.")
    if count is not None and count < 1:
        raise UsageError(f"{count} images are none.", "Give a --count of 1 or more.")
    if count is not None and not named and not data:
        raise UsageError(
            f"Nothing is named of which {count} could be taken.",
            "Name a folder, a pattern or photos, or give --data.",
        )
    found: list[Any] = []
    several = False
    for name in [*named, *([data] if data else [])]:
        members = _members(name)
        several = several or members is not None
        found += [name] if members is None else members
    most = count or (MOST if several else len(found))
    if len(found) > most:
        said = "" if count else "; --count says how many"
        say(one_line(f"Note: {most} of {len(found):,} images are taken, evenly spread{said}."))
        # As `Dataset.spread` has it: the first of each of so many equal stretches.
        found = [found[place * len(found) // most] for place in range(most)]
    return _read_all(found, workers)


def _members(name: str) -> list[_Member] | None:
    """Return what a folder, a pattern or a data set holds; None for a single file."""
    from cnnviz.datasets import open_dataset
    from cnnviz.datasets.listed_files import LISTS
    from cnnviz.datasets.opening import SHAPES
    from cnnviz.datasets.patterns import is_pattern, matched_files
    from cnnviz.datasets.shards import SUFFIX
    from cnnviz.images.paths import expand

    path = expand(name)
    if is_pattern(name):
        return list(_each(matched_files(name)))
    if name == SHAPES or path.is_dir() or path.suffix.lower() in (SUFFIX, *LISTS):
        return list(_each(open_dataset(name)))
    return None


def _each(dataset: Dataset) -> Iterator[_Member]:
    file_of = getattr(dataset, "file", None)
    for index in range(len(dataset)):
        label = dataset.label(index) if dataset.classes else None
        yield _Member(
            lambda index=index: dataset.read(index).image,  # type: ignore[misc]
            None if file_of is None else file_of(index),
            "" if label is None else dataset.classes[label],
        )


def _read_all(chosen: Sequence[Any], workers: int | None) -> list[Any]:
    """Read the members of folders and data sets, several at a time; what is a name stays one."""
    from cnnviz.datasets import default_workers
    from cnnviz.images.pillow_warnings import catch_in_this_thread, catch_in_threads

    if not any(isinstance(one, _Member) for one in chosen):
        return list(chosen)
    with (
        catch_in_threads(),
        ThreadPoolExecutor(
            workers or default_workers(), "cnnviz-read", catch_in_this_thread
        ) as pool,
    ):
        return list(pool.map(_read, chosen))


def _read(one: Any) -> Any:
    from cnnviz.images import Photo

    if not isinstance(one, _Member):
        return one
    try:
        image = one.read()
    except ImageError:
        if one.path is None:
            raise
        return one.path
    return replace(image, label=one.label) if isinstance(image, Photo) else image
