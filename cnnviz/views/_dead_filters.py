"""Which filters of a convolution are dead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEAD_BELOW = 1e-3
"""A filter whose norm is at most this fraction of the layer's median norm is called dead."""


def dead_filters(norms: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether each filter is dead, [out channels], from the L2 norm of each."""
    return np.asarray(norms <= DEAD_BELOW * float(np.median(norms)))
