"""Refusing images that come out in several sizes, before hours of a scan are spent on the first."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from cnnviz.datasets import Dataset
from cnnviz.errors import UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.results.text import dimensions

_CHECKED: WeakKeyDictionary[Dataset, Preprocessing] = WeakKeyDictionary()
"""Data of which it is known, and behind which preprocessing: an estimate and a scan both ask."""


def check_one_size(model: Model, data: Dataset) -> None:
    """Refuse images that the preprocessing leaves in several sizes, as far as their headers tell.

    Raises
    ------
    UsageError
        If two images come out in different sizes.
    """
    preprocessing = model.preprocessing
    if not isinstance(preprocessing, Preprocessing) or preprocessing.size is not None:
        return
    if _CHECKED.get(data) == preprocessing:
        return
    first: tuple[tuple[int, int], str] | None = None
    for index in range(len(data)):
        size = data.size(index)
        if size is None:
            continue
        found = preprocessing.resized(*size)
        if first is None:
            first = found, data.name(index)
        elif found != first[0]:
            raise several_sizes(f"{first[1]} as {_told(first[0])}", data.name(index), found)
    _CHECKED[data] = preprocessing


def several_sizes(first: str, other: str, size: Sequence[int]) -> UsageError:
    """Return the error of an image that comes out in another size than the first."""
    return UsageError(
        f"Images come out in several sizes: {first}, and {other} as {_told(size)} (height by "
        "width).",
        "A gallery needs one size: give the network a preprocessing with a crop, or resize to a "
        "height and a width.",
    )


def _told(size: Sequence[int]) -> str:
    return f"{dimensions(size)} px"
