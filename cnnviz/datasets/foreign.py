"""Data set objects of torchvision, Hugging Face and their like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from operator import getitem
from threading import Lock
from typing import Any

import numpy as np

from cnnviz.datasets.dataset import Dataset, DatasetImage
from cnnviz.datasets.files import checked_tensor
from cnnviz.errors import ImageError, UsageError
from cnnviz.foreign_code import called
from cnnviz.images import PhotoError, read_photo
from cnnviz.results.text import kind_of, plural, shortened

IMAGES = ("image", "img", "pixel_values", "jpg", "png")
LABELS = ("label", "labels", "target", "fine_label", "cls")


class ForeignDataset(Dataset):
    """Any object with ``__len__`` and ``__getitem__``, read by one thread at a time.

    An entry is a pair (image, label), an image alone, or a mapping that has an image and a label
    under one of the usual names. An image is whatever `read_photo` takes, or a float tensor
    [C, H, W] that is already preprocessed. Labels and names of classes that the object tells
    without being read are taken from ``targets``, ``labels``, ``classes`` or ``features``.

    Parameters
    ----------
    source : object
        The data set.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        # Nobody promises that a data set can be read by two threads at once.
        self._lock = Lock()
        self.classes = _classes(source)
        self._labels = _labels(source)

    def __len__(self) -> int:
        return len(self._source)

    def name(self, index: int) -> str:
        """Return the place of an image in the set."""
        return f"image {index}"

    def key(self, index: int) -> str:
        """Return the place of an image and its SHA-256: the object must be read to tell it."""
        try:
            return f"{index} {self.sha256(index)}"
        except ImageError:
            return f"{index} unreadable"

    def label(self, index: int) -> int | None:
        """Return the label of an image where the object lists its labels."""
        return None if self._labels is None else _whole(self._labels[index])

    def odd_label(self, index: int) -> str | None:
        """Return what the object lists as the label of an image and is no class."""
        listed = None if self._labels is None else self._labels[index]
        odd = listed is not None and self.label(index) is None
        return shortened(" ".join(str(listed).split()), 30, "end") if odd else None

    def named_label(self, index: int) -> str | None:
        """Return what the object lists as the label of an image, where that is a text."""
        listed = None if self._labels is None else self._labels[index]
        return listed.strip() if isinstance(listed, str) and self.label(index) is None else None

    def read(self, index: int) -> DatasetImage:
        """Read one entry.

        Raises
        ------
        ImageError
            If the object fails on it, or there is no image in it.
        """
        name = self.name(index)
        with self._lock:
            entry = called(partial(_fails, name), getitem, self._source, index)
        image, label = _taken_apart(entry, name)
        if type(image).__module__.partition(".")[0] == "torch":
            return DatasetImage(checked_tensor(image, name), label)
        return DatasetImage(read_photo(image, name), label)

    def describe(self) -> str:
        """Say what object it is, and how large."""
        return f"{type(self._source).__name__}, {plural(len(self), 'image')}"


def _fails(name: str, what: str) -> PhotoError:
    return PhotoError(name, f"the data set fails on it ({what})", "Mend the set.")


def is_dataset(source: Any) -> bool:
    """Whether an object gives entries by index, and is no list, array or image."""
    return (
        hasattr(source, "__getitem__")
        and not isinstance(source, (Sequence, Mapping, np.ndarray))
        and not hasattr(source, "detach")
        and not hasattr(source, "getexif")
    )


def _taken_apart(entry: Any, name: str) -> tuple[Any, int | None]:
    if isinstance(entry, Mapping):
        key = next((key for key in IMAGES if key in entry), None)
        if key is None:
            raise PhotoError(
                name,
                f"its entry has no image among {', '.join(map(str, entry))}",
                f"Call it one of {', '.join(IMAGES)}.",
            )
        found = next((entry[label] for label in LABELS if label in entry), None)
        return entry[key], _whole(found)
    if isinstance(entry, (tuple, list)) and entry:
        return entry[0], _whole(entry[1]) if len(entry) > 1 else None
    return entry, None


def _whole(label: Any) -> int | None:
    """Return a label as an integer; None for what is no class, such as boxes or a mask."""
    try:
        return int(label)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def _classes(source: Any) -> tuple[str, ...]:
    found = getattr(source, "classes", None)
    if isinstance(found, (list, tuple)):
        # Several names for one class stand in a tuple, as in torchvision's ImageNet.
        return tuple(", ".join(c) if isinstance(c, (list, tuple)) else str(c) for c in found)
    features = getattr(source, "features", None)
    if isinstance(features, Mapping):
        for label in LABELS:
            names = getattr(features.get(label), "names", None)
            if names:
                return tuple(map(str, names))
    return ()


def _labels(source: Any) -> Any:
    """Return the labels of all entries where the object lists them; None where it does not."""
    for attribute in ("targets", "labels"):
        found = getattr(source, attribute, None)
        if found is not None and not callable(found) and _has_length(found, len(source)):
            return found
    columns = getattr(source, "column_names", None)
    if isinstance(columns, list):
        column = next((label for label in LABELS if label in columns), None)
        if column is not None:
            return source[column]
    return None


def _has_length(found: Any, length: int) -> bool:
    try:
        return len(found) == length
    except TypeError:
        return False


def checked(source: Any) -> ForeignDataset:
    """Return an object as a data set.

    Raises
    ------
    UsageError
        If it has no length, as a set that can only be read from its beginning has none.
    """
    try:
        len(source)
    except TypeError as error:
        raise UsageError(
            f"{kind_of(source, begins=True)} has no length.", "Give a data set with an index."
        ) from error
    return ForeignDataset(source)
