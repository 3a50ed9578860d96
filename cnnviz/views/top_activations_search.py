"""The pass that finds the strongest patches, and the tiles that show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.datasets import Dataset, LoadedBatch, nothing_left, stream
from cnnviz.images import ArrayPreprocessing, Refusal
from cnnviz.introspection.backward_rules import Rule
from cnnviz.introspection.finite import check_rankable
from cnnviz.models import Model
from cnnviz.passes.precision import Precision
from cnnviz.passes.processes import ALONE, Processes
from cnnviz.passes.scan_plan import depends_on
from cnnviz.passes.shared_scan import share_scan
from cnnviz.results import drawing
from cnnviz.results.array_pictures import slices
from cnnviz.results.progress import Progress
from cnnviz.results.provenance import AS_IT_IS, ImageSource, Provenance
from cnnviz.results.text import plural, reasons
from cnnviz.units.projection import (
    PartialForward,
    UnitPosition,
    UnitProjections,
    cut,
    cut_arrays,
    project_positions,
)
from cnnviz.units.top_k import TopK
from cnnviz.views._shared_search import SearchCounter, SearchPortions
from cnnviz.views.pictures import array_patches
from cnnviz.views.pictures import top_activations as picture

FORMAT = "cnnviz strongest patches 1"
_NAMED = 8
"""Reasons of a sentence before the rest are counted."""
_SAME = 0.01
"""How far the activation may be from that of the pass, as a share of it: batches of another size
round differently."""
_ROUNDED = 4
"""How many times as far from float32 as in the first images a value in bfloat16 may be."""


class Search:
    """The streaming pass."""

    def __init__(self, passage: PartialForward, dataset: Dataset, k: int) -> None:
        self.passage, self.dataset = passage, dataset
        # Of each image one patch counts, so that there are no more of them than images.
        self.found = TopK(min(k, len(dataset)))
        self.labels = np.full(len(dataset), -1, np.int64)
        self.sizes = np.zeros((len(dataset), passage.model.space.axes), np.int64)
        self.sums: dict[int, NDArray[np.float64]] = {}
        self.shard = max(len(dataset), 1)
        self.seen = 0
        self.refused: Mapping[int, Refusal] = {}
        self.computed_on = AS_IT_IS
        self.bf16_error: float | None = None

    def see(self, layer: str, maps: torch.Tensor, batch: LoadedBatch) -> None:
        """Count the maps of a batch of images."""
        check_rankable(maps, f"The activations of layer {layer!r}")
        self.sizes[batch.indices] = maps.shape[2:]
        # Row by row, whatever number of axes there are.
        tops = self.found.update(maps.flatten(2)[:, :, None], batch.indices)
        shard, more = int(batch.indices[0]) // self.shard, np.maximum(tops, 0.0).sum(0)
        self.sums[shard] = self.sums.get(shard, 0.0) + more
        self.labels[batch.indices] = batch.labels

    @property
    def typical(self) -> NDArray[np.float64]:
        """The mean over the images of the strongest value in each, [C]."""
        # In the order of the shards, whoever has looked at which.
        return np.asarray(sum(self.sums[at] for at in sorted(self.sums)) / max(self.seen, 1))

    def positions(self) -> NDArray[np.int64]:
        """The position of each of the strongest along each axis, [C, k, A]; -1 where is none."""
        sizes = np.maximum(self.sizes[self.found.images], 1)
        left, axes = np.maximum(self.found.columns, 0), []
        for axis in reversed(range(sizes.shape[-1])):
            left, at = np.divmod(left, sizes[..., axis])
            axes.append(at)
        found = np.stack(axes[::-1], axis=-1)
        return np.where(self.found.images[..., None] >= 0, found, -1)

    def contrast(self) -> NDArray[np.float64]:
        """How far the weakest of the k strongest stands out from what is typical, [C]."""
        least = np.maximum(self.found.values[:, -1], 0.0)
        return np.divide(least, self.typical, out=np.zeros_like(least), where=self.typical > 0.0)

    def by_contrast(self) -> NDArray[np.int64]:
        """Return the channels, those that stand out most first, and of these the stronger, [C]."""
        return np.lexsort((-self.found.values[:, 0], -self.contrast()))

    def label(self, image: int) -> str | None:
        """Return the class of an image, by name where that is known."""
        label, classes = int(self.labels[image]), self.dataset.classes
        if label < 0:
            return None
        return classes[label] if label < len(classes) else str(label)


def run_together(
    searches: Sequence[Search],
    progress: Progress,
    *,
    processes: Processes = ALONE,
    state: Path | None = None,
    shard: int | None = None,
    workers: int | None = None,
    precision: Precision = "float32",
) -> None:
    """Look at every image once, for the layers of several searches of one network and data set.

    Parameters
    ----------
    searches : sequence of Search
        The searches, none of which has looked at anything.
    progress : callable
        Called before each batch.
    processes, state, shard, workers, precision
        See `cnnviz.passes.shared_scan.share_scan`.
    """
    model, dataset = searches[0].passage.model, searches[0].dataset
    names = [search.passage.layer for search in searches]
    found = share_scan(
        model,
        dataset,
        names,
        lambda size: SearchCounter(searches, size),
        SearchPortions(),
        processes=processes,
        depends=depends_on(
            model, dataset, names, precision, format=FORMAT, kept=searches[0].found.k
        ),
        state=state,
        shard=shard,
        workers=workers,
        answers=False,
        precision=precision,
        progress=progress,
    )
    found.whole.fill(searches)
    for search in searches:
        search.computed_on, search.bf16_error = found.computed_on, found.bf16_error
    if not searches[0].seen:
        raise nothing_left(list(searches[0].refused.values()), dataset)


class Tiles:
    """The patches and projections of the channels that are drawn, a page at a time."""

    def __init__(self, search: Search, shown: Sequence[int], rule: Rule) -> None:
        self.search, self.shown, self.rule = search, tuple(shown), rule
        found = search.found
        self.drawn = (found.images[list(shown)] >= 0) & (found.values[list(shown)] > 0.0)
        self.positions = search.positions()
        self.patches: NDArray[Any] | None = None
        self.projections: NDArray[Any] | None = None
        self.size: tuple[int, ...] | None = None
        self.sources: dict[int, ImageSource] = {}
        self._passages: dict[tuple[int, ...], PartialForward] = {}
        self.changed: set[int] = set()
        self.unknown = 0

    def fill(self, progress: Progress) -> None:
        """Read the images again that are drawn, and send their units back to the pixels."""
        total, done = int(self.drawn.sum()), 0
        for start in range(0, len(self.shown), picture.PER_PAGE):
            places = [
                (start + row, int(slot))
                for row, slot in np.argwhere(self.drawn[start : start + picture.PER_PAGE])
            ]
            progress(done, total, "sending patches back to the pixels")
            self._page(places)
            done += len(places)
        progress(total, total, "done")

    def _page(self, places: Sequence[tuple[int, int]]) -> None:
        images = self.search.found.images
        wanted: dict[int, list[tuple[int, int]]] = {}
        for row, slot in places:
            wanted.setdefault(int(images[self.shown[row], slot]), []).append((row, slot))
        model, dataset = self.search.passage.model, self.search.dataset
        with stream(
            dataset,
            model.preprocessing,
            len(wanted) or 1,
            None,
            sorted(wanted),
            device=model.device,
            dtype=model.dtype,
        ) as batches:
            for batch in batches:
                self._batch(batch, wanted)
            # An image may have gone since the pass.
            for image in batches.refused:
                for place in wanted[image]:
                    self.drawn[place] = False
                self.changed.add(image)

    def _batch(self, batch: LoadedBatch, wanted: Mapping[int, list[tuple[int, int]]]) -> None:
        model = self.search.passage.model
        places, picks = [], []
        for order, image in enumerate(batch.indices.tolist()):
            self.sources[image] = _source(self.search.dataset, image)
            for row, slot in wanted[image]:
                at = self.shown[row], slot
                places.append((row, slot))
                picks.append(UnitPosition(order, at[0], at=tuple(self.positions[at].tolist())))
        shape = tuple(batch.tensor.shape[1:])
        if shape not in self._passages:
            self._passages[shape] = PartialForward.to(
                model, batch.tensor, self.search.passage.layer
            )
        sent = project_positions(self._passages[shape], batch.tensor, picks, self.rule)
        self.size = self.size or sent.size
        self.unknown += int((~sent.known).sum())
        shown = _tiles_of(model, batch.tensor, [pick.image for pick in picks], sent)
        for index, (place, (patch, signal)) in enumerate(zip(places, shown, strict=True)):
            self._put(place, patch, signal)
            self._compare(int(batch.indices[picks[index].image]), place, sent.activations[index])

    def _put(self, place: tuple[int, int], patch: NDArray[Any], signal: NDArray[Any]) -> None:
        if self.patches is None or self.projections is None:
            self.patches, self.projections = self.empty(patch.shape), self.empty(patch.shape)
        # Where photos are of several sizes, so may the patches be.
        for tiles, one in ((self.patches, patch), (self.projections, signal)):
            if one.ndim == 2:
                length = min(one.shape[1], tiles.shape[3])
                tiles[place][:, :length] = one[:, :length]
            else:
                tiles[place] = picture.placed(one, *tiles.shape[2:4])

    def empty(self, shape: Sequence[int]) -> NDArray[Any]:
        """Return grey tiles for all places; of signals nothing, which is NaN."""
        if len(shape) == 2:
            return np.full((*self.drawn.shape, *shape), np.nan, np.float32)
        return np.full((*self.drawn.shape, *shape), picture.EMPTY, np.uint8)

    def _compare(self, image: int, place: tuple[int, int], value: float) -> None:
        values = self.search.found.values
        then = float(values[self.shown[place[0]], place[1]])
        near = _SAME * max(abs(then), 1e-6)
        if self.search.bf16_error is not None:
            # It is read again in float32.
            largest = float(np.abs(values[np.isfinite(values)]).max())
            near += _ROUNDED * self.search.bf16_error * largest
        if not abs(value - then) <= near:
            self.changed.add(image)


def _tiles_of(
    model: Model, inputs: torch.Tensor, images: Sequence[int], sent: UnitProjections
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield the patch and the projection of each unit, as they are kept to be drawn."""
    preprocessing = model.preprocessing
    if isinstance(preprocessing, ArrayPreprocessing):
        values = [preprocessing.undone(tensor) for tensor in inputs]
        if preprocessing.axes == 1:
            yield from zip(
                cut_arrays([values[image] for image in images], sent.windows),
                sent.signals,
                strict=True,
            )
            return
        pixels = [slices(one) for one in values]
        as_drawn: Callable[[drawing.Pixels], drawing.Pixels] = array_patches.strip
    else:
        pixels = [preprocessing.invert(tensor) for tensor in inputs]
        as_drawn = picture.tile
    size = tuple(inputs.shape[2:])
    patches = cut([pixels[image] for image in images], sent.windows, picture.EMPTY)
    inside = cut([np.ones(size, bool)] * len(images), sent.windows, fill=False)
    for patch, signal, there in zip(patches, sent.signals, inside, strict=True):
        painted = picture.paint(signal)
        painted[~there | np.isnan(signal).any()] = picture.EMPTY
        yield as_drawn(patch), as_drawn(painted)


