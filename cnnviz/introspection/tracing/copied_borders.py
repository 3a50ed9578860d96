"""Which positions along an axis look at a border that padding has copied, and not at the image.

Padding that mirrors, repeats or wraps around puts pixels where the image has none. What looks at
these alone lies beyond the image, as what looks at zeros does, though it has a receptive field.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def within_the_image(first: NDArray[np.float64], last: NDArray[np.float64]) -> Numbers | None:
    """Return which of the positions along an axis do not lie in a copied border.

    Parameters
    ----------
    first, last : ndarray of float
        The ends of what each position looks at, along the dimension that the axis varies on.

    Returns
    -------
    ndarray of int or None
        The positions, in order; None where no border is copied, or that cannot be told.
    """
    centres = (first + last) / 2.0
    if len(centres) < 4 or not np.isfinite(centres).all():
        return None
    start, end = _between_mirrors(centres)
    single = first == last
    start += _repeated(centres[start:end], single[start:end])
    end -= _repeated(-centres[start:end][::-1], single[start:end][::-1])
    whole = start == 0 and end == len(centres)
    return None if whole or end - start < 2 else np.arange(start, end)


def _between_mirrors(centres: NDArray[np.float64]) -> tuple[int, int]:
    """Return where the image begins and ends between borders in which places run backwards."""
    backwards = np.diff(centres) < 0
    start = int(np.argmin(backwards)) if backwards[0] else 0
    end = len(centres) - (int(np.argmin(backwards[::-1])) if backwards[-1] else 0)
    # A map that is mirrored or rolled as a whole has no such borders.
    if backwards.all() or end - start < len(centres) // 2 or backwards[start : end - 1].any():
        return 0, len(centres)
    return start, end


def _repeated(centres: NDArray[np.float64], single: NDArray[np.bool_]) -> int:
    """Return how many positions at the beginning look at the pixel of the edge again and again."""
    steps = np.diff(centres)
    moving = np.flatnonzero(steps > 0)
    if not len(moving) or not single[0]:
        return 0
    alike = int(moving[0]) + 1
    # In a map that was enlarged neighbours look at one place everywhere.
    if single[len(single) // 2] and alike <= max(np.diff(moving), default=1):
        return 0
    # The last of them is the edge's own where the next comes after a whole step.
    return alike - int(2 * steps[moving[0]] >= np.median(steps[moving]))
