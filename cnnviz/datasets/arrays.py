"""Many signals or volumes: files in a folder, or a list of whatever one of them may be."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Collection, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from cnnviz.bounds import Count, bounded
from cnnviz.datasets.dataset import Dataset, DatasetImage
from cnnviz.datasets.files import FilesOnDisk, file_sha256, files_below
from cnnviz.datasets.folder_tree import FolderTree
from cnnviz.datasets.foreign import is_dataset
from cnnviz.datasets.listed_files import LISTS, ListedFiles
from cnnviz.datasets.opening import open_dataset
from cnnviz.datasets.patterns import is_pattern, matched_files
from cnnviz.errors import ImageError, UsageError, did_you_mean
from cnnviz.images import ArrayPreprocessing, Batch, Preprocessing, prepare
from cnnviz.images.number_files import ARRAY_SUFFIXES, SIGNAL_SUFFIXES
from cnnviz.images.paths import expand, is_file_named_as_folder
from cnnviz.results.text import plural


class _ArraysOnDisk(Dataset):
    """Signals or volumes each of which is a file of its own."""

    _preprocessing: ArrayPreprocessing

    @abstractmethod
    def file(self, index: int) -> Path:
        """Return the file of one."""

    def sha256(self, index: int) -> str:
        """Return the SHA-256 of the file."""
        return file_sha256(self.file(index))

    def read(self, index: int) -> DatasetImage:
        """Read one file, and prepare it."""
        batch = prepare([self.file(index)], self._preprocessing)
        return DatasetImage(batch.tensor[0], self.label(index))

    @property
    def _counted(self) -> str:
        """How many there are, in words."""
        return plural(len(self), self._preprocessing.space.noun)


class ArrayFiles(FolderTree, _ArraysOnDisk):
    """All files of numbers in a folder and the folders in it, ordered by path.

    Where every file lies in a folder of its own inside the root, the names of these are the
    classes, as in `ImageFolder`.

    Parameters
    ----------
    root : Path
        The folder.
    preprocessing : ArrayPreprocessing
        What the network takes.
    """

    def __init__(self, root: Path, preprocessing: ArrayPreprocessing) -> None:
        self._preprocessing = preprocessing
        suffixes = SIGNAL_SUFFIXES if preprocessing.axes == 1 else ARRAY_SUFFIXES
        super().__init__(root, files_below(root, lambda name: _is_array(name, suffixes)))
        if not len(self):
            known = ", ".join(suffixes)
            raise ImageError(
                f"There is no {preprocessing.space.noun} in {str(root)!r}.",
                f"Give a folder of files that end in {known}.",
            )

    def key(self, index: int) -> str:
        """Return the path below the root, and the SHA-256 of the file."""
        return f"{self._files[index]} {self.sha256(index)}"

    def describe(self) -> str:
        """Say how many there are."""
        return self.told(self._counted)


class ArrayList(Dataset):
    """Signals or volumes that were given one by one: paths, arrays, or float tensors.

    Parameters
    ----------
    sources : sequence or data set object
        Anything with a length and an index. An entry may be a pair with a label, a whole number.
    preprocessing : ArrayPreprocessing
        What the network takes.
    """

    def __init__(self, sources: Any, preprocessing: ArrayPreprocessing) -> None:
        self._sources, self._preprocessing = sources, preprocessing
        # Nobody promises that a data set can be read by two threads at once.
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._sources)

    def name(self, index: int) -> str:
        """Return the file name of one, or its place in the list."""
        listed = isinstance(self._sources, list)
        source = self._entry(index)[0] if listed else None
        if isinstance(source, str | os.PathLike):
            return str(Path(os.fsdecode(source)).name)
        return f"{self._preprocessing.space.noun} {index}"

    def key(self, index: int) -> str:
        """Return the name, and the SHA-256 of the numbers."""
        return f"{self.name(index)} {self.sha256(index)}"

    def sha256(self, index: int) -> str:
        """Return the SHA-256 that one has when it is explained alone."""
        return self._prepared(self._entry(index)[0], index).photos[0].sha256

    def read(self, index: int) -> DatasetImage:
        """Read and prepare one."""
        source, label = self._entry(index)
        return DatasetImage(self._prepared(source, index).tensor[0], label)

    def _entry(self, index: int) -> tuple[Any, int | None]:
        with self._lock:
            entry = self._sources[index]
        if not isinstance(entry, tuple):
            return entry, None
        label: Any = entry[1] if len(entry) > 1 else None
        whole = getattr(label, "ndim", 0) == 0 and hasattr(label, "__index__")
        return entry[0], int(label) if whole else None

    def _prepared(self, source: Any, index: int) -> Batch:
        found = prepare([source], self._preprocessing)
        if len(found) != 1:
            raise UsageError(
                f"{self.name(index).capitalize()} holds {len(found)} of them.",
                f"Give one {self._preprocessing.space.noun} for each entry of the list.",
            )
        return found

    def describe(self) -> str:
        """Say how many there are."""
        return plural(len(self), self._preprocessing.space.noun)


class ListedArrays(_ArraysOnDisk):
    """Signals or volumes in files that a list or a pattern names, with the labels that these say.

    Parameters
    ----------
    files : FilesOnDisk
        The list.
    preprocessing : ArrayPreprocessing
        What the network takes.
    """

    def __init__(self, files: FilesOnDisk, preprocessing: ArrayPreprocessing) -> None:
        self._listed, self._preprocessing = files, preprocessing
        self.classes, self.notes = files.classes, files.notes

    def __len__(self) -> int:
        return len(self._listed)

    def name(self, index: int) -> str:
        """Return the path of a file as the list has it."""
        return self._listed.name(index)

    def key(self, index: int) -> str:
        """Return the path in the list, and when the file was last written to."""
        return self._listed.key(index)

    def label(self, index: int) -> int | None:
        """Return the label of one that has exactly one."""
        return self._listed.label(index)

    def labels(self, index: int) -> tuple[int, ...]:
        """Return all labels of one."""
        return self._listed.labels(index)

    def file(self, index: int) -> Path:
        """Return the file of one."""
        return self._listed.file(index)

    def describe(self) -> str:
        """Say how many there are."""
        labels = f" with {plural(len(self.classes), 'label')}" if self.classes else ""
        return f"{self._counted}{labels}"


def open_inputs(data: Any, preprocessing: Preprocessing, count: int | None = None) -> Dataset:
    """Open many of whatever a network takes: images, or signals, volumes and clips.

    Raises
    ------
    ImageError
        If there is none in it.
    UsageError
        If there is no such folder or file, or the count is not positive.
    """
    if isinstance(preprocessing, ArrayPreprocessing):
        return open_arrays(data, preprocessing, count)
    return open_dataset(data, count)


def holds_arrays(data: str) -> bool:
    """Whether a name means files of numbers rather than images: a folder of them, or a pattern."""
    path = expand(data)
    if path.is_dir():
        return bool(files_below(path, lambda name: _is_array(name, SIGNAL_SUFFIXES)))
    return path.suffix.lower() in SIGNAL_SUFFIXES


@bounded
def open_arrays(
    data: Any, preprocessing: ArrayPreprocessing, count: Count | None = None
) -> Dataset:
    """Open many signals, volumes or clips; those in files are not read yet.

    Parameters
    ----------
    data : str, Path, Dataset, data set object, array, tensor, or a list of these
        A folder of ``.npy``, ``.npz`` or ``.pt`` files, of signals also ``.wav``, which is searched
        with all folders in it; a pattern such as ``val/*/*.npy``, or a CSV file with the columns
        path and label; an array or a tensor [N, C, ...]; or what `prepare` takes, in a
        list or a data set with ``__len__`` and ``__getitem__``.
    preprocessing : ArrayPreprocessing
        What the network takes.
    count : int, optional
        At most how many, evenly spread.

    Raises
    ------
    ImageError
        If there is none in it.
    UsageError
        If there is no such folder or file, or the count is not positive.
    """
    return _opened(data, preprocessing).spread(count)


def _opened(data: Any, preprocessing: ArrayPreprocessing) -> Dataset:
    noun = preprocessing.space.noun
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | os.PathLike):
        path = expand(os.fsdecode(data))
        if is_file_named_as_folder(data):
            raise UsageError(
                f"{os.fsdecode(data)!r} is a file, and no folder.",
                "Leave out the slash at its end.",
            )
        if path.is_dir():
            return ArrayFiles(path, preprocessing)
        if path.suffix.lower() in LISTS and path.is_file():
            return ListedArrays(ListedFiles(path), preprocessing)
        if is_pattern(str(path)):
            return ListedArrays(matched_files(str(path)), preprocessing)
        if not path.exists():
            beside = path.absolute().parent
            known = [entry.name for entry in beside.iterdir()] if beside.is_dir() else []
            otherwise = f"Name a folder of {noun}s."
            raise UsageError(
                f"There is no folder {str(path)!r}.", did_you_mean(path.name, known, otherwise)
            )
        return ArrayList([path], preprocessing)
    axes = getattr(data, "ndim", None)
    if axes is not None:
        return ArrayList(list(data) if axes == preprocessing.axes + 2 else [data], preprocessing)
    if is_dataset(data):
        return ArrayList(data, preprocessing)
    sources = list(data) if isinstance(data, Collection | Iterator) else [data]
    if not sources:
        raise ImageError(f"There is no {noun} in what was given.", f"Give a folder of {noun}s.")
    return ArrayList(sources, preprocessing)


def _is_array(name: str, suffixes: tuple[str, ...]) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in suffixes
