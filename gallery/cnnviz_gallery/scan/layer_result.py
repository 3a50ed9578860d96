"""What a scan found at one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from cnnviz_gallery.scan import quantised_sums
from cnnviz_gallery.scan.ranked_images import Ints, RankedImages, sampled, strongest

_ROUNDED = 0.1
"""The share of a variance from which on rounding counts."""
_ADDED = (
    "histogram",
    "active_images",
    "active_positions",
    "lost_positions",
    "sums",
    "group_sums",
    "group_squares",
)


@dataclass(frozen=True, eq=False)
class LayerResult:
    """The responses of the C channels of a layer to many images.

    The *peak* of a channel in an image is its greatest value over all positions. Values are those
    of the layer's own output, for a convolution ahead of any normalisation and activation.

    Attributes
    ----------
    layer : str
        The layer's name; ``name#1`` is the second call of a layer that is called twice.
    shape : tuple of int
        (C, H, W) of its output for the network's input size; H and W are 1 for [N, C].
    images, positions : int
        Images seen, and positions of a channel seen in all of them together.
    units : ndarray of float64
        [C], what `sums` and `group_sums` count (see `quantised_sums`).
    centres : ndarray of int64
        [C], in units, what the squares are those of the distances from.
    strongest : RankedImages
        The images with the highest peaks, the highest first.
    sample : RankedImages
        The same random images for every channel, in random order.
    histogram : ndarray of int64
        [C, BINS], how many images have their peak in each bin of `quantised_sums.bin_edges`.
    active_images, active_positions : ndarray of int64
        [C], images whose peak is above zero, and positions whose value is.
    lost_positions : ndarray of int64
        [C], positions whose value is not a number.
    sums : ndarray of int64
        [C], sum of the peaks in units.
    group_sums : ndarray of int64
        [C, K], for each group of images (see `ScanResult.grouping`) the sum of the peaks above
        zero.
    group_squares : ndarray of int64
        [C, K], likewise the sum of the squares of their distances from `centres` (see
        `quantised_sums.squares_of`).
    lowest : ndarray of float32
        [C], the least peak.
    """

    layer: str
    shape: tuple[int, int, int]
    images: int
    positions: int
    units: NDArray[np.float64]
    centres: Ints
    strongest: RankedImages
    sample: RankedImages
    histogram: Ints
    active_images: Ints
    active_positions: Ints
    lost_positions: Ints
    sums: Ints
    group_sums: Ints
    group_squares: Ints
    lowest: NDArray[np.float32]

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return self.shape[0]

    @property
    def unit(self) -> float:
        """The unit of the bins, which is the largest of its channels."""
        return float(self.units.max())

    @property
    def highest(self) -> NDArray[np.float32]:
        """The greatest value of each channel, [C]."""
        return self.strongest.values[:, 0]

    @property
    def silent(self) -> NDArray[np.bool_]:
        """Whether a channel is above zero nowhere, [C]; one that is no number is not said to be."""
        return np.asarray((self.active_positions == 0) & ~self.unknown)

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Whether a channel has no value that is a number in any image, [C]."""
        return np.asarray(self.counted == 0)

    @property
    def finite(self) -> bool:
        """Whether every channel is a finite number wherever that was asked.

        Which is of each position whether it is a number, and of each peak whether it is finite.
        """
        peaks = np.isfinite(self.highest) & np.isfinite(self.lowest)
        return bool(peaks.all() and not self.lost_positions.any())

    @property
    def counted(self) -> Ints:
        """In how many images a channel has a value that is a number, [C]."""
        return np.asarray(self.histogram.sum(1))

    @property
    def activity(self) -> NDArray[np.float64]:
        """The mean peak of each channel over the images in which it has one, [C].

        NaN where there is none, or they are too large, or all too small, to be summed beside the
        first image's.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.sums * self.units / self.counted
        return np.where(self._beyond(quantised_sums.LIMIT * self.units) | self._weak, np.nan, mean)

    @property
    def sparsity(self) -> NDArray[np.float64]:
        """The share of positions at which a channel is not above zero, [C]; NaN of none.

        Positions at which it is not a number do not count.
        """
        positions = self.positions - self.lost_positions
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(1.0 - self.active_positions / positions)

    def _beyond(self, most: float | NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether a peak of a channel is further from zero than this, [C]."""
        # In double: a limit may lie beyond what the peaks can be.
        highest, lowest = (each.astype(np.float64) for each in (self.highest, self.lowest))
        return np.asarray((highest > most) | (lowest < -most))

    @property
    def _weak(self) -> NDArray[np.bool_]:
        """Whether all peaks of a channel are too small for its unit, and not all zero, [C]."""
        furthest = np.maximum(np.abs(self.highest), np.abs(self.lowest)).astype(np.float64)
        return np.asarray((furthest > 0.0) & (furthest < quantised_sums.WEAK * self.units))

    def group_means(self, counts: Ints) -> NDArray[np.float64]:
        """Return the mean over each group of the peaks above zero, [C, K].

        NaN without images, and where a channel is not a number somewhere, or too large to be
        summed, or too small.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.group_sums * self.units[:, None] / np.asarray(counts, np.float64)
        lost = (self.counted < self.images) | (self.lost_positions > 0)
        lost |= self._beyond(quantised_sums.LIMIT * self.units) | self._weak
        return np.where(lost[:, None], np.nan, means)

    def group_variances(self, counts: Ints) -> NDArray[np.float64]:
        """Return the variance of the peaks above zero in each group, [C, K].

        NaN below 2 images, and where a peak is too large for its square to be summed. Of peaks that
        lie so near to the first image's that their squares are rounded, it is the largest that the
        rounding leaves open.
        """
        images = np.asarray(counts, np.float64)
        step = quantised_sums.square_unit(self.unit)
        squares = self.group_squares * step
        away = self.group_means(counts) - (self.centres * self.units)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = squares - images * np.square(away)
            # Of a distance that is rounded to d it is (d + a quarter) times the step at most, and
            # the sum of the d at most what Cauchy and Schwarz say.
            rounding = np.sqrt(images * squares * step) + images * step / 4.0
            rounded = (spread != 0.0) & (rounding > _ROUNDED * spread)
            found = np.maximum(spread, 0.0) + np.where(rounded, rounding, 0.0)
            found = found / (images - 1.0)
        lost = (images < 2.0) | self._beyond(quantised_sums.SQUARE_LIMIT * self.unit)[:, None]
        return np.where(lost, np.nan, found)

    def group_equal(self, counts: Ints) -> NDArray[np.bool_]:
        """Whether all peaks above zero in each group are equal, as far as they are told, [C, K].

        The sum of their squares is then that of as many of the square of their mean.
        """
        images = np.asarray(counts)
        means = np.rint(self.group_sums / np.maximum(images, 1)).astype(np.int64)
        finer = quantised_sums.finer_than(self.units)[:, None]
        of_means = quantised_sums.squares_of(means - self.centres[:, None], finer)
        return np.asarray(self.group_squares == images * of_means)

    def selectivity(self, counts: Ints) -> NDArray[np.float64]:
        """Return (m - o) / (m + o) of each channel, [C] (Morcos et al. 2018).

        m is the mean of the group that excites it most, and o the mean of all other groups' means:
        0 where all groups excite it alike, 1 where one alone does. NaN for a silent channel, and
        where there are fewer than two groups.
        """
        means = self.group_means(counts)[:, np.asarray(counts) > 0]
        if means.shape[1] < 2:
            return np.full(len(means), np.nan)
        most = means.max(axis=1)
        others = (means.sum(axis=1) - most) / (means.shape[1] - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((most - others) / (most + others))

    def middle(self, channel: int, count: int) -> list[int]:
        """Return which of a channel's sample lie nearest to the middle of its range, nearest first.

        The middle of the range is half way between the least and the greatest peak. There is none
        where one of them is infinite.
        """
        if not np.isfinite([self.lowest[channel], self.highest[channel]]).all():
            return []
        there = np.flatnonzero(self.sample.images[channel] >= 0)
        middle = (float(self.lowest[channel]) + float(self.highest[channel])) / 2
        far = np.abs(self.sample.values[channel, there] - middle)
        return [int(place) for place in there[np.argsort(far, kind="stable")][:count]]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return every array by a name of its own, for `numpy.savez`."""
        found: dict[str, NDArray[np.generic]] = {
            name: getattr(self, name) for name in (*_ADDED, "lowest", "units", "centres")
        }
        for name in ("strongest", "sample"):
            picks: RankedImages = getattr(self, name)
            found |= {f"{name}_{part}": each for part, each in picks.arrays().items()}
        return found


