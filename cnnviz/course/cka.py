"""Centred kernel alignment: how alike two layers tell images apart, whatever their sizes.

CKA (Kornblith, Norouzi, Lee, Hinton 2019, "Similarity of Neural Network Representations Revisited")
with linear kernels, from minibatches (Nguyen et al. 2021, "Do Wide and Deep Networks
Learn the Same Things?"): numerator and denominator are means over the batches of the unbiased
estimator HSIC_1 (Song et al. 2012, "Feature Selection via Dependence Maximization", eq. 5).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

LEAST = 4
"""The fewest images that HSIC_1 is defined for."""
_AT_ONCE = 1 << 16
_ROUNDINGS = 16
"""So many of the last digits of a feature, and no more, does rounding change."""
_LEAST = 1e-12
"""The least that is taken for more than rounding in double precision, which this is computed in."""


def gram(features: torch.Tensor) -> NDArray[np.float64]:
    """Return the linear kernel [N, N] of features [N, D], in double precision.

    The mean over the images is taken away first, which HSIC_1 does not depend on: what is left is
    not rounded against a large constant. A feature that is the same for all images, but for the
    rounding of its own type, counts as zero; so does a kernel that is the same for all pairs of
    images, of which HSIC_1 is zero: what rounding leaves of either would give a CKA of noise.
    """
    count = len(features)
    least = max(_ROUNDINGS * torch.finfo(features.dtype).eps, _LEAST)
    found = torch.zeros(count, count, dtype=torch.float64)
    # In double precision the maps of a batch would take twice the room that they have.
    for part in torch.split(features, _AT_ONCE, dim=1):
        values = part.double().cpu()
        size = values.square().sum(0)
        values = values - values.mean(0)
        values[:, values.square().sum(0) <= least**2 * size] = 0.0
        found += values @ values.T
    kernel = np.asarray(found.numpy())
    if count >= LEAST and np.linalg.norm(u_centred(kernel)) <= least * np.linalg.norm(kernel):
        kernel[:] = 0.0
    return kernel


def u_centred(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a kernel [N, N] without the part that its rows and columns share, diagonal zero.

    The sum of the products of two of these, over N (N - 3), is HSIC_1 (Szekely and Rizzo 2014,
    section 2). So it is an inner product, and CKA lies between -1 and 1.
    """
    count = len(kernel)
    if count < LEAST:
        raise ValueError(f"HSIC_1 needs {LEAST} images, not {count}.")
    bare = kernel - np.diag(np.diag(kernel))
    sums = bare.sum(0)
    centred: NDArray[np.float64] = (
        bare
        - (sums[:, None] + sums[None, :]) / (count - 2)
        + sums.sum() / ((count - 1) * (count - 2))
    )
    np.fill_diagonal(centred, 0.0)
    return centred


class MinibatchCKA:
    """The CKA of every layer of one network with every layer of another, a batch at a time.

    Parameters
    ----------
    first, other : int
        How many layers each has.

    Attributes
    ----------
    sizes : list of int
        How many images there were in each batch.
    """

    def __init__(self, first: int, other: int) -> None:
        self.sizes: list[int] = []
        self._cross = np.zeros((first, other))
        self._first, self._other = np.zeros(first), np.zeros(other)

    def add(
        self, first: Sequence[NDArray[np.float64]], other: Sequence[NDArray[np.float64]]
    ) -> None:
        """Count a batch: the kernels [N, N] of the layers of both, of the same images."""
        count = len(first[0])
        rows, columns = (
            np.stack([u_centred(kernel).ravel() for kernel in kernels])
            for kernels in (first, other)
        )
        share = 1.0 / (count * (count - 3))
        self._cross += share * (rows @ columns.T)
        self._first += share * np.square(rows).sum(1)
        self._other += share * np.square(columns).sum(1)
        self.sizes.append(count)

    def values(self) -> NDArray[np.float64]:
        """Return the CKA, [first, other]; NaN where a layer is the same for all images."""
        scale = np.sqrt(self._first)[:, None] * np.sqrt(self._other)[None, :]
        found = np.full_like(scale, np.nan)
        np.divide(self._cross, scale, out=found, where=scale > 0.0)
        return found
