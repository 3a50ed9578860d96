"""The data sets that a command was given, checked before a network is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.errors import ImageError, UsageError


def named_data(photos: Sequence[str] | None, data: str | None) -> str | list[str] | None:
    """Return the photos or the data that were named; None where neither was.

    Raises
    ------
    UsageError
        If both are named.
    """
    from cnnviz.datasets.patterns import is_pattern
    from cnnviz.images.paths import expand

    if photos and data:
        raise UsageError("Both photos and --data are given.", "Give one of the two.")
    if not photos:
        return data
    # One folder, or a pattern that the shell left as it is, is a set of images.
    one = photos[0] if len(photos) == 1 else ""
    return one if one and (expand(one).is_dir() or is_pattern(one)) else list(photos)


def check_data(
    photos: Sequence[str] | None, data: str | None, count: int | None = None, *, read: bool = True
) -> None:
    """Say before a network is loaded what is wrong with photos or data, whatever the network.

    Parameters
    ----------
    photos : sequence of str, optional
        The photos that were named.
    data : str, optional
        The data that were named.
    count : int, optional
        How many are taken of them.
    read : bool
        Whether images are read until one can be.

    Raises
    ------
    UsageError
        If both are named, or there is no such folder or file.
    ImageError
        If there are images, and none can be read.
    """
    from cnnviz.datasets.arrays import holds_arrays
    from cnnviz.datasets.opening import SHAPES, open_dataset
    from cnnviz.datasets.patterns import is_pattern
    from cnnviz.datasets.readable import check_any_readable
    from cnnviz.images.reading import check_is_there

    named = named_data(photos, data)
    for name in named if isinstance(named, list) else ():
        if not is_pattern(name):
            check_is_there(name)
    if named is None or named == SHAPES:
        return
    if any(map(holds_arrays, named if isinstance(named, list) else [named])):
        return  # what holds numbers is for the network to read
    try:
        opened = open_dataset(named, count)
    except ImageError:
        return  # what a folder without images lacks, a network of signals says in its own words
    if read:
        check_any_readable(opened)
