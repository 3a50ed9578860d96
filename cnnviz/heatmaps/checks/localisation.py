"""Localisation: whether the map lies on the object, where somebody has marked it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.datasets.annotated_boxes import AnnotatedBox
from cnnviz.errors import UsageError
from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch, Maps
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.heatmap import evidence
from cnnviz.heatmaps.map_boxes import (
    BOX_THRESHOLD,
    BOX_THRESHOLDS,
    bounding_box,
    box_overlap,
    map_box,
)
from cnnviz.heatmaps.stretching import stretch_over_box
from cnnviz.images import PhotoBox
from cnnviz.models.categories import classes_called
from cnnviz.results.known_mean import mean_of_known
from cnnviz.results.text import dimensions, plural, there_are

Mark = NDArray[np.bool_] | PhotoBox | tuple[PhotoBox, ...]
"""An object: its pixels [H, W] in the photo, or the box around it, in pixels of the photo; several
boxes for several objects, of which the one that is met best counts."""
MAX_BOX_FOUND = "max_box_found"
MAX_BOX_TITLE = "box found, best threshold"
ENOUGH = 0.5
"""The overlap at which a box counts as found (Russakovsky et al. 2015)."""


@dataclass(frozen=True, eq=False)
class Localisation:
    """How the maps lie to the marked objects; NaN for an image whose crop shows none of it.

    Attributes
    ----------
    pointing : ndarray of float
        1 where the largest value lies on the object, 0 where not, [N]; where several places share
        it, as all do in a flat map, the part of them that lies on the object.
    energy : ndarray of float
        The share of the evidence for the class that lies on the object, [N].
    overlap : ndarray of float
        The intersection over union of the box around the map and the box around the object, [N].
    area : ndarray of float
        The share of what the network saw that the object covers, [N].
    random_pointing, random_energy, random_overlap : ndarray of float
        Those of the random maps, [N, R].
    thresholds : tuple of float
        The T parts of a map's maximum among which the best is looked for.
    overlaps, random_overlaps : ndarray of float
        The overlap where the box is drawn around what lies above each of these, [N, T], and that of
        the random maps, [N, R, T].
    """

    pointing: NDArray[np.float64]
    energy: NDArray[np.float64]
    overlap: NDArray[np.float64]
    area: NDArray[np.float64]
    random_pointing: NDArray[np.float64]
    random_energy: NDArray[np.float64]
    random_overlap: NDArray[np.float64]
    thresholds: tuple[float, ...]
    overlaps: NDArray[np.float64]
    random_overlaps: NDArray[np.float64]

    def measures(self) -> tuple[Measure, ...]:
        """Return the pointing game, the energy inside, the overlap of boxes and boxes found.

        The last is how many boxes are found at the threshold that finds most of them over all these
        images (MaxBoxAcc of Choe et al. 2020), which each set of random maps chooses for itself.
        """
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
            Measure(
                MAX_BOX_FOUND,
                MAX_BOX_TITLE,
                "high",
                _at_best(_found(self.overlaps)),
                np.stack(
                    [_at_best(_found(one)) for one in self.random_overlaps.swapaxes(0, 1)], axis=1
                ),
            ),
        )

    def at_thresholds(self) -> tuple[Measure, ...]:
        """Return the boxes found at each threshold, of which the best can be chosen later."""
        return tuple(
            Measure(
                found_at(threshold),
                f"box found above {100 * threshold:.0f}%",
                "high",
                _found(self.overlaps[:, place]),
                _found(self.random_overlaps[:, :, place]),
            )
            for place, threshold in enumerate(self.thresholds)
        )


def found_at(threshold: float) -> str:
    """Return the key of the measure of the boxes found at one threshold."""
    return f"box_found_{round(100 * threshold):02d}"


def _at_best(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the column of [N, T] that has the largest mean, the first of several."""
    means = mean_of_known(found, 0)
    best = int(np.argmax(np.nan_to_num(means, nan=-1.0)))
    return np.asarray(found[:, best])


def _found(overlap: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(overlap), (overlap >= ENOUGH).astype(np.float64), np.nan)


