"""What a scan hands to the site: typed, kept on disk whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.passes.precision import Precision
from cnnviz.results.files import remove_leftovers, write_atomically
from cnnviz.results.given_files import given_bytes, open_given
from cnnviz.results.parsed_again import parsed_again
from cnnviz.results.provenance import AS_IT_IS
from cnnviz.results.structured import decoded
from cnnviz.results.table import Table
from cnnviz_gallery.scan.layer_result import LayerResult, layer_of_arrays
from cnnviz_gallery.scan.ranked_images import Ints
from cnnviz_gallery.scan.unit_table import unit_table

FORMAT = "cnnviz scan 5"
Grouping = Literal["labels", "predictions"]


@dataclass(frozen=True)
class Network:
    """Which network was scanned.

    Attributes
    ----------
    name, weights, sha256 : str
        As `cnnviz.Model` has them.
    preprocessing : str
        What was done to each image, in one sentence.
    input_shape : tuple of int
        (C, H, W) of what went in.
    categories : tuple of str
        The names of the network's classes; empty where they have none.
    """

    name: str
    weights: str
    sha256: str
    preprocessing: str
    input_shape: tuple[int, ...]
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """Which images were scanned.

    Attributes
    ----------
    description, fingerprint : str
        What `Dataset.describe` says, and `Dataset.fingerprint`.
    count : int
        How many images the set has, those that were skipped among them.
    classes : tuple of str
        The names of the labels; empty where they have none.
    """

    description: str
    fingerprint: str
    count: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Skipped:
    """An image that could not be scanned: its place in the data set, its name, and why."""

    place: int
    name: str
    reason: str


@dataclass(frozen=True)
class ScanSettings:
    """What a scan keeps of each channel.

    Attributes
    ----------
    kept : int
        Strongest images.
    sample : int
        Random images.
    seed : int
        Which these are.
    batch_size : int
        Images that went through the network together. Convolutions may round differently in
        batches of another size, so it is part of what a scan is of.
    precision : {"float32", "bf16"}
        In what images are computed, see `cnnviz.passes.precision`.
    """

    kept: int = 9
    sample: int = 64
    seed: int = 0
    batch_size: int = 32
    precision: Precision = "float32"


@dataclass(frozen=True, eq=False)
class Answers:
    """What the network answered to each of the N images of the data set.

    Attributes
    ----------
    top, labels : ndarray of int32
        [N], the likeliest class, and the label; -1 for a skipped image and where there is none.
    probability, label_probability : ndarray of float32
        [N], of the likeliest class, and of the class that the label means; NaN where none is known.
    """

    top: NDArray[np.int32]
    probability: NDArray[np.float32]
    labels: NDArray[np.int32]
    label_probability: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ScanResult:
    """Everything that one pass over a data set found.

    Attributes
    ----------
    network, data, settings
        What was scanned, and how.
    layers : tuple of LayerResult
        In the order in which the network calls them.
    grouping : {"labels", "predictions"}
        What the K groups of images are: the labels of the data, or, where it has none, the
        network's own answers.
    group_counts : ndarray of int64
        [K], images in each group.
    answers : Answers or None
        None where the network's output is not one row of scores for each image.
    skipped : tuple of Skipped
        Images that are in none of the numbers.
    notes : tuple of str
        What else a reader must know.
    computed_on : str
        What computed the images, see `cnnviz.results.provenance.Provenance`.
    bf16_error : float or None
        How far values in bfloat16 were from those in float32 in the first images, of the largest
        value of the same layer; None in float32.
    """

    network: Network
    data: Data
    settings: ScanSettings
    layers: tuple[LayerResult, ...]
    grouping: Grouping
    group_counts: Ints
    answers: Answers | None
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = field(default=())
    computed_on: str = AS_IT_IS
    bf16_error: float | None = None

    @property
    def images(self) -> int:
        """How many images were seen."""
        return self.data.count - len(self.skipped)

    @property
    def groups(self) -> tuple[str, ...]:
        """The name of each group."""
        known = self.data.classes if self.grouping == "labels" else self.network.categories
        names = known or self.network.categories
        count = len(self.group_counts)
        if len(names) == count:
            return names
        return tuple(f"class {index}" for index in range(count))

    def layer(self, name: str) -> LayerResult:
        """Return the layer of a name."""
        return next(found for found in self.layers if found.layer == name)

    def table(self) -> Table:
        """Return a row for each unit, as `to_dataframe` and `to_csv` of it have them in turn.

        See `cnnviz_gallery.scan.unit_table.unit_table` for the columns.
        """
        return unit_table(self)

    def save(self, folder: Path) -> None:
        """Write the scan to a folder, which is made; ``scan.json`` comes last and names the rest.

        Raises
        ------
        OutputError
            If a file cannot be written. A scan that was there before is then still whole, or there
            is no ``scan.json``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        layers = []
        for layer in self.layers:
            name = _write_arrays(folder, layer.arrays())
            kept = {key: getattr(layer, key) for key in _KEPT}
            layers.append({**kept, "file": name})
        arrays: dict[str, NDArray[Any]] = {"group_counts": self.group_counts}
        if self.answers is not None:
            arrays |= {key: getattr(self.answers, key) for key in _ANSWERS}
        head = {
            "format": FORMAT,
            "network": asdict(self.network),
            "data": asdict(self.data),
            "settings": asdict(self.settings),
            "grouping": self.grouping,
            "skipped": [asdict(each) for each in self.skipped],
            "notes": list(self.notes),
            "computed_on": self.computed_on,
            "bf16_error": self.bf16_error,
            "layers": layers,
            "file": _write_arrays(folder, arrays),
        }
        text = json.dumps(head, indent=1, allow_nan=False) + "\n"
        write_atomically(folder / "scan.json", lambda path: _write_text(path, text))
        named = {entry["file"] for entry in layers} | {head["file"]}
        for path in folder.glob("*.npz"):
            if _OWN.fullmatch(path.name) and path.name not in named:
                path.unlink()

    @classmethod
    def load(cls, folder: Path) -> ScanResult:
        """Read a scan.

        Raises
        ------
        UsageError
            If there is none in the folder, or it is not whole.
        """
        try:
            text = given_bytes(folder / "scan.json")
            known = decoded(text, _Format).format
            if known != FORMAT:
                raise ValueError(f"its format is {known!r}")
            return _read(decoded(text, _Head), folder)
        except (OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile) as error:
            raise UsageError(
                f"There is no whole scan in {str(folder)!r} ({error}).", "Scan the data again."
            ) from error


