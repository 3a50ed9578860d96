"""Numbers that are the same whatever the order and the grouping in which images are counted.

Sums of floating-point numbers depend on their order. Here values are counted in bins, and summed as
whole multiples, of a power of two that is agreed on before the first of them, so that parts that
several processes counted add up, bit for bit, to what one process counts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

PER_OCTAVE = 16
LOWEST_OCTAVE, HIGHEST_OCTAVE = -14, 10
"""Of the bins, counted from the largest value of the first image (see `unit_for`)."""
_REACH = (HIGHEST_OCTAVE - LOWEST_OCTAVE) * PER_OCTAVE
BINS = 2 * _REACH + 1
"""Bins of either sign, and one in the middle for what is nearer to zero than the lowest octave."""
_SHIFT = 19
_FIRST = (127 + LOWEST_OCTAVE) * PER_OCTAVE
_PRECISION = 24
LIMIT = 2**40
"""Units beyond which a value is not summed as it is."""
WEAK = 2**9
"""Units below which a channel's values are too small for three figures of their mean."""
_FINER = 12
"""How many times the unit of a weak channel is halved at most."""
_COARSE = 10
"""How many times the unit of a layer is doubled before numbers of it are squared: the step is then
about a 16,384th of the largest value in the first image."""
_SQUARE_LIMIT = 2**20
"""In such steps; the sum of 2 ** 22 squares of it stays below 2 ** 63."""
SQUARE_LIMIT = _SQUARE_LIMIT * 2**_COARSE
"""Units of a layer beyond which the square of a value is not summed as it is."""


def bin_of(values: torch.Tensor, unit: float | torch.Tensor) -> torch.Tensor:
    """Return the bin of each value, int64.

    A bin is a sign, an exponent and the first four bits of the fraction of a float32, so that each
    octave has 16 bins of one width. The outermost bins also hold what lies beyond them.

    Parameters
    ----------
    values : torch.Tensor
        Numbers of any shape, taken as float32.
    unit : float or torch.Tensor
        That of their layer, a power of two: the bins reach as far as its values do.
    """
    # Exact, but for what is so near to zero, or so far from it, that its bin is the same.
    scaled = values.detach().float().double() / (unit * 2.0**_PRECISION)
    bits = scaled.float().contiguous().view(torch.int32)
    magnitude = (bits & 0x7FFFFFFF) >> _SHIFT
    place = (magnitude - _FIRST + 1).clamp_(0, _REACH)
    return torch.where(bits < 0, _REACH - place, _REACH + place).long()


def bin_edges(unit: float) -> NDArray[np.float64]:
    """Return the edges of the bins of a unit from the least to the greatest, [`BINS` + 1]."""
    steps = np.arange(_REACH + 1)
    fraction = 1.0 + steps % PER_OCTAVE / PER_OCTAVE
    edges = np.ldexp(fraction, steps // PER_OCTAVE + LOWEST_OCTAVE)
    return np.concatenate([-edges[::-1], edges]) * (unit * 2.0**_PRECISION)


def unit_for(largest: float) -> float:
    """Return the power of two in whose multiples a layer's values are summed.

    Every process must use the same: take the largest absolute value of the layer in the first
    readable image of the data.

    Parameters
    ----------
    largest : float
        A value of usual size; 2 ** 24 units or a little less.
    """
    octave = math.ceil(math.log2(largest)) if largest > 0.0 else 0
    return 2.0 ** max(-1000, octave - _PRECISION)


def units_for(largest: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the unit of each channel of a layer, [C], from its largest value in the first image.

    Channels that are far weaker than their layer have units of their own, down to a 4,096th of the
    layer's, so that they are summed as exactly. Those that say nothing there have the layer's.
    """
    units = np.array([unit_for(float(each)) for each in largest])
    whole = unit_for(float(largest.max(initial=0.0)))
    return np.where(largest > 0.0, np.maximum(units, whole * 2.0**-_FINER), whole)


def centres_for(peaks: torch.Tensor, units: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return what squares are taken from at each channel, [C]: its peak in the first image, or 0.

    Of channels that hardly vary, the squares of the peaks themselves would be rounded by more than
    they vary. It is rounded as numbers are ahead of their squares, so that those of zeros are not.
    """
    found = in_units(peaks.clamp(min=0.0), torch.from_numpy(units)).numpy()
    shift = _COARSE + finer_than(units)
    return np.asarray((found + (1 << (shift - 1))) >> shift << shift, np.int64)


def in_units(values: torch.Tensor, unit: float | torch.Tensor) -> torch.Tensor:
    """Return values as whole numbers of units, int64, to be summed in any order.

    A value beyond 2 ** 40 units counts as that many, so that 2 ** 22 images cannot overflow.
    """
    return (values.detach().double() / unit).round_().clamp_(-LIMIT, LIMIT).long()


def finer_than(units: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many times the unit of each channel was halved from that of its layer, [C]."""
    return np.asarray(np.log2(units.max() / units), np.int64)


def squares_of(units: NDArray[np.int64], finer: int | NDArray[np.int64] = 0) -> NDArray[np.int64]:
    """Return the squares of whole numbers of units, in `square_unit`, to be summed in any order.

    Numbers are rounded to 2 ** 10 units of the layer first, and those beyond 2 ** 30 of them count
    as that many, so that 2 ** 22 images cannot overflow.

    Parameters
    ----------
    units : ndarray of int64
        The numbers.
    finer : int or ndarray of int64
        What `finer_than` says of their channels.
    """
    shift = _COARSE + finer
    coarse = np.minimum((np.abs(units) + (1 << (shift - 1))) >> shift, _SQUARE_LIMIT)
    return np.asarray(coarse * coarse, np.int64)


def square_unit(unit: float) -> float:
    """Return what `squares_of` counts in a layer of this unit."""
    return (unit * 2.0**_COARSE) ** 2
