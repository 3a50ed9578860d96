"""How alike two maps are: by the order of their values, and as the pictures that they make."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating]


def rank_correlation(first: Values, second: Values) -> float:
    """Return Spearman's rank correlation of two maps of one shape, from -1 to 1.

    Equal values share the mean of their ranks. Where one map is constant there is no order to
    compare, and the correlation is taken as 0; as 1 where both are.
    """
    a, b = _mean_ranks(first), _mean_ranks(second)
    a -= a.mean()
    b -= b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    if spread == 0.0:
        return 1.0 if not a.any() and not b.any() else 0.0
    return float(a @ b) / spread


def _mean_ranks(values: Values) -> NDArray[np.float64]:
    _, place, counts = np.unique(values.reshape(-1), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = last - (counts - 1) / 2.0
    return means[place.reshape(-1)]


def ssim(first: Values, second: Values, span: float) -> float:
    """Return the mean structural similarity of two maps (Wang et al. 2004, section III.B and C).

    With the paper's window, a Gaussian of standard deviation 1.5 over 11 x 11 pixels, and its
    constants 0.01 and 0.03. Windows that reach over the border are left out where the map is large
    enough. It is written here because no dependency of the package has it.

    Parameters
    ----------
    first, second : ndarray of float
        [H, W]; of a signal [L], of a volume [D, H, W].
    span : float
        The range that the values can take, L in the paper.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a, var_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    together = _blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    above = (2.0 * mean_a * mean_b + c1) * (2.0 * together + c2)
    below = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    whole = above / below
    inner = whole[(slice(5, -5),) * whole.ndim]
    return float((inner if inner.size else whole).mean())


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.ndim != 2:
        return _blurred_along_axes(values)
    return np.asarray(
        cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT), np.float64
    )


def _blurred_along_axes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Blur a signal's map, or a volume's, as `cv2.GaussianBlur` blurs an image."""
    taps = cv2.getGaussianKernel(11, 1.5)[:, 0]
    found = values
    for axis in range(values.ndim):
        around = [(5, 5) if each == axis else (0, 0) for each in range(values.ndim)]
        padded = np.pad(found, around, mode="symmetric")
        found = np.lib.stride_tricks.sliding_window_view(padded, 11, axis) @ taps
    return found


def drawn(maps: NDArray[np.float32], *, relu: bool, clip_percentile: float) -> NDArray[np.float32]:
    """Return maps [N, H, W] as they are drawn: -1 to 1, or 0 to 1 without evidence against.

    Parameters
    ----------
    maps : ndarray of float32
        [N, H, W].
    relu : bool
        Whether evidence against the class is left out.
    clip_percentile : float
        The percentile of the sizes at which the colours end.
    """
    places = tuple(range(1, maps.ndim))
    ends = np.percentile(np.abs(maps), clip_percentile, axis=places, keepdims=True)
    scaled = maps / np.where(ends > 0.0, ends, 1.0)
    return np.asarray(np.clip(scaled, 0.0 if relu else -1.0, 1.0), np.float32)