_KEPT = ("layer", "shape", "images", "positions")
_ANSWERS = ("top", "probability", "labels", "label_probability")


class _Format(Struct):
    format: str


Arrays = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\.npz$")]
"""A file of arrays, in the folder of the scan and nowhere else."""


class _Layer(Struct):
    layer: str
    shape: tuple[int, int, int]
    images: Annotated[int, Meta(ge=0)]
    positions: Annotated[int, Meta(ge=0)]
    file: Arrays


class _Head(Struct):
    """What stands in scan.json."""

    network: Network
    data: Data
    settings: ScanSettings
    grouping: Grouping
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    computed_on: str
    bf16_error: float | None
    layers: tuple[_Layer, ...]
    file: Arrays


def _read(head: _Head, folder: Path) -> ScanResult:
    found = _read_arrays(folder / head.file)
    return ScanResult(
        network=head.network,
        data=head.data,
        settings=head.settings,
        layers=tuple(
            layer_of_arrays(
                **{key: getattr(one, key) for key in _KEPT}, found=_read_arrays(folder / one.file)
            )
            for one in head.layers
        ),
        grouping=head.grouping,
        group_counts=found["group_counts"],
        answers=Answers(**{key: found[key] for key in _ANSWERS}) if "top" in found else None,
        skipped=head.skipped,
        notes=head.notes,
        computed_on=head.computed_on,
        bf16_error=head.bf16_error,
    )


def digest(arrays: dict[str, NDArray[Any]]) -> str:
    """Return a name for the content of arrays: 16 digits of their SHA-256."""
    found = hashlib.sha256()
    for name, each in sorted(arrays.items()):
        found.update(f"{name} {each.dtype} {each.shape}\n".encode())
        found.update(np.ascontiguousarray(each).tobytes())
    return found.hexdigest()[:16]


_OWN = re.compile("[0-9a-f]{16}[.]npz")
"""What the files of arrays are called: nothing else is removed."""


def _write_arrays(folder: Path, arrays: dict[str, NDArray[Any]]) -> str:
    """Write arrays to a file named after their content, unless it is there already."""
    path = folder / f"{digest(arrays)}.npz"
    if not path.exists():
        write_atomically(path, _compressed(arrays))
    return path.name


def _compressed(arrays: dict[str, NDArray[Any]]) -> Callable[[Path], None]:
    # A file also says in which order an array lies in memory, which is chance.
    plain: dict[str, Any] = {name: np.ascontiguousarray(each) for name, each in arrays.items()}

    def write(path: Path) -> None:
        with path.open("wb") as stream:
            np.savez_compressed(stream, **plain)

    return write


@parsed_again
def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    # NumPy leaves a damaged file open that it has opened itself.
    with open_given(path) as stream, np.load(stream, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
