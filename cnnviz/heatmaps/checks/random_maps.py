"""Maps that know nothing: the yardstick beside every measure."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.heatmaps.checks.explained_batch import Maps


def random_maps(maps: Maps, count: int, seed: int) -> NDArray[np.float32]:
    """Return maps with the same values and the same smoothness as each map, in random places.

    The amplitude-adjusted Fourier surrogates of Theiler et al. 1992 (section 2.4), in as many
    dimensions as the map has: the phases of the map's spectrum are exchanged for those of white
    noise, and the map's own values are put in the order that results. A random map therefore
    removes as many pixels, in patches as large, as the map that it is compared with; only the
    places are random.
    Shuffling the values one by one would break smooth maps into noise, which deletes quite another
    thing.

    Parameters
    ----------
    maps : ndarray of float32
        [N, h, w].
    count : int
        How many random maps for each, R.
    seed : int
        The seed of the phases.

    Returns
    -------
    ndarray of float32
        [N, R, h, w].
    """
    rng = np.random.default_rng(seed)
    found = np.empty((len(maps), count, *maps.shape[1:]), np.float32)
    for image, values in enumerate(maps):
        amplitude = np.abs(np.fft.fftn(_normal_scores(values, rng)))
        ordered = np.sort(values, axis=None)
        for place in range(count):
            noise = np.fft.fftn(rng.standard_normal(values.shape))
            size = np.abs(noise)
            phases = np.where(size > 0.0, noise / np.where(size > 0.0, size, 1.0), 1.0)
            surrogate = np.fft.ifftn(amplitude * phases).real
            found[image, place] = ordered[ranks(surrogate, rng)].reshape(values.shape)
    return found


def ranks(values: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the place of each value in ascending order, flat; equal values in random order."""
    flat = values.reshape(-1)
    order = np.lexsort((rng.random(flat.size), flat))
    found = np.empty(flat.size, np.int64)
    found[order] = np.arange(flat.size)
    return found


def _normal_scores(values: Maps, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the values spread as a normal distribution is, in the same order."""
    shares = (ranks(values, rng) + 0.5) / values.size
    scores = torch.special.ndtri(torch.from_numpy(shares)).numpy()
    return np.asarray(scores).reshape(values.shape)


def shares_beaten(
    values: NDArray[np.float64], random: NDArray[np.float64], better: str
) -> NDArray[np.float64]:
    """Return the share of its random maps that each value beats; a tie counts half.

    Parameters
    ----------
    values, random : ndarray of float
        [N] and [N, R].
    better : {"high", "low"}
        Which direction wins.
    """
    sign = 1.0 if better == "high" else -1.0
    ahead = sign * (values[:, None] - random)
    return np.asarray(((ahead > 0.0) + 0.5 * (ahead == 0.0)).mean(1))


def p_value(beaten: NDArray[np.float64], count: int) -> float:
    """Return how probable it is that maps without knowledge beat as many random maps.

    A map that is itself random takes any of the 1 + R places among its random maps with equal
    probability, so the sum of the places over the images has an exactly known distribution.

    Parameters
    ----------
    beaten : ndarray of float
        [N], from `shares_beaten`.
    count : int
        R, how many random maps each was compared with.
    """
    place = np.full(count + 1, 1.0 / (count + 1))
    total = np.ones(1)
    for _ in beaten:
        total = np.convolve(total, place)
    # Half a tie is not a win.
    reached = int(np.floor(beaten.sum() * count + 1e-9))
    return float(total[reached:].sum())
