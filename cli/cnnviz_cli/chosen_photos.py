"""The photos that a command was given: files, patterns, folders and whole data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz.errors import ImageError, UsageError
from cnnviz.results.text import shortened
from cnnviz_cli.terminal import note

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


@dataclass(frozen=True)
class FoundPhotos:
    """What files, patterns, folders or a data set mean.

    Attributes
    ----------
    names : tuple of str
        What was named.
    count, workers : int or None
        How many are to be taken, and by how many threads they are read.
    found : tuple
        What that means, where it is photos.
    several : bool
        Whether a name meant several.
    held : tuple, optional
        Those that are taken, once they were read.
    """

    names: tuple[str, ...]
    count: int | None
    workers: int | None
    found: tuple[Any, ...]
    several: bool
    held: tuple[Any, ...] | None = None

    def check_one(self, what: str) -> None:
        """Raise `UsageError` where a folder, a pattern or a data set means several images.

        `what` is what shows one: "A page".
        """
        if len(self.found) > 1:
            named = " ".join(repr(shortened(name, 60)) for name in self.names)
            raise UsageError(
                f"{what} shows one image, and {named} means {len(self.found):,} of them.",
                "Name one image file.",
            )

    def read(self) -> FoundPhotos:
        """Read the photos that are taken, evenly spread, before a network is loaded.

        Raises
        ------
        ImageError
            None of them can be read. What is no image by its name may be an input of a network of
            signals or volumes, and is left to the network.
        """
        held = _read_all(_spread(self.found, self.count, several=self.several), self.workers)
        if held and all(isinstance(one, str | Path) and _is_image(one) for one in held):
            from cnnviz.images.batch import check_any_readable

            check_any_readable(held)
        return replace(self, held=tuple(held))

    def taken(self) -> list[Any]:
        """Return the photos that are taken, read; say on stderr how many they are."""
        found = self if self.held is not None else self.read()
        _tell_spread(len(self.found), len(found.held or ()), counted=bool(self.count))
        return list(found.held or ())


def find_photos(
    named: Sequence[str], data: str | None, count: int | None, workers: int | None = None
) -> FoundPhotos:
    """Find what files, patterns, folders or a data set mean, before a network is loaded.

    A pattern matches names in any case: ``*.jpg`` also means ``IMG_1.JPG``. How many of how many
    are taken is said on stderr wherever some are left out. Those of folders and lists are read by
    several threads, and know their labels; a file that cannot be read is returned as its path, for
    whoever tells of all refused photos together.

    Raises
    ------
    UsageError
        If both photos and data are named, nothing matches, or the count is below one or of nothing.
    ImageError
        A file that is named is not there.
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
    names = [*named, *([data] if data else [])]
    for name in names:
        members = _members(name)
        several = several or members is not None
        found += [name] if members is None else members
    return FoundPhotos(tuple(names), count, workers, tuple(found), several)


def spread(
    found: Sequence[Any], count: int | None, *, several: bool, noun: str = "images"
) -> list[Any]:
    """Return at most so many of what was found, evenly spread, and say so on stderr.

    Parameters
    ----------
    found : sequence
        What there is.
    count : int, optional
        How many; without it all, or `MOST` where a name meant several.
    several : bool
        Whether a name meant several.
    noun : str
        What they are called.
    """
    chosen = _spread(found, count, several=several)
    _tell_spread(len(found), len(chosen), counted=bool(count), noun=noun)
    return chosen


def _spread(found: Sequence[Any], count: int | None, *, several: bool) -> list[Any]:
    most = count or (MOST if several else len(found))
    if len(found) <= most:
        return list(found)
    # As `Dataset.spread` has it: the first of each of so many equal stretches.
    return [found[place * len(found) // most] for place in range(most)]


def _tell_spread(found: int, taken: int, *, counted: bool, noun: str = "images") -> None:
    if taken < found:
        said = "" if counted else "; --count says how many"
        note(f"{taken} of {found:,} {noun} are taken, evenly spread{said}.")


def _members(name: str) -> list[Any] | None:
    """Return what a folder, a pattern or a data set holds; None for a single file."""
    from cnnviz.datasets import open_dataset
    from cnnviz.datasets.listed_files import LISTS
    from cnnviz.datasets.opening import SHAPES
    from cnnviz.datasets.patterns import is_pattern, matched_files
    from cnnviz.datasets.shards import SUFFIX
    from cnnviz.images.paths import expand
    from cnnviz.images.reading import check_is_there

    path = expand(name)
    arrays = arrays_in(path)
    if arrays:
        return arrays
    tars = path.suffix.lower() == SUFFIX
    if is_pattern(name) and not tars:
        return list(_each(matched_files(name)))
    if tars or name == SHAPES or path.is_dir() or path.suffix.lower() in LISTS:
        dataset = open_dataset(name)
        for told in dataset.notes:
            note(f"{told}.")
        return list(_each(dataset))
    check_is_there(name)
    return None


def read_named(name: str | Path) -> Any:
    """Return the photo of a name that is an image's, and any other name as it is.

    Raises
    ------
    ImageError
        There is no such file, or it cannot be read.
    """
    from cnnviz.images.reading import check_is_there, read_photo

    if _is_image(name):
        return read_photo(name)
    check_is_there(name)
    return name


def arrays_in(path: Path) -> list[Any]:
    """Return the arrays in a folder; none where it holds no array."""
    from cnnviz.images.number_files import SIGNAL_SUFFIXES

    if not path.is_dir():
        return []
    return sorted(one for one in path.iterdir() if one.suffix.lower() in SIGNAL_SUFFIXES)


def _is_image(name: str | Path) -> bool:
    """Whether a file is an image by its name, and no other input of a network."""
    from cnnviz.datasets.files import SUFFIXES

    return Path(name).suffix.lower() in SUFFIXES


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
    """Read photos, several at a time; what cannot be read, or is none by its name, stays one."""
    from cnnviz.datasets import default_workers
    from cnnviz.images.pillow_warnings import catch_in_this_thread, catch_in_threads

    many = sum(isinstance(one, _Member) or _is_image(one) for one in chosen)
    if many < 2:  # for which no threads need be started
        return [_read(one) for one in chosen]
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
        try:
            return read_named(one)
        except ImageError:
            return one
    try:
        image = one.read()
    except ImageError:
        if one.path is None:
            raise
        return one.path
    return replace(image, label=one.label) if isinstance(image, Photo) else image
