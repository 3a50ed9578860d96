"""Localisation: whether the map lies on the object, where somebody has marked it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch, Maps
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.heatmap import evidence
from cnnviz.heatmaps.stretching import stretch_over_box
from cnnviz.images import PhotoBox
from cnnviz.results.text import dimensions

Mark = NDArray[np.bool_] | PhotoBox
"""An object: its pixels [H, W] in the photo, or the box around it, in pixels of the photo."""
BOX_THRESHOLD = 0.2
"""The part of its maximum that a map must reach to count as the object (Zhou et al. 2016, 3.2)."""
ENOUGH = 0.5
"""The overlap at which a box counts as found (Russakovsky et al. 2015)."""


@dataclass(frozen=True, eq=False)
class Localisation:
    """How the maps lie to the marked objects; NaN for an image whose crop shows none of it.

    Attributes
    ----------
    pointing : ndarray of float
        1 where the largest value lies on the object, 0 where not, [N].
    energy : ndarray of float
        The share of the evidence for the class that lies on the object, [N].
    overlap : ndarray of float
        The intersection over union of the box around the map and the box around the object, [N].
    area : ndarray of float
        The share of what the network saw that the object covers, [N].
    random_pointing, random_energy, random_overlap : ndarray of float
        Those of the random maps, [N, R].
    """

    pointing: NDArray[np.float64]
    energy: NDArray[np.float64]
    overlap: NDArray[np.float64]
    area: NDArray[np.float64]
    random_pointing: NDArray[np.float64]
    random_energy: NDArray[np.float64]
    random_overlap: NDArray[np.float64]

    def measures(self) -> tuple[Measure, ...]:
        """Return the pointing game, the energy inside, the overlap of boxes and boxes found."""
        return (
            Measure("pointing", "pointing game", "high", self.pointing, self.random_pointing),
            Measure("energy_inside", "energy inside", "high", self.energy, self.random_energy),
            Measure("box_overlap", "IoU of boxes", "high", self.overlap, self.random_overlap),
            Measure(
                "box_found",
                "box found (IoU >= 1/2)",
                "high",
                _found(self.overlap),
                _found(self.random_overlap),
            ),
        )


def _found(overlap: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(overlap), (overlap >= ENOUGH).astype(np.float64), np.nan)


def localisation(
    subject: ExplainedBatch, maps: Maps, random: NDArray[np.float32], marks: Sequence[Mark]
) -> Localisation:
    """Compare maps with marked objects, on the photo and inside what the network saw.

    The pointing game is that of Zhang et al. 2016, without their tolerance of 15 pixels; the
    energy inside is that of Wang et al. 2020 (Score-CAM), section 4.2. The box is drawn around the
    largest connected piece of the map above a fifth of its maximum, as Zhou et al. 2016 do. Choe
    et al. 2020 show that this threshold suits some methods better than others; it is not tuned
    here.

    Parameters
    ----------
    subject : ExplainedBatch
        The images and classes.
    maps : ndarray of float32
        [N, h, w].
    random : ndarray of float32
        [N, R, h, w].
    marks : sequence of ndarray of bool or PhotoBox
        One for each image.

    Raises
    ------
    UsageError
        If there is not one mark for each image, or a mask has another size than its photo.
    """
    _check(subject, marks)
    every = np.concatenate([maps[:, None], random], axis=1)
    rows = []
    for image, several in enumerate(every):
        inside = _pixels(subject, image, marks[image])
        rows.append([_one(subject, image, values, inside, marks[image]) for values in several])
    found = np.array(rows)
    seen = [_pixels(subject, image, mark) for image, mark in enumerate(marks)]
    area = np.array([mask[_seen(subject, image)].mean() for image, mask in enumerate(seen)])
    return Localisation(
        pointing=found[:, 0, 0],
        energy=found[:, 0, 1],
        overlap=found[:, 0, 2],
        area=area,
        random_pointing=found[:, 1:, 0],
        random_energy=found[:, 1:, 1],
        random_overlap=found[:, 1:, 2],
    )


def _one(
    subject: ExplainedBatch, image: int, values: Maps, inside: NDArray[np.bool_], mark: Mark
) -> tuple[float, float, float]:
    height, width = inside.shape
    seen = _seen(subject, image)
    if not (inside & seen).any():
        return float("nan"), float("nan"), float("nan")
    crop = subject.batch.boxes[image]
    heat = np.nan_to_num(stretch_over_box(values, crop, height, width), nan=-np.inf)
    # A flat map points nowhere: it gets what a blind guess would, the share of the object.
    peaks = heat == heat.max()
    pointing = float(inside[peaks].mean())
    positive = np.nan_to_num(
        stretch_over_box(evidence(values, relu=True), crop, height, width), nan=0.0
    )
    total = float(positive.sum(dtype=np.float64))
    energy = float(positive[inside].sum(dtype=np.float64)) / total if total > 0.0 else 0.0
    box = mark if isinstance(mark, PhotoBox) else bounding_box(inside & seen)
    return pointing, energy, box_overlap(map_box(positive), box)


def map_box(positive: NDArray[np.float32]) -> PhotoBox:
    """Return the box around the largest connected piece above a fifth of the map's maximum.

    Of a map without positive values it is the box of no size at the corner.
    """
    most = float(positive.max())
    if not most > 0.0:
        return PhotoBox(0.0, 0.0, 0.0, 0.0)
    above = (positive >= BOX_THRESHOLD * most).astype(np.uint8)
    _, _, pieces, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    left, top, width, height, _ = pieces[1 + int(np.argmax(pieces[1:, cv2.CC_STAT_AREA]))].tolist()
    return PhotoBox(float(left), float(top), float(left + width), float(top + height))


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


def _seen(subject: ExplainedBatch, image: int) -> NDArray[np.bool_]:
    """Return which pixels of the photo have a value when a map is stretched over it."""
    height, width = subject.batch.photos[image].pixels.shape[:2]
    blank = np.zeros((1, 1), np.float32)
    return np.isfinite(stretch_over_box(blank, subject.batch.boxes[image], height, width))


def _pixels(subject: ExplainedBatch, image: int, mark: Mark) -> NDArray[np.bool_]:
    if not isinstance(mark, PhotoBox):
        return np.asarray(mark, bool)
    height, width = subject.batch.photos[image].pixels.shape[:2]
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    down = (rows >= mark.top) & (rows <= mark.bottom)
    across = (columns >= mark.left) & (columns <= mark.right)
    return np.asarray(down[:, None] & across[None, :])


def _check(subject: ExplainedBatch, marks: Sequence[Mark]) -> None:
    photos = subject.batch.photos
    if len(marks) != len(photos):
        raise UsageError(
            f"There are {len(marks)} masks for {len(photos)} images.", "Give one for each."
        )
    for photo, mark in zip(photos, marks, strict=True):
        if not isinstance(mark, PhotoBox) and np.shape(mark) != photo.pixels.shape[:2]:
            size = dimensions(photo.pixels.shape[:2])
            raise UsageError(
                f"The mask of {photo.name} has the shape {list(np.shape(mark))}, and the photo "
                f"{size}.",
                "Give a mask of the photo's own height and width.",
            )
