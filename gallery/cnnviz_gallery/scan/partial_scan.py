"""What was found in some shards of a data set: joined exactly, and kept as arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from cnnviz.results.structured import decoded
from cnnviz_gallery.scan import layer_result
from cnnviz_gallery.scan.layer_result import LayerResult, layer_of_arrays
from cnnviz_gallery.scan.plan import ScanPlan
from cnnviz_gallery.scan.ranked_images import Ints
from cnnviz_gallery.scan.scan_result import Answers, Skipped

_OF_GROUPS = ("group_sums", "group_squares")
_ANSWERS = ("top", "probability", "labels", "label_probability")


class _Told(Struct):
    images: Annotated[int, Meta(ge=0)]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, eq=False)
class PartialScan:
    """What was found in some shards.

    Attributes
    ----------
    shards : tuple of int
        Which ones.
    layers : tuple of LayerResult
        In the order in which the network calls them.
    counts : ndarray of int64
        [K], images in each group.
    answers : Answers or None
        Of the whole data set; -1 and NaN for images of other shards.
    skipped : tuple of Skipped
        Images that could not be read.
    """

    shards: tuple[int, ...]
    layers: tuple[LayerResult, ...]
    counts: Ints
    answers: Answers | None
    skipped: tuple[Skipped, ...]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays by name."""
        told = {
            "images": self.layers[0].images,
            "skipped": [asdict(each) for each in self.skipped],
        }
        found: dict[str, NDArray[Any]] = {
            "shards": np.array(self.shards, np.int64),
            "told": np.frombuffer(json.dumps(told).encode(), np.uint8),
            "counts": self.counts,
        }
        seen = np.flatnonzero(self.counts)
        for at, layer in enumerate(self.layers):
            arrays = layer.arrays()
            # A group without an image has sums of zero: most have, at first, where they are many.
            arrays |= {name: arrays[name].T[seen].T for name in _OF_GROUPS}
            found |= {f"{at}.{name}": _narrow(each) for name, each in arrays.items()}
        if self.answers is not None:
            found |= {name: getattr(self.answers, name) for name in _ANSWERS}
        return found

    @classmethod
    def of_arrays(cls, found: Mapping[str, NDArray[Any]], start: ScanPlan) -> PartialScan:
        """Return what `arrays` came from.

        Raises
        ------
        LookupError, ValueError
            If it is not of such a start.
        """
        told = decoded(found["told"].tobytes(), _Told)
        answers = Answers(**{key: found[key] for key in _ANSWERS}) if start.classes else None
        return cls(
            shards=tuple(found["shards"].tolist()),
            layers=tuple(_layer(found, start, at, told.images) for at in range(len(start.layers))),
            counts=found["counts"],
            answers=answers,
            skipped=told.skipped,
        )


@dataclass(frozen=True)
class PartialScans:
    """How the parts of one scan are read and joined."""

    start: ScanPlan
    seed: int

    def of_arrays(self, found: Mapping[str, NDArray[Any]]) -> PartialScan:
        """Return what `PartialScan.arrays` came from; LookupError or ValueError if it is none."""
        return PartialScan.of_arrays(found, self.start)

    def joined(self, portions: Sequence[PartialScan]) -> PartialScan:
        """Return what is found in the shards of all of them."""
        return joined(portions, self.seed)


def joined(portions: Sequence[PartialScan], seed: int) -> PartialScan:
    """Return what is found in the shards of all portions, which have none in common."""
    if len(portions) == 1:
        return portions[0]
    known = [each.answers for each in portions if each.answers is not None]
    skipped = (each for portion in portions for each in portion.skipped)
    return PartialScan(
        shards=tuple(sorted(shard for each in portions for shard in each.shards)),
        layers=tuple(
            layer_result.merged(parts, seed)
            for parts in zip(*(each.layers for each in portions), strict=True)
        ),
        counts=np.sum([each.counts for each in portions], axis=0),
        answers=_answers(known) if known else None,
        skipped=tuple(sorted(skipped, key=lambda each: each.place)),
    )


def _answers(parts: Sequence[Answers]) -> Answers:
    # Each image was answered in one part; in all others it has the least number, or none.
    top, labels = (
        np.maximum.reduce([getattr(part, name) for part in parts]) for name in ("top", "labels")
    )
    probability, label_probability = (
        np.fmax.reduce([getattr(part, name) for part in parts])
        for name in ("probability", "label_probability")
    )
    return Answers(top, probability, labels, label_probability)


def _layer(found: Mapping[str, NDArray[Any]], start: ScanPlan, at: int, images: int) -> LayerResult:
    counted, prefix = start.layers[at], f"{at}."
    _, height, width = counted.shape
    arrays = {
        name.removeprefix(prefix): each for name, each in found.items() if name.startswith(prefix)
    }
    seen = np.flatnonzero(found["counts"])
    for name in _OF_GROUPS:
        whole = np.zeros((len(found["counts"]), counted.shape[0]), np.int64)
        whole[seen] = arrays[name].T
        arrays[name] = whole.T
    return layer_of_arrays(
        layer=counted.layer,
        shape=counted.shape,
        images=images,
        positions=images * height * width,
        found=arrays,
    )


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers in as few bytes as they need."""
    if values.dtype.kind != "i" or not values.size:
        return values
    least, most = int(values.min()), int(values.max())
    return values.astype(np.min_scalar_type(most if least >= 0 else min(least, -most - 1)))
