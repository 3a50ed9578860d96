"""When the layers of a network have become what they are at the end of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray


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


def rank_correlation(first: Sequence[float], other: Sequence[float]) -> float:
    """Return Kendall's tau-b (Kendall 1945) of two rankings; NaN where one of them is all ties."""
    one, two = (
        np.sign(np.subtract.outer(values, values))[np.triu_indices(len(values), 1)]
        for values in (np.asarray(first, float), np.asarray(other, float))
    )
    scale = np.sqrt(float(np.abs(one).sum()) * float(np.abs(two).sum()))
    return float((one * two).sum() / scale) if scale > 0.0 else float("nan")
