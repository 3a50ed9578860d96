"""From a heatmap to a box: what lies above a threshold, and the largest connected piece of it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.images import PhotoBox

BOX_THRESHOLD = 0.2
"""The part of its maximum that a map must reach to count as the object (Zhou et al. 2016, 3.2)."""
BOX_THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""The thresholds among which the best is looked for (Choe et al. 2020)."""
NO_BOX = PhotoBox(0.0, 0.0, 0.0, 0.0)


def check_threshold(threshold: float) -> None:
    """Raise a `UsageError` unless a threshold is a part of the maximum."""
    if not 0.0 < threshold <= 1.0:
        raise UsageError(
            f"A box cannot begin at {threshold:g} of the maximum.", "Give a part above 0, up to 1."
        )


def pieces_above(positive: NDArray[np.float32], threshold: float) -> tuple[NDArray[np.int32], int]:
    """Return the connected pieces of a map above a part of its maximum, and which is largest.

    Parameters
    ----------
    positive : ndarray of float32
        The evidence, not negative, [H, W].
    threshold : float
        The part of the maximum.

    Returns
    -------
    ndarray of int32, int
        The number of its piece at each pixel, 0 where it lies below, [H, W]; pixels are connected
        by corners, too. The number of the largest piece; 0 of a map without positive values.
    """
    most = float(positive.max())
    if not most > 0.0:
        return np.zeros(positive.shape, np.int32), 0
    above = (positive >= threshold * most).astype(np.uint8)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    return np.asarray(pieces, np.int32), 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def map_box(positive: NDArray[np.float32], threshold: float = BOX_THRESHOLD) -> PhotoBox:
    """Return the box around the largest connected piece above a part of the map's maximum.

    Of a map without positive values it is the box of no size at the corner.
    """
    pieces, largest = pieces_above(positive, threshold)
    return bounding_box(pieces == largest) if largest else NO_BOX


def bounding_box(mask: NDArray[np.bool_]) -> PhotoBox:
    """Return the smallest box around the true pixels of a mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return PhotoBox(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def box_overlap(first: PhotoBox, second: PhotoBox) -> float:
    """Return the intersection over union of two boxes."""
    across = min(first.right, second.right) - max(first.left, second.left)
    down = min(first.bottom, second.bottom) - max(first.top, second.top)
    shared = max(across, 0.0) * max(down, 0.0)
    union = first.width * first.height + second.width * second.height - shared
    return shared / union if union > 0.0 else 0.0