def _source(dataset: Dataset, image: int) -> ImageSource:
    return ImageSource(dataset.name(image), dataset.sha256(image))


def provenance_of(model: Model, search: Search, tiles: Tiles) -> Provenance:
    """Return where the patches come from, with what was left out on the way."""
    notes = [*search.dataset.notes]
    refused = list(search.refused.values())
    if refused:
        was = "was" if len(refused) == 1 else "were"
        notes.append(
            f"{plural(len(refused), model.space.noun)} could not be read and {was} left out "
            f"({reasons(refused, _NAMED)})"
        )
    if search.found.not_finite.any():
        channels = int((search.found.not_finite > 0).sum())
        notes.append(f"{channels} channels had values that are not numbers, which never count")
    if tiles.unknown:
        patches = plural(tiles.unknown, "patch", "patches")
        notes.append(f"what {patches} sent back is not finite, and its place stays empty")
    if tiles.changed:
        first = search.dataset.name(min(tiles.changed))
        notes.append(
            f"{plural(len(tiles.changed), model.space.noun)} came out otherwise when read again to "
            f"be drawn, such as {first}: the data set changes what it gives"
        )
    return replace(
        model.provenance((tiles.sources[image] for image in sorted(tiles.sources)), notes=notes),
        computed_on=search.computed_on,
        bf16_error=search.bf16_error,
    )
