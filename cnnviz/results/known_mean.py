"""The mean of what could be measured, where a part of it could not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mean_of_known(values: NDArray[Any], axis: int | tuple[int, ...]) -> NDArray[np.float64]:
    """Return the mean over axes of the values that are finite; NaN where there is none.

    Whoever shows it tells how many were left out.
    """
    known = np.isfinite(values)
    counts = known.sum(axis)
    sums = np.where(known, values, 0.0).sum(axis, dtype=np.float64)
    found: NDArray[np.float64] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return found
