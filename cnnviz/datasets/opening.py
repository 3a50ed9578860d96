"""One way to open data, whatever it is."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz.bounds import Count, bounded
from cnnviz.datasets.dataset import Dataset, Part
from cnnviz.datasets.files import ImageFolder, ImageList, images_in, others_left_out
from cnnviz.datasets.foreign import ForeignDataset, checked, is_dataset
from cnnviz.datasets.listed_files import LISTS, ListedFiles
from cnnviz.datasets.patterns import is_pattern, matched_images, matching
from cnnviz.datasets.shapes import Shapes
from cnnviz.datasets.shards import SUFFIX, Shards, shards_of
from cnnviz.datasets.shipped import ShapesSamples
from cnnviz.errors import ImageError, UsageError, did_you_mean
from cnnviz.images import Photo
from cnnviz.images.given_tensors import check_values_are_there
from cnnviz.images.paths import expand, is_file_named_as_folder
from cnnviz.results.given_files import no_file
from cnnviz.results.text import kind_of

if TYPE_CHECKING:
    from cnnviz.datasets.aliases import Data

SHAPES = "shapes"
_PACKED = (*(f"{SUFFIX}.{kind}" for kind in ("gz", "bz2", "xz", "zst", "lz4")), ".tgz", ".txz")
SAMPLES = 500
"""How many samples of the endless shipped data are taken where no count is given."""


@bounded
def open_dataset(data: Data, count: Count | None = None) -> Dataset:
    """Open images, many or few. Nothing but names is read yet.

    Parameters
    ----------
    data : str, Path, Dataset, Shapes, data set object, or one or several images
        ``"shapes"`` for held-out samples of the shipped data; a folder, which is searched with all
        folders in it; a pattern such as ``val/*/*.jpg``; a CSV file with the columns ``path`` and
        ``label``; tar shards (``a.tar``, ``a-{000..012}.tar``, or a folder of them) in the
        layout of webdataset; an object with ``__len__`` and ``__getitem__``, such as a data set of
        torchvision or Hugging Face; paths, photos, PIL images or uint8 arrays; or a float tensor
        [N, C, H, W], taken as already preprocessed.
    count : int, optional
        At most how many, evenly spread; `SAMPLES` of the shipped data, and all of anything else,
        by default.

    Returns
    -------
    Dataset
        A `Dataset` that is given comes back as it is, or as part of itself.

    Raises
    ------
    ImageError
        If there is no image in it.
    UsageError
        If there is no such folder or file, or the count is not positive.

    Examples
    --------
    >>> import cnnviz
    >>> len(cnnviz.open_dataset("shapes", 20))
    20
    """
    if isinstance(data, str) and data == SHAPES:
        data = Shapes(split="held-out")
    if isinstance(data, Shapes):
        return ShapesSamples(data, count or SAMPLES)
    found = _opened(data)
    if not len(found):
        beside = f" ({'; '.join(found.notes)})" if found.notes else ""
        raise ImageError(f"There is no image in {_said(data)}{beside}.", "Give a folder of photos.")
    return found.spread(count)


def _opened(data: Any) -> Dataset:
    if isinstance(data, Dataset):
        return data
    if isinstance(data, (str, os.PathLike)):
        return _on_disk(os.fsdecode(data))
    if isinstance(data, (Photo, bytes)) or hasattr(data, "getexif"):
        return ImageList([data])
    if hasattr(data, "ndim"):  # arrays and tensors
        if hasattr(data, "is_nested"):
            check_values_are_there(data)
        return ImageList(list(data) if data.ndim == 4 else [data])
    if is_dataset(data):
        return _object(data)
    if isinstance(data, (Collection, Iterator)):
        return _listed(list(data))
    if hasattr(data, "__iter__"):
        raise UsageError(
            f"{kind_of(data, begins=True)} can only be read from its beginning.",
            "Give a data set with a length and an index, such as the data set of a loader.",
        )
    return ImageList([data])


def _object(data: Any) -> Dataset:
    if type(data).__name__ == "ShapesDataset":
        from cnnviz.datasets.shapes.torch_dataset import ShapesDataset

        if isinstance(data, ShapesDataset):  # its tensors are not preprocessed
            end = data.start + data.count
            return Part(ShapesSamples(data.shapes, end), range(data.start, end))
    return checked(data)


def _listed(sources: list[Any]) -> Dataset:
    """Return a list of images, or of the pairs that a data set gives."""
    if sources and all(isinstance(entry, (tuple, dict)) for entry in sources):
        return ForeignDataset(_Pairs(sources))
    return ImageList(sources)


class _Pairs:
    def __init__(self, entries: list[Any]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Any:
        return self._entries[index]


def _on_disk(text: str) -> Dataset:
    path = expand(text)
    if is_file_named_as_folder(text):
        raise UsageError(f"{text!r} is a file, and no folder.", "Leave out the slash at its end.")
    if path.is_dir():
        return _in_folder(path)
    if path.suffix.lower() == SUFFIX:
        return Shards(matching(text) if is_pattern(text) else shards_of(str(path)))
    if path.suffix.lower() in LISTS and path.is_file():
        return ListedFiles(path)
    if is_pattern(text):
        return matched_images(text)
    if path.is_file():
        _check_not_packed(path)
        return ImageList([path])
    what = "file" if path.suffix.lower() in LISTS else "folder"
    raise UsageError(*no_file(path, _named_nearly, what))


def _check_not_packed(path: Path) -> None:
    """Raise `UsageError` for a tar that is compressed as a whole, by its name."""
    if path.name.lower().endswith(_PACKED):
        raise UsageError(
            f"{path.name} is compressed as a whole, so that no image in it can be read alone.",
            "Unpack it to a plain tar, such as with gunzip.",
        )


def _named_nearly(path: Path) -> str:
    beside = path.absolute().parent
    known = [entry.name for entry in beside.iterdir()] if beside.is_dir() else []
    return did_you_mean(path.name, known, "Name a folder of images, or 'shapes'.")


def _in_folder(path: Path) -> Dataset:
    files, others = images_in(path)
    tars = [file for file in others if file.lower().endswith(SUFFIX)]
    if tars and not files:
        return Shards([path / file for file in tars])
    found = ImageFolder(path, files)
    found.notes = others_left_out(others)
    return found


def _said(data: Any) -> str:
    return repr(os.fsdecode(data)) if isinstance(data, (str, os.PathLike)) else "what was given"