def layer_of_arrays(
    layer: str,
    shape: tuple[int, int, int],
    images: int,
    positions: int,
    found: dict[str, NDArray[np.generic]],
) -> LayerResult:
    """Return what `LayerResult.arrays` came from."""

    def picks(name: str) -> RankedImages:
        parts = ("images", "values", "rows", "columns")
        return RankedImages.of_arrays({part: found[f"{name}_{part}"] for part in parts})

    added = {name: found[name].astype(np.int64) for name in _ADDED}
    lowest = found["lowest"].astype(np.float32)
    return LayerResult(
        layer=layer,
        shape=shape,
        images=images,
        positions=positions,
        units=found["units"].astype(np.float64),
        centres=found["centres"].astype(np.int64),
        strongest=picks("strongest"),
        sample=picks("sample"),
        lowest=lowest,
        **added,
    )


def merged(parts: Sequence[LayerResult], seed: int) -> LayerResult:
    """Return what one scan over the images of all parts finds, bit for bit.

    Every number is a whole one, a least one, or chosen by an order without ties, so that neither
    the order nor the grouping of the parts matters.

    Parameters
    ----------
    parts : sequence of LayerResult
        Scans of one layer over distinct images of one data set, with the same units.
    seed : int
        That of the sample.
    """
    first = parts[0]
    added = {name: sum(getattr(part, name) for part in parts) for name in _ADDED}
    return LayerResult(
        layer=first.layer,
        shape=first.shape,
        images=sum(part.images for part in parts),
        positions=sum(part.positions for part in parts),
        units=first.units,
        centres=first.centres,
        strongest=strongest([part.strongest for part in parts], first.strongest.count),
        sample=sampled([part.sample for part in parts], first.sample.count, seed),
        lowest=reduce(np.minimum, (part.lowest for part in parts)),
        **added,
    )
