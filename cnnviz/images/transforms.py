"""A photo seen through the network's crop while it is moved, enlarged or turned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cnnviz.images import Batch, Preprocessing
from cnnviz.images.photo import Photo
from cnnviz.images.resampling import sources, warped

Matrix = NDArray[np.float64]


def moved(down: float, size: tuple[int, int]) -> Matrix:
    """Return where each pixel of an image comes from that is moved down by some pixels, [2, 3].

    `size` is the height and width of the image, for all of these.
    """
    return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -down]])


def moved_right(right: float, size: tuple[int, int]) -> Matrix:
    """Return where each pixel of an image comes from that is moved right by some pixels, [2, 3]."""
    return np.array([[1.0, 0.0, -right], [0.0, 1.0, 0.0]])


def enlarged(factor: float, size: tuple[int, int]) -> Matrix:
    """Return where each pixel comes from of an image that is enlarged about its middle, [2, 3]."""
    return _about_middle(np.eye(2) / factor, size)


def turned(degrees: float, size: tuple[int, int]) -> Matrix:
    """Return where each pixel comes from of an image that is turned counter-clockwise, [2, 3]."""
    angle = math.radians(degrees)
    # Rows count downwards, which turns the usual matrix round.
    back = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return _about_middle(back, size)


def tilted(degrees: float, size: tuple[int, int]) -> Matrix:
    """Return where each pixel comes from of an image seen at an angle, [3, 3].

    Its plane is turned about the upright line through its middle, so that the right side recedes
    from a viewer as far away as the image's longer side is, twice over; its middle stays.
    """
    angle, away = math.radians(degrees), 2.0 * max(size)
    there = np.array(
        [[math.cos(angle), 0.0, 0.0], [0.0, 1.0, 0.0], [math.sin(angle) / away, 0.0, 1.0]]
    )
    middle = np.eye(3)
    middle[:2, 2] = (size[1] - 1) / 2, (size[0] - 1) / 2
    back: Matrix = middle @ np.linalg.inv(there) @ np.linalg.inv(middle)
    return back


def whole_matrix(matrix: Matrix) -> Matrix:
    """Return an affine matrix [2, 3] as a homography [3, 3]; one stays as it is."""
    return matrix if len(matrix) == 3 else np.concatenate([matrix, [[0.0, 0.0, 1.0]]])


def _about_middle(linear: NDArray[np.float64], size: tuple[int, int]) -> Matrix:
    middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    return np.concatenate([linear, (middle - linear @ middle)[:, None]], axis=1)


@dataclass(frozen=True, eq=False)
class Scene:
    """All of a photo, resized and normalised as the network takes it, and the crop within.

    Attributes
    ----------
    values : ndarray of float32
        [C, H, W]: the whole photo, or of an image given as a tensor that tensor.
    corner : tuple of int
        The left column and the upper row of the crop.
    size : tuple of int
        The height and width of the crop.
    """

    values: NDArray[np.float32]
    corner: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, preprocessing: Preprocessing, batch: Batch, place: int) -> Scene:
        """Return the scene of one image of a batch."""
        tensor = batch.tensor[place].detach().float().cpu()
        size = int(tensor.shape[1]), int(tensor.shape[2])
        found = _uncropped(preprocessing, batch.photos[place], size)
        if found is not None:
            values, (left, top) = found
            crop = values[:, top : top + size[0], left : left + size[1]]
            # A tensor that was given has no photo to go on in; its photo only shows it.
            if np.array_equal(crop, tensor.numpy()):
                return cls(values, (left, top), size)
        return cls(tensor.numpy(), (0, 0), size)

    def seen(self, matrix: Matrix) -> tuple[NDArray[np.float32], float]:
        """Return what the network sees of the scene after a transformation.

        Parameters
        ----------
        matrix : ndarray of float64
            [2, 3], or [3, 3] of a homography: where in the crop each pixel of the new crop comes
            from.

        Returns
        -------
        crop : ndarray of float32
            [C, height, width].
        beyond : float
            The share of its pixels that lie beyond the photo, where its mirror image goes on.
        """
        shifted = whole_matrix(matrix)
        corner = np.eye(3)
        corner[:2, 2] = self.corner
        shifted = corner @ shifted
        crop = warped(self.values, shifted, self.size, mirrored=True)
        height, width = self.values.shape[1:]
        beyond = float(beyond_edges(shifted, self.size, (height, width)).mean())
        return crop, beyond


def beyond_edges(matrix: Matrix, size: tuple[int, int], of: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels of an image of a size come from beyond the edges of another, [H, W].

    Parameters
    ----------
    matrix : ndarray of float64
        [3, 3]: where in the other each pixel comes from.
    size, of : tuple of int
        The height and width of the one and of the other.
    """
    left, top, ahead = sources(matrix, size)
    # A point between the middle of the outermost pixel and the edge is still inside.
    height, width = of
    outside = (left < -0.5) | (left > width - 0.5) | (top < -0.5) | (top > height - 0.5)
    found: NDArray[np.bool_] = outside | ~ahead
    return found


def _uncropped(
    preprocessing: Preprocessing, photo: Photo, size: tuple[int, int]
) -> tuple[NDArray[np.float32], tuple[int, int]] | None:
    """Return the whole photo as the network takes its crop, and the crop's left and upper edge."""
    if preprocessing.crop is None or preprocessing.channels not in (1, 3):
        return None
    values = replace(preprocessing, crop=None)(photo).numpy()
    box = preprocessing.box(photo.height, photo.width)
    left = round(box.left * values.shape[2] / photo.width)
    top = round(box.top * values.shape[1] / photo.height)
    fits = left + size[1] <= values.shape[2] and top + size[0] <= values.shape[1]
    return (values, (left, top)) if fits and min(left, top) >= 0 else None
