"""An image as the computer sees it: channels, numbers, histograms, and how alike neighbours are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Seed, Within, bounded
from cnnviz.course.pixel_statistics import (
    busiest_window,
    distances_of,
    middle_half,
    neighbour_correlations,
    shuffled,
)
from cnnviz.course.slid_over import COLOURS, channel_names
from cnnviz.errors import UsageError
from cnnviz.images import Batch, Photo, PhotoBox
from cnnviz.images.inputs import Images
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.origin import origin
from cnnviz.results import drawing
from cnnviz.results.known_mean import mean_of_known
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from cnnviz.results.text import number

MOST_CELLS = 16
_BINS = 64
_ALIKE = 0.5
"""The correlation from which on neighbours are said to be alike."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Pixels(Result):
    """An image as numbers, before and after a network's preprocessing.

    Attributes
    ----------
    image : str
        The name of the photo.
    photo : ndarray of uint8
        The photo at its own resolution, [H, W, 3].
    seen : ndarray of uint8
        What the network is given of it, for display, [h, w, 3].
    channels, prepared_channels : tuple of str
        The C channels of the photo, one where all three are equal, and the D of the input.
    size, prepared_size : (int, int)
        Height and width of the photo and of the network's input.
    patch, prepared_patch : ndarray
        The numbers of a patch, [C, P, P] uint8, and of one of the same middle in the network's
        input, [D, P, P] float32.
    patch_at, prepared_at : (int, int)
        Their upper rows and left columns.
    chosen : str
        How the patch was chosen, in words.
    histogram : ndarray of int64
        [C, 256]: how many pixels of the photo have each value.
    prepared_histogram : ndarray of int64
        [D, B]: how many values of the network's input lie in each bin.
    prepared_edges : ndarray of float64
        [B + 1]: the ends of these bins.
    means, deviations, prepared_means, prepared_deviations : ndarray of float64
        The mean and the standard deviation of each channel, before [C] and after [D].
    distances : ndarray of int64
        [K]: the distances between pixels, in pixels of the photo.
    correlations : ndarray of float64
        [C, 2, K]: Pearson's correlation of a pixel with the one so far to its right, and below it;
        NaN where pixels do not vary.
    shuffled_correlations : ndarray of float64
        [C, 2, K]: the same once the pixels are in a random order.
    scale : (float, float)
        The least and greatest value of the network's input.
    box : PhotoBox
        The part of the photo that the network is given, in its pixels.
    """

    left_out: ClassVar[tuple[str, ...]] = ("photo", "seen")

    image: str
    photo: NDArray[np.uint8]
    seen: NDArray[np.uint8]
    channels: tuple[str, ...]
    prepared_channels: tuple[str, ...]
    size: tuple[int, int]
    prepared_size: tuple[int, int]
    patch: NDArray[np.uint8]
    prepared_patch: NDArray[np.float32]
    patch_at: tuple[int, int]
    chosen: str
    prepared_at: tuple[int, int]
    histogram: NDArray[np.int64]
    prepared_histogram: NDArray[np.int64]
    prepared_edges: NDArray[np.float64]
    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    prepared_means: NDArray[np.float64]
    prepared_deviations: NDArray[np.float64]
    distances: NDArray[np.int64]
    correlations: NDArray[np.float64]
    shuffled_correlations: NDArray[np.float64]
    scale: tuple[float, float]
    box: PhotoBox

    @property
    def cropped(self) -> bool:
        """Whether the network is given less than the whole photo."""
        height, width = self.size
        return self.box.width < width - 1.0 or self.box.height < height - 1.0

    def alike(self, place: int) -> float:
        """Return the mean correlation at one of the distances; NaN where none is known."""
        return float(mean_of_known(self.correlations[:, :, place], (0, 1)))

    @property
    def _all_known(self) -> bool:
        return bool(np.isfinite(self.correlations[:, :, 1]).all())

    @property
    def why_unknown(self) -> str:
        """Why nothing correlates, where nothing does."""
        return "pixels are too few" if self.deviations.any() else "pixels do not vary"

    def summary(self) -> str:
        """Say how large it is, and how alike neighbours are."""
        height, width = self.size
        alike, some = self.alike(1), "" if self._all_known else " that vary"
        told = (
            f"neighbours{some} correlate with {number(alike)}"
            if np.isfinite(alike)
            else f"its {self.why_unknown}, so that nothing correlates"
        )
        count = len(self.channels)
        return (
            f"{self.image}: {height} px high and {width} px wide, {count} "
            f"{'channel' if count == 1 else 'channels'}, {width * height * count:,} numbers; {told}"
        )

    def caption(self) -> str:
        """Say what the three rows and the plots are."""
        side = self.patch.shape[1]
        (row, column), (row_after, column_after) = self.patch_at, self.prepared_at
        grey = (
            " Its three channels are equal, so that one is shown."
            if len(self.channels) == 1
            else ""
        )
        part = ", a part of it" if self.cropped else ""
        return (
            f"An image is numbers. Above, {self.image} and its channels, each from black at 0 to "
            f"its full colour at 255.{grey} In the middle, the {side} x {side} px in the frame "
            f"(rows from {row}, columns from {column}, counted from 0; {self.chosen}), and the "
            "numbers that they are. Below, what the network is given: "
            f"{self.provenance.preprocessing}; and {side} x {side} of its "
            f"numbers around the same point (rows from {row_after}, columns from {column_after}), "
            f"{self._colours()}; where it says middle, more numbers would be too small to be read. "
            "On the right, how often each value occurs in the whole photo and "
            f"in what the network is given{part}, with mean and standard deviation; and Pearson's "
            "correlation of each pixel with one further to the right or below, the mean over "
            f"{'channels' if self._all_known else 'the channels that vary'}{self._alike()}."
        )

    def _alike(self) -> str:
        """Say how alike neighbours are, as far as they are."""
        own, mixed = (
            float(mean_of_known(each[:, :, 1], (0, 1)))
            for each in (self.correlations, self.shuffled_correlations)
        )
        if not own > _ALIKE:
            return ""
        left = (
            ", and hardly anything is left of it once the pixels are shuffled"
            if abs(mixed) < own / 4
            else ""
        )
        return f": neighbours are much alike, which a small kernel makes use of{left}"

    def _colours(self) -> str:
        low, high = self.scale
        if low < 0.0 < high:
            reach = max(-low, high)
            return f"blue below zero and red above it, to {number(reach)} at both ends"
        return f"dark at {number(low)} and light at {number(high)}"

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw channels, matrices, histograms and correlations."""
        from cnnviz.views.pictures.pixels import draw

        return draw(self, into)


@bounded
def pixels(
    model: Model | nn.Module,
    images: Images,
    *,
    patch: Annotated[tuple[int, int] | None, Within(0, 10**9)] = None,
    side: Annotated[int, Within(2, MOST_CELLS)] = 8,
    seed: Seed = 0,
) -> Pixels:
    """Show an image as the computer sees it, before and after the network's own preprocessing.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network that the image is prepared for; it is not run.
    images : image
        One image, as every function takes it.
    patch : (int, int), optional
        The left column and the upper row, counted from 0, of the patch whose numbers are shown, in
        pixels of the photo; by default the patch whose pixels vary most, in the middle half of
        what the network sees.
    side : int
        Pixels of a side of the patch, 2 to 16.
    seed : int
        The seed of the order in which pixels are shuffled.

    Returns
    -------
    Pixels

    Raises
    ------
    UsageError
        If there are several images, the patch lies outside of the photo, or `side` or `seed` cannot
        be.
    ImageError
        If the image cannot be read.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> cnnviz.pixels(model, photo).summary().split(";")[0]
    'image 0: 96 px high and 96 px wide, 3 channels, 27,648 numbers'
    """
    model = as_model(model)
    check_takes_images(model, "pixels")
    batch = model.prepare(images)
    if len(batch) > 1:
        raise UsageError(f"One image is shown, and {len(batch)} are given.", "Give one.")
    photo, after = batch.photos[0], batch.tensor[0].float().cpu().numpy()
    before = _channels_of(photo)
    side = min(side, *before.shape[1:], *after.shape[1:])
    (row, column), how = _patch_of(photo, batch.boxes[0], side, patch)
    row_after, column_after = _same_place(batch, (row, column), side, after.shape[1:])
    distances = distances_of(photo.height, photo.width)
    edges = np.histogram_bin_edges(after, _BINS)
    return Pixels(
        provenance=_provenance(model, batch, seed),
        image=photo.name,
        photo=photo.pixels,
        seen=model.preprocessing.invert(batch.tensor[0]),
        channels=COLOURS if len(before) == 3 else ("grey",),
        prepared_channels=channel_names(model, len(after)),
        size=(photo.height, photo.width),
        prepared_size=(after.shape[1], after.shape[2]),
        patch=before[:, row : row + side, column : column + side],
        prepared_patch=after[:, row_after : row_after + side, column_after : column_after + side],
        patch_at=(row, column),
        chosen=how,
        prepared_at=(row_after, column_after),
        histogram=np.stack([np.bincount(each.ravel(), minlength=256) for each in before]),
        prepared_histogram=np.stack([np.histogram(each, edges)[0] for each in after]),
        prepared_edges=edges.astype(np.float64),
        means=before.mean((1, 2), dtype=np.float64),
        deviations=before.std((1, 2), dtype=np.float64),
        prepared_means=after.mean((1, 2), dtype=np.float64),
        prepared_deviations=after.std((1, 2), dtype=np.float64),
        distances=np.array(distances),
        correlations=neighbour_correlations(before, distances),
        shuffled_correlations=neighbour_correlations(shuffled(before, seed), distances),
        scale=(float(after.min()), float(after.max())),
        box=batch.boxes[0],
    )


def _provenance(model: Model, batch: Batch, seed: int) -> Provenance:
    return replace(origin(model, batch), seed=seed)


def _channels_of(photo: Photo) -> NDArray[np.uint8]:
    """Return the channels of a photo, [3, H, W], or the one that all of them are."""
    every = photo.pixels.transpose(2, 0, 1)
    same = all(np.array_equal(every[0], other) for other in every[1:])
    return every[:1] if same else every


def _patch_of(
    photo: Photo, box: PhotoBox, side: int, wanted: tuple[int, int] | None
) -> tuple[tuple[int, int], str]:
    """Return the upper row and left column of the patch that is shown, and how it was chosen."""
    if wanted is not None:
        column, row = wanted
        if not (0 <= row <= photo.height - side and 0 <= column <= photo.width - side):
            raise UsageError(
                f"The patch of {side} x {side} px at {column}, {row} is not in the photo, which "
                f"is {photo.height} px high and {photo.width} px wide.",
                "Give its left column and upper row, counted from 0.",
            )
        return (row, column), "as asked"
    part, (left, top) = box.cut(photo.pixels)
    of = "what the network is given"
    if min(part.shape[:2]) < side:
        part, left, top, of = photo.pixels, 0, 0, "the photo"
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    rows, columns = (middle_half(length) for length in grey.shape)
    middle = grey[rows, columns]
    if min(middle.shape) >= side and middle.min() < middle.max():
        # At the edge of a photo is what lies behind, and padding is near.
        grey, left, top = middle, left + columns.start, top + rows.start
        of = f"the middle half of {of}"
    row, column = busiest_window(grey, side)
    return (row + top, column + left), f"where pixels vary most in {of}"


def _same_place(
    batch: Batch, at: tuple[int, int], side: int, shape: tuple[int, ...]
) -> tuple[int, int]:
    """Return where in the network's input the patch with the same middle begins."""
    box = batch.boxes[0]
    shares = (
        (at[0] + side / 2 - box.top) / box.height,
        (at[1] + side / 2 - box.left) / box.width,
    )
    row, column = (
        min(max(round(share * length - side / 2), 0), length - side)
        for share, length in zip(shares, shape, strict=True)
    )
    return row, column
