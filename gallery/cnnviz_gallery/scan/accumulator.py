"""What one process counts, in memory that does not grow with the number of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.datasets import LoadedBatch
from cnnviz.images import Refusal
from cnnviz.models import Model
from cnnviz.results.text import dimensions
from cnnviz.units.peaks import peaks_and_active
from cnnviz.units.top_k import TopK
from cnnviz_gallery.scan import quantised_sums
from cnnviz_gallery.scan.layer_result import LayerResult
from cnnviz_gallery.scan.one_size import several_sizes
from cnnviz_gallery.scan.partial_scan import PartialScan
from cnnviz_gallery.scan.plan import ScanPlan, class_shares
from cnnviz_gallery.scan.ranked_images import Ints, of_strongest
from cnnviz_gallery.scan.sample import ImageSample
from cnnviz_gallery.scan.scan_result import Answers, ScanSettings, Skipped


class Accumulator:
    """The responses of every channel of every layer to the images seen so far.

    The channels of all layers stand side by side, so that most of the counting is done once for
    each batch, however many layers there are.

    Parameters
    ----------
    start : ScanPlan
        The layers and groups.
    settings : ScanSettings
        What is kept of each channel.
    images : int
        How many images the data set has.
    model : Model
        The network, for what its answers mean.
    """

    def __init__(self, start: ScanPlan, settings: ScanSettings, images: int, model: Model) -> None:
        self._model = model
        sizes = [each.shape[0] for each in start.layers]
        ends = np.cumsum(sizes).tolist()
        channels = sum(sizes)
        self._start, self._images = start, 0
        self._places = {
            each.layer: slice(end - size, end)
            for each, size, end in zip(start.layers, sizes, ends, strict=True)
        }
        units = [np.array(each.units, np.float64) for each in start.layers]
        self._unit = torch.from_numpy(np.concatenate(units))
        self._centres = np.concatenate([np.array(each.centres, np.int64) for each in start.layers])
        self._finer = np.concatenate([quantised_sums.finer_than(each) for each in units])
        # Bins are those of the layer, so that its units are drawn on one scale.
        self._bin_unit = torch.from_numpy(np.repeat([each.max() for each in units], sizes))
        # The first part may hold no image that can be read.
        self._strongest = {each.layer: TopK(settings.kept, each.shape[0]) for each in start.layers}
        self._sample = ImageSample(channels, settings.sample, settings.seed)
        self._peaks = np.empty((settings.batch_size, channels), np.float32)
        self._histogram = np.zeros((channels, quantised_sums.BINS), np.int64)
        self._first_bins = np.arange(channels) * quantised_sums.BINS
        self._active_images = np.zeros(channels, np.int64)
        self._active_positions = np.zeros(channels, np.int64)
        self._lost_positions = np.zeros(channels, np.int64)
        self._sums = np.zeros(channels, np.int64)
        # A row for each group: what one image adds to lies side by side.
        self._group_sums = np.zeros((start.groups, channels), np.int64)
        self._group_squares = np.zeros_like(self._group_sums)
        self._counts = np.zeros(start.groups, np.int64)
        self._answers = no_answers(images) if start.classes else None

    def see(self, layer: str, maps: torch.Tensor, batch: LoadedBatch) -> None:
        """Look at what a layer gives for a batch: the only moment at which its maps are there.

        Raises
        ------
        UsageError
            If images come out in different sizes.
        """
        shape = tuple(batch.tensor.shape[1:])
        if shape != self._start.input_shape:
            # Of tensors, and of headers that are odd, it is not known before.
            first = f"the first as {dimensions(self._start.input_shape[1:])} px"
            raise several_sizes(first, f"image {batch.indices[0]}", shape[1:])
        values, place = _at_most_single(maps.detach()), self._places[layer]
        known, active = peaks_and_active(values)
        found = self._strongest[layer].update(values, batch.indices, known)
        self._peaks[: len(batch), place] = found
        self._active_positions[place] += active
        if np.isnan(known.values).any():
            self._lost_positions[place] += values.isnan().sum((0, 2, 3)).cpu().numpy()
        self._sample.see(place, values, batch.indices, known)

    def answered(self, output: Any, batch: LoadedBatch) -> None:
        """Count a batch, once all its layers were seen and its answers are there."""
        groups = self._noted(class_shares(self._model, output), batch)
        np.add.at(self._counts, groups[groups >= 0], 1)
        peaks = self._peaks[: len(batch)]
        self._images += len(batch)
        self._active_images += (peaks > 0).sum(0)
        found = torch.from_numpy(peaks)
        units = quantised_sums.in_units(found, self._unit).numpy()
        bins = quantised_sums.bin_of(found, self._bin_unit).numpy()
        # Where no value is a number there is nothing to count.
        lost = np.isneginf(peaks)
        units[lost] = 0
        self._sums += units.sum(0)
        # Channel by channel: the bins of one lie side by side, those of all in more than a cache.
        counted = (self._first_bins + bins).T[~lost.T]
        np.add.at(self._histogram.reshape(-1), counted, 1)
        for row, group in enumerate(groups):
            if group >= 0:
                above = units[row].clip(0)
                self._group_sums[group] += above
                self._group_squares[group] += quantised_sums.squares_of(
                    above - self._centres, self._finer
                )

    def portion(self, shards: tuple[int, ...], refused: Mapping[int, Refusal]) -> PartialScan:
        """Return everything, as what these shards hold."""
        skipped = (Skipped(at, each.name, each.reason) for at, each in sorted(refused.items()))
        return PartialScan(
            shards=shards,
            layers=tuple(self._layer(at) for at in range(len(self._start.layers))),
            counts=self._counts,
            answers=self._answers,
            skipped=tuple(skipped),
        )

    def _noted(self, found: torch.Tensor | None, batch: LoadedBatch) -> Ints:
        """Note the answers to a batch, and return the group of each image, -1 for none."""
        labels = batch.labels
        top = np.full(len(batch), -1, np.int64)
        if self._answers is not None and found is not None:
            shares = found[: len(batch)].numpy()
            top = shares.argmax(1)
            rows = np.arange(len(batch))
            self._answers.top[batch.indices] = top
            self._answers.probability[batch.indices] = shares[rows, top]
            self._answers.labels[batch.indices] = labels
            meant = self._meant(labels)
            known = (meant >= 0) & (meant < shares.shape[1])
            self._answers.label_probability[batch.indices[known]] = shares[
                rows[known], meant[known]
            ]
        groups = labels if self._start.grouping == "labels" else top
        return np.where((groups >= 0) & (groups < len(self._counts)), groups, -1)

    def _meant(self, labels: Ints) -> Ints:
        """Return the class of the network that each label means, -1 where none is known."""
        if not self._start.label_classes:
            return labels
        classes = np.array([*self._start.label_classes, -1], np.int64)
        known = (labels >= 0) & (labels < len(classes) - 1)
        return classes[np.where(known, labels, -1)]

    def _layer(self, at: int) -> LayerResult:
        counted = self._start.layers[at]
        place, strongest = self._places[counted.layer], self._strongest[counted.layer]
        least = strongest.least
        return LayerResult(
            layer=counted.layer,
            shape=counted.shape,
            images=self._images,
            positions=self._images * counted.shape[1] * counted.shape[2],
            units=np.array(counted.units, np.float64),
            centres=self._centres[place],
            strongest=of_strongest(strongest),
            sample=self._sample.picks(place),
            histogram=self._histogram[place],
            active_images=self._active_images[place],
            active_positions=self._active_positions[place],
            lost_positions=self._lost_positions[place],
            sums=self._sums[place],
            # As they lie: turning them over takes longer than all the rest of a portion.
            group_sums=self._group_sums[:, place].T,
            group_squares=self._group_squares[:, place].T,
            lowest=_positive_zero(np.where(np.isnan(least), np.inf, least)),
        )


def no_answers(count: int) -> Answers:
    """Return the answers to so many images before any was seen."""
    none, nan = np.full(count, -1, np.int32), np.full(count, np.nan, np.float32)
    return Answers(none, nan, none.copy(), nan.copy())


def _at_most_single(maps: torch.Tensor) -> torch.Tensor:
    return maps.float() if maps.dtype == torch.float64 else maps


def _positive_zero(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32) + np.float32(0.0)