def localisation(
    subject: ExplainedBatch, maps: Maps, random: NDArray[np.float32], marks: Sequence[Mark]
) -> Localisation:
    """Compare maps with marked objects, on the photo and inside what the network saw.

    The pointing game is that of Zhang et al. 2016, without their tolerance of 15 pixels; the
    energy inside is that of Wang et al. 2020 (Score-CAM), section 4.2. The box is drawn around the
    largest connected piece of the map above a fifth of its maximum, as Zhou et al. 2016 do. Choe
    et al. 2020 show that this threshold suits some methods better than others, and let each have
    its best one: the boxes found are measured at other thresholds as well. These are parts of the
    maximum, as in Zhou et al., and not of the range between the least and the largest value. Of
    several boxes the one that overlaps most counts.

    Parameters
    ----------
    subject : ExplainedBatch
        The images and classes.
    maps : ndarray of float32
        [N, h, w].
    random : ndarray of float32
        [N, R, h, w].
    marks : sequence of ndarray of bool, PhotoBox or tuple of PhotoBox
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
        thresholds=BOX_THRESHOLDS,
        overlaps=found[:, 0, 3:],
        random_overlaps=found[:, 1:, 3:],
    )


def _one(
    subject: ExplainedBatch, image: int, values: Maps, inside: NDArray[np.bool_], mark: Mark
) -> tuple[float, ...]:
    """Return pointing, energy, the overlap at the usual threshold, and that at each other one."""
    found = locate(
        values, subject.batch.boxes[image], inside, mark, (BOX_THRESHOLD, *BOX_THRESHOLDS)
    )
    return found.pointing, found.energy, *found.overlaps


@dataclass(frozen=True)
class Located:
    """How one map lies to the objects of its photo; NaN where the crop shows none of them.

    Attributes
    ----------
    pointing, energy : float
        As in `Localisation`.
    overlaps : tuple of float
        The overlap of boxes at each threshold.
    """

    pointing: float
    energy: float
    overlaps: tuple[float, ...]


def locate(
    values: Maps,
    crop: PhotoBox,
    inside: NDArray[np.bool_],
    mark: Mark,
    thresholds: Sequence[float],
) -> Located:
    """Compare one map with the objects of its photo.

    Parameters
    ----------
    values : ndarray of float32
        The map, [h, w].
    crop : PhotoBox
        The part of the photo that it lies over.
    inside : ndarray of bool
        The pixels of the photo that the objects cover, [H, W].
    mark : ndarray of bool, PhotoBox or tuple of PhotoBox
        The objects.
    thresholds : sequence of float
        The parts of the map's maximum above which its box is drawn.
    """
    height, width = inside.shape
    heat = stretch_over_box(values, crop, height, width)
    seen = np.isfinite(heat)
    if not (inside & seen).any():
        return Located(math.nan, math.nan, (math.nan,) * len(thresholds))
    heat = np.nan_to_num(heat, nan=-np.inf)
    # A flat map points nowhere: it gets what a blind guess would, the share of the object.
    peaks = heat == heat.max()
    positive = np.nan_to_num(
        stretch_over_box(evidence(values, relu=True), crop, height, width), nan=0.0
    )
    total = float(positive.sum(dtype=np.float64))
    boxes = boxes_of(mark, inside & seen)
    return Located(
        float(inside[peaks].mean()),
        float(positive[inside].sum(dtype=np.float64)) / total if total > 0.0 else 0.0,
        tuple(
            max(box_overlap(map_box(positive, threshold), box) for box in boxes)
            for threshold in thresholds
        ),
    )


def boxes_of_class(
    boxes: Sequence[AnnotatedBox], categories: Sequence[str] | None, explained: Callable[[], Any]
) -> tuple[PhotoBox, ...]:
    """Return the boxes around the objects that are explained.

    Parameters
    ----------
    boxes : sequence of AnnotatedBox
        The boxes of a photo.
    categories : sequence of str, optional
        The classes of the network.
    explained : callable
        Returns the index of the class that is explained, which is asked for where any label is one
        of the classes. Otherwise all boxes count.
    """
    names = tuple(one.label for one in boxes)
    known = classes_called(names, categories) if categories and any(names) else (-1,)
    if max(known) < 0:
        return tuple(one.box for one in boxes)
    wanted = explained()
    return tuple(one.box for one, place in zip(boxes, known, strict=True) if place == wanted)


def boxes_of(mark: Mark, pixels: NDArray[np.bool_]) -> tuple[PhotoBox, ...]:
    """Return the boxes of a mark; of a mask the one around the pixels of it that count."""
    if isinstance(mark, PhotoBox):
        return (mark,)
    return mark if isinstance(mark, tuple) else (bounding_box(pixels),)


def _seen(subject: ExplainedBatch, image: int) -> NDArray[np.bool_]:
    """Return which pixels of the photo have a value when a map is stretched over it."""
    height, width = subject.batch.photos[image].pixels.shape[:2]
    blank = np.zeros((1, 1), np.float32)
    return np.isfinite(stretch_over_box(blank, subject.batch.boxes[image], height, width))


def _pixels(subject: ExplainedBatch, image: int, mark: Mark) -> NDArray[np.bool_]:
    return pixels_of(mark, subject.batch.photos[image].pixels.shape[:2])


def pixels_of(mark: Mark, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the pixels of a photo of this height and width that a mark covers."""
    if not isinstance(mark, (PhotoBox, tuple)):
        return np.asarray(mark, bool)
    height, width = size
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    covered = np.zeros((height, width), bool)
    for box in (mark,) if isinstance(mark, PhotoBox) else mark:
        down = (rows >= box.top) & (rows <= box.bottom)
        across = (columns >= box.left) & (columns <= box.right)
        covered |= down[:, None] & across[None, :]
    return covered


def _check(subject: ExplainedBatch, marks: Sequence[Mark]) -> None:
    photos = subject.batch.photos
    if len(marks) != len(photos):
        raise UsageError(
            f"{there_are(len(marks), 'mask')} for {plural(len(photos), 'image')}.",
            "Give one for each.",
        )
    for photo, mark in zip(photos, marks, strict=True):
        if not isinstance(mark, (PhotoBox, tuple)) and np.shape(mark) != photo.pixels.shape[:2]:
            size = dimensions(photo.pixels.shape[:2])
            raise UsageError(
                f"The mask of {photo.name} has the shape {list(np.shape(mark))}, and the photo "
                f"{size}.",
                "Give a mask of the photo's own height and width.",
            )
        if not isinstance(mark, (PhotoBox, tuple)) and not _is_of_two_values(np.asarray(mark)):
            raise UsageError(
                f"The mask of {photo.name} holds more than zero and one other value.",
                "Give True where the object is: of labels labels == 3, of shares shares > 0.5.",
            )


def _is_of_two_values(mask: NDArray[Any]) -> bool:
    """Whether a mask says of each pixel yes or no, whatever number stands for yes."""
    return mask.dtype == bool or bool(np.isin(mask, (0, mask.max())).all())
