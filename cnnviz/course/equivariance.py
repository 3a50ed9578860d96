"""How far feature maps move along with an image that is shifted across the frame.

A layer is shift-equivariant where the map of the shifted image is the shifted map of the image
(Zhang 2019, "Making Convolutional Networks Shift-Invariant Again"). A layer of stride k can be so
at shifts by multiples of k alone; at those between, what it throws away shows as an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.introspection.receptive_fields import Axis

_SAME = 1e-6
"""The deviation of a map from its means, as a share of its size, below which it is constant."""


@dataclass(frozen=True)
class Track:
    """How the positions of a map lie along the axis of the image that it is shifted along.

    Attributes
    ----------
    count : int
        How many positions there are.
    stride : int
        Pixels from one to the next.
    inside : range
        The positions whose whole receptive field lies in the image, and so sees no padding.
    round : bool
        Whether the positions fill the image, so that a map may be moved round it as well.
    """

    count: int
    stride: int
    inside: range
    round: bool

    @classmethod
    def of(cls, axis: Axis, count: int, *, local: bool) -> Track | None:
        """Return the track of a layer along an axis; None where its positions lie unevenly.

        Where no single receptive field describes the layer, as behind circular padding or
        attention, positions that share the image evenly among them are taken to lie so.

        Parameters
        ----------
        axis : Axis
            The receptive field along the axis.
        count : int
            How many positions there are.
        local : bool
            Whether nothing but the receptive field counts, as where there are no gates that see the
            whole image.
        """
        if axis.stride is None or axis.start is None or axis.stride < 1:
            even = axis.extent % count == 0
            return cls(count, axis.extent // count, range(0), True) if even else None
        first = max(0, math.ceil(-axis.start / axis.stride))
        last = (axis.extent - axis.size - axis.start) // axis.stride
        inside = range(first, min(last, count - 1) + 1) if local else range(0)
        return cls(count, axis.stride, inside, count * axis.stride == axis.extent)


def moved_map(maps: torch.Tensor, by: float, *, round_: bool = False) -> torch.Tensor:
    """Return maps [..., W] moved by so many positions along their last axis.

    Between two positions the map goes straight. What enters is NaN, or with `round_` what left at
    the other end.
    """
    low = math.floor(by)
    share = by - low
    found = maps.roll(low, -1)
    if share:
        found = (1.0 - share) * found + share * maps.roll(low + 1, -1)
    if round_:
        return found
    found, high = found.clone(), math.ceil(by)
    if high > 0:
        found[..., :high] = torch.nan
    if low < 0:
        found[..., low:] = torch.nan
    return found


def compared_positions(track: Track, by: float, *, inside: bool) -> range:
    """Return the positions of the shifted image's map that can be told from the image's own map.

    With `inside` those alone that no edge reaches, in either of the two.
    """
    own = track.inside if inside else range(track.count)
    if not own:
        return own
    first, last = own[0], own[-1]
    return range(max(first, first + math.ceil(by)), min(last, last + math.floor(by)) + 1)


def mismatch(
    original: torch.Tensor, shifted: torch.Tensor, by: float, within: range, *, round_: bool = False
) -> float:
    """Return how far the map of a shifted image is from the shifted map of the image.

    Parameters
    ----------
    original, shifted : torch.Tensor
        The maps of the image and of the shifted image, [C, h, w], shifted along the last axis.
    by : float
        By how many positions the map should have moved.
    within : range
        The positions that are compared.
    round_ : bool
        Whether what leaves at one end enters at the other.

    Returns
    -------
    float
        The Euclidean distance of the two, as a share of the deviation of the shifted image's map
        from the mean of each channel: 0 where they are the same, about 1.4 where they have nothing
        to do with each other. NaN where nothing is compared, or the map is constant.
    """
    if not within:
        return math.nan
    # In single precision the mean of a large constant map is off by more than its deviation.
    there = shifted[..., within.start : within.stop].double()
    wanted = _moved_part(original, by, within, round_=round_)
    deviation = float((there - there.mean((-2, -1), keepdim=True)).norm())
    if not deviation > _SAME * float(there.norm()):
        return math.nan
    return float((there - wanted.double()).norm()) / deviation


def _moved_part(
    maps: torch.Tensor, by: float, within: range, *, round_: bool = False
) -> torch.Tensor:
    """Return some of the positions of `moved_map`, without making the others."""
    if round_:
        return moved_map(maps, by, round_=True)[..., within.start : within.stop]
    low = math.floor(by)
    share = by - low
    found = maps[..., within.start - low : within.stop - low]
    if share:
        before = maps[..., within.start - low - 1 : within.stop - low - 1]
        found = (1.0 - share) * found + share * before
    return found


def found_shift(
    original: torch.Tensor,
    shifted: torch.Tensor,
    track: Track,
    candidates: range,
    shift: int,
    *,
    inside: bool,
    round_: bool = False,
) -> float:
    """Return by how many pixels the map did move: the shift under which the two match best.

    That is where the squared distance of the two, less the mean of each channel of the original,
    is least as a share of the sum of their squares. Only shifts that leave at least half of the
    positions, and two, to compare are tried. NaN where the shift of the image itself is none of
    these, so that the best of the others would say nothing, or where no shift matches better than
    another: a map is constant there, as that of a black image is.
    """
    whole = len(track.inside) if inside else track.count

    def compared(pixels: int) -> range:
        if round_:
            return range(track.count)
        return compared_positions(track, pixels / track.stride, inside=inside)

    least_count = max(2, whole / 2)
    if len(compared(shift)) < least_count:
        return math.nan
    whole_map = original.double()
    spread = float((whole_map - whole_map.mean((-2, -1), keepdim=True)).norm())
    if not spread > _SAME * float(whole_map.norm()):
        return math.nan  # What is left of it is rounding, which may match anywhere.
    products = _Products.of(original, shifted, round_=round_)
    best, least, most = math.nan, math.inf, -math.inf
    for pixels in candidates:
        by, within = pixels / track.stride, compared(pixels)
        if len(within) < least_count:
            continue
        error = products.error(by, within)
        most = max(most, error)
        if error < least:
            best, least = float(pixels), error
    return best if most - least > _SAME else math.nan


@dataclass(frozen=True, eq=False)
class _Products:
    """The products of all pairs of positions of two maps, summed over channels and rows.

    Whatever shift is tried, its error is a sum of these.

    Attributes
    ----------
    own, other, both : ndarray of float64
        [w, w]: within the original, within the shifted image's map, and of the latter with the
        former.
    """

    own: NDArray[np.float64]
    other: NDArray[np.float64]
    both: NDArray[np.float64]

    @classmethod
    def of(cls, original: torch.Tensor, shifted: torch.Tensor, *, round_: bool) -> _Products:
        means = original.double().mean((-2, -1), keepdim=True)
        here, there = (
            one.double().sub(means).flatten(0, -2).float() for one in (original, shifted)
        )
        found = (here.T @ here, there.T @ there, there.T @ here)
        own, other, both = (one.double().cpu().numpy() for one in found)
        if round_:
            # Three times round, so that every shift of up to a turn finds what it compares.
            own, both = np.tile(own, (3, 3)), np.tile(both, (1, 3))
        return cls(own, other, both)

    def error(self, by: float, within: range) -> float:
        """Return the squared distance at a shift by so many positions, as a share of the sizes."""
        low = math.floor(by)
        share = by - low
        places = np.arange(within.start, within.stop)
        turn = self.other.shape[0] if self.own.shape[0] > self.other.shape[0] else 0
        here, before = places - low + turn, places - low - 1 + turn
        weights = ((here, 1.0 - share), (before, share)) if share else ((here, 1.0),)
        moved = sum(a * b * self.own[i, j].sum() for i, a in weights for j, b in weights)
        crossed = sum(a * self.both[places, i].sum() for i, a in weights)
        size = float(self.other[places, places].sum() + moved)
        return (size - 2.0 * float(crossed)) / size if size > 0.0 else math.inf


def consistency(answers: list[int]) -> float:
    """Return the share of pairs of shifts with the same answer (Zhang 2019, section 4.1).

    NaN where there is no pair.
    """
    pairs = math.comb(len(answers), 2)
    if not pairs:
        return math.nan
    same = sum(math.comb(answers.count(answer), 2) for answer in set(answers))
    return same / pairs
