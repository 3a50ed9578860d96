"""When the layers of a network have become what they are at the end of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray

_ALL_ORDERS, _DRAWN = 7, 9999


def relative_change(
    weights: Mapping[str, torch.Tensor], end: Mapping[str, torch.Tensor]
) -> dict[str, float]:
    """Return how far the weights of each layer are from what they are at the end.

    The L2 norm of the difference over that of the weights at the end, of each by its name; NaN
    where these are all zero.
    """
    found = {}
    for name, last in end.items():
        last = last.detach().double()
        reach = float(last.norm())
        distance = float((weights[name].detach().double() - last).norm())
        found[name] = distance / reach if reach > 0.0 else float("nan")
    return found


def settled(near: NDArray[np.bool_]) -> int:
    """Return from which place on all are near, of [E]; E where the last is not."""
    far = np.flatnonzero(~near)
    return int(far[-1]) + 1 if len(far) else 0


def settled_places(near: NDArray[np.bool_], measured: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return from which place of the checkpoints on each layer is near, [L]; NaN if not measured.

    Times are compared by these: files that a caller names may stand in any order of their numbers.
    A checkpoint at which a layer is the same for all images is not near its end, if that is not.

    Parameters
    ----------
    near, measured : ndarray
        [L, E]: whether each layer is near its end at each checkpoint, and what that was read from.
    """
    known = np.array([bool(np.isfinite(row[-1])) for row in measured], bool)
    places = [min(settled(row), len(row) - 1) for row in near]
    return np.where(known, np.array(places, np.float64), np.nan)


def order_with_depth(places: NDArray[np.float64]) -> float:
    """Return Kendall's tau of depth and the places of layers, of those that are known."""
    known = places[np.isfinite(places)].tolist()
    return rank_correlation(range(len(known)), known)


def rank_correlation(first: Sequence[float], other: Sequence[float]) -> float:
    """Return Kendall's tau-b (Kendall 1945) of two rankings; NaN where one of them is all ties."""
    one, two = _signs(first), _signs(other)
    scale = np.sqrt(float(np.abs(one).sum()) * float(np.abs(two).sum()))
    return float((one * two).sum() / scale) if scale > 0.0 else float("nan")


def chance_of_order(times: Sequence[float] | NDArray[np.float64]) -> float:
    """Return how often times in a random order go as much with depth, or against it, as these.

    The share of all orders, of more than seven times that of 9,999 drawn ones and themselves; NaN
    where all times are the same. A time that is not known (NaN) is left out.
    """
    values = np.asarray(times, float)
    values = values[np.isfinite(values)]
    count = len(values)
    if len(set(values.tolist())) < 2:
        return float("nan")
    if count <= _ALL_ORDERS:
        orders = np.array(list(permutations(range(count))))
    else:
        generator = np.random.default_rng(0)
        drawn = [generator.permutation(count) for _ in range(_DRAWN)]
        orders = np.stack([np.arange(count), *drawn])
    first, second = np.triu_indices(count, 1)
    # Depth and the scale are the same for all orders, so that only these sums differ.
    sums = np.array([np.sign(values[o[second]] - values[o[first]]).sum() for o in orders])
    return float((np.abs(sums) >= abs(float(sums[0]))).mean())


def _signs(values: Sequence[float]) -> NDArray[np.float64]:
    """Return for each pair of values which of them is the larger."""
    held = np.asarray(values, float)
    return np.asarray(np.sign(np.subtract.outer(held, held))[np.triu_indices(len(held), 1)])
