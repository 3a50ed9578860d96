"""The photos that a command was given: files, patterns, folders and whole data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnviz.errors import UsageError
from cnnviz_cli.terminal import one_line, say

MOST = 32
"""How many images of a folder are taken where --count does not say."""


def choose_photos(named: Sequence[str], data: str | None, count: int | None) -> list[Any]:
    """Return the photos that files, patterns, folders or a data set mean, evenly spread.

    A pattern matches names in any case: ``*.jpg`` also means ``IMG_1.JPG``. How many of how many
    are taken is said on stderr wherever some are left out.

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
    if len(found) <= most:
        return [_read(one) for one in found]
    # As `Dataset.spread` has it: the first of each of so many equal stretches.
    chosen = [found[place * len(found) // most] for place in range(most)]
    said = "" if count else "; --count says how many"
    say(one_line(f"Note: {most} of {len(found):,} images are taken, evenly spread{said}."))
    return [_read(one) for one in chosen]


def _members(name: str) -> list[Any] | None:
    """Return what a folder, a pattern or a data set holds; None for a single file."""
    from cnnviz.datasets import open_dataset
    from cnnviz.datasets.files import images_in
    from cnnviz.datasets.listed_files import LISTS
    from cnnviz.datasets.opening import SHAPES
    from cnnviz.datasets.patterns import is_pattern, matching
    from cnnviz.datasets.shards import SUFFIX
    from cnnviz.images.paths import expand

    path = expand(name)
    if path.is_dir():
        files = images_in(path)
        if files:
            return [path / file for file in files]
    if name == SHAPES or path.is_dir() or path.suffix.lower() in (SUFFIX, *LISTS):
        opened = open_dataset(name)
        return [(opened, index) for index in range(len(opened))]
    return list(matching(name)) if is_pattern(name) else None


def _read(one: Any) -> Any:
    return one[0].read(one[1]).image if isinstance(one, tuple) else one
