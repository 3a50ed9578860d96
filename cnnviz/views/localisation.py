"""From a heatmap to a box: a threshold, the largest connected piece, and the box somebody drew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.bounds import Within, bounded
from cnnviz.datasets.annotated_boxes import AnnotatedBox, box_between, check_on_photo, read_boxes
from cnnviz.datasets.listed_files import LISTS
from cnnviz.errors import UsageError
from cnnviz.heatmaps.checks.localisation import (
    ENOUGH,
    Located,
    Mark,
    boxes_of,
    boxes_of_class,
    locate,
    pixels_of,
)
from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.heatmaps.map_boxes import BOX_THRESHOLD, BOX_THRESHOLDS
from cnnviz.images import PhotoBox
from cnnviz.images.paths import expand
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.captured import Capture, check_capture
from cnnviz.results import drawing
from cnnviz.results.contact_sheet import PAGE
from cnnviz.results.intervals import alike
from cnnviz.results.progress import Progress, silent
from cnnviz.results.table import Table, TableResult
from cnnviz.results.text import number, plural, there_are
from cnnviz.views.cam import Method, cam

ROWS = 4
"""Photos on a page."""
_FILES = (*LISTS, ".json", ".xml")


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ObjectLocalisation(TableResult):
    """The box that each map draws around its object, beside the annotated one.

    Attributes
    ----------
    heatmap : Heatmap
        The maps of N photos at one layer.
    threshold : float
        The part of a map's maximum from which on it counts as the object.
    boxes : tuple of PhotoBox
        The box around the largest connected piece of each map, in pixels of its photo; of no size
        where there is no evidence.
    annotated : tuple of tuple of PhotoBox
        The boxes that somebody drew in each photo; none where they are not known.
    peaks : ndarray of int64
        Row and column of the largest value of each map, [N, 2].
    overlaps : ndarray of float64
        The intersection over union with the annotated box that is met best, [N]; NaN without one.
    pointing : ndarray of float64
        1 where the largest value lies on an annotated object, which is all of its box or the pixels
        of its mask, 0 where not, [N]; where several places share it, the part of them that does, as
        for a map without evidence. NaN without an annotation.
    energy : ndarray of float64
        The share of the evidence on the annotated objects, [N]; NaN without one.
    thresholds : tuple of float
        Other thresholds, T of them.
    overlaps_at : ndarray of float64
        The overlap at each of these, [N, T].
    """

    derived: ClassVar[tuple[str, ...]] = ("found", "enough")

    heatmap: Heatmap
    threshold: float
    boxes: tuple[PhotoBox, ...]
    annotated: tuple[tuple[PhotoBox, ...], ...]
    peaks: NDArray[np.int64]
    overlaps: NDArray[np.float64]
    pointing: NDArray[np.float64]
    energy: NDArray[np.float64]
    thresholds: tuple[float, ...]
    overlaps_at: NDArray[np.float64]

    @property
    def found(self) -> tuple[bool | None, ...]:
        """Whether each box overlaps the annotated one by half; None without one."""
        return tuple(None if math.isnan(one) else bool(one >= ENOUGH) for one in self.overlaps)

    @property
    def enough(self) -> float:
        """The overlap at which a box counts as found, 0.5."""
        return ENOUGH

    def best(self, image: int) -> tuple[float, float]:
        """Return the threshold with the largest overlap in one photo, and that overlap."""
        place = int(np.argmax(np.nan_to_num(self.overlaps_at[image], nan=-1.0)))
        return self.thresholds[place], float(self.overlaps_at[image, place])

    def summary(self) -> str:
        """Say the first box, and how many are found."""
        box = self.boxes[0]
        ends = ", ".join(number(end) for end in (box.left, box.top, box.right, box.bottom))
        drawn = (
            f"box {ends} px (left, top, right, bottom)"
            if box.width
            else "no evidence for it, so no box"
        )
        if box.width and _flat(self.heatmap.maps[0][0]):
            drawn += ", all that was seen, as the map is the same everywhere"
        said = f"{self.heatmap.title} for {self.heatmap.targets[0]!r}: {drawn}"
        if not math.isnan(self.overlaps[0]):
            said += f", overlap {self.overlaps[0]:.2f}"
        known = [one for one in self.found if one is not None]
        if len(self.boxes) == 1:
            return said + (f", {'found' if known[0] else 'not found'}" if known else "")
        if known:
            return f"{said}; {sum(known)} of {plural(len(known), 'box', 'boxes')} found"
        return f"{said}, and {plural(len(self.boxes) - 1, 'more photo')}"

    def remarks(self) -> tuple[str, ...]:
        """Return also why a map must not be read as evidence."""
        return self.heatmap.remarks()

    def caption(self) -> str:
        """Say how a box comes about, and when it counts as found."""
        drawn = (
            "In blue the box around the largest connected piece of the evidence above "
            f"{100 * self.threshold:g}% of its maximum (Zhou et al. 2016), the other pieces are "
            "grey; the cross is the largest value."
        )
        known = [one for one in self.found if one is not None]
        if known:
            drawn += (
                " Dashed in orange is the annotated box. The object counts as found where both "
                f"overlap by {ENOUGH:g} of their union or more (Russakovsky et al. 2015), and as "
                "pointed at where the cross lies on it (Zhang et al. 2016): in its box or, of a "
                "mask, on its pixels. To the "
                "right the overlap at other thresholds: which one is best differs from map to map "
                "and method to method (Choe et al. 2020), and this photo alone is no reason to "
                "choose it."
            )
        without = len(self.boxes) - len(known)
        if known and without:
            drawn += f" {plural(without, 'photo')} without an annotated box in what was seen."
        return " ".join([drawn, *self.heatmap.notes, *self.heatmap.doubts])

    def table(self) -> Table:
        """Return a row for each photo: its box, and how it lies to the annotated one."""
        columns = ("image", "target", "left", "top", "right", "bottom", "overlap", "found")
        rows = []
        for place, box in enumerate(self.boxes):
            best, at_best = self.best(place)
            known = self.found[place] is not None
            sides = (box.left, box.top, box.right, box.bottom) if box.width else (None,) * 4
            rows.append(
                (
                    self.heatmap.images[place],
                    self.heatmap.targets[place],
                    *sides,
                    self.overlaps[place],
                    self.found[place],
                    self.pointing[place],
                    self.energy[place],
                    best if known else None,
                    at_best,
                )
            )
        further = ("pointing", "energy inside", "best threshold", "overlap there")
        return Table.of((*columns, *further), rows)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the maps, the overlaps and the peaks."""
        return {**super().arrays(), **self.heatmap.arrays()}

    def sheets(self, tallest: float = PAGE) -> tuple[ObjectLocalisation, ...]:
        """Return a page for every four photos."""
        count = len(self.boxes)
        if count <= ROWS:
            return (self,)
        return tuple(self._of(slice(start, start + ROWS)) for start in range(0, count, ROWS))

    def _of(self, part: slice) -> ObjectLocalisation:
        each = ("boxes", "annotated", "peaks", "overlaps", "pointing", "energy", "overlaps_at")
        kept: dict[str, Any] = {name: getattr(self, name)[part] for name in each}
        return replace(self, heatmap=self.heatmap.of_images(part), **kept)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw each photo with its boxes, its map, the pieces, and the overlap by threshold."""
        from cnnviz.views.pictures.localisation import draw

        return draw(self, into)


def _flat(values: NDArray[np.float32]) -> bool:
    """Whether a map points nowhere: nothing but rounding tells its places apart."""
    return bool(alike(values.min(), values.max()))


@bounded
def localisation(
    capture: Capture,
    layer: str | None = None,
    method: Method = "gradcam",
    *,
    boxes: str | Sequence[Mark] | None = None,
    threshold: Annotated[float, Within(0.0, 1.0, above=True)] = BOX_THRESHOLD,
    progress: Progress = silent,
) -> ObjectLocalisation:
    """Return the box that a class activation map draws around its object.

    Parameters
    ----------
    capture : Capture
        A capture with gradients of photos.
    layer : str, optional
        The layer; as for `cam` by default.
    method : str
        The method of the map, as for `cam`.
    boxes : str or sequence, optional
        Where the objects are: four numbers with commas, left, top, right and bottom in pixels of
        the one photo; or a CSV file with the columns path, left, top, right, bottom, a COCO JSON
        file, or VOC XML. In code for each photo a mask [H, W], a PhotoBox, or a tuple of these.
        Where boxes have labels that are classes of the network, those of what is explained count.
    threshold : float
        The part of a map's maximum from which on it counts as the object.
    progress : callable, optional
        Called as ``progress(done, total, what)`` while channels are tried out.

    Returns
    -------
    ObjectLocalisation

    Raises
    ------
    UsageError
        If the threshold is no part of a maximum, the network takes no photos, or there is not a
        mark for each photo.
    LayerError
        If the layer gives no map of the image.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> capture = cnnviz.capture(model, photo, layers="stages")
    >>> cnnviz.localisation(capture).summary().split(" px")[0]
    "Grad-CAM for 'crescent': box 12, 24, 76, 85"
    """
    check_capture(capture, "localisation")
    check_takes_images(capture.model, "localisation")
    heatmap = cam(capture, layer, method, progress=progress)
    if len(heatmap.layers) > 1:
        raise UsageError("A box is drawn around one map.", "Name one layer.")
    marks = _marks(boxes, heatmap, capture.model.categories)
    _check_on_photos(marks, heatmap)
    annotated = tuple(_drawn_boxes(heatmap, place, mark) for place, mark in enumerate(marks))
    heatmap = _told_unseen(heatmap, marks, annotated)
    found = [_located(heatmap, place, mark, threshold) for place, mark in enumerate(marks)]
    return ObjectLocalisation(
        provenance=heatmap.provenance,
        heatmap=heatmap,
        threshold=threshold,
        boxes=tuple(heatmap.box(place, threshold=threshold) for place in range(len(marks))),
        annotated=annotated,
        peaks=np.array([heatmap.peak(place) for place in range(len(marks))], np.int64),
        overlaps=np.array([one.overlaps[0] for one in found]),
        pointing=np.array([one.pointing for one in found]),
        energy=np.array([one.energy for one in found]),
        thresholds=BOX_THRESHOLDS,
        overlaps_at=np.array([one.overlaps[1:] for one in found]),
    )


def _located(heatmap: Heatmap, image: int, mark: Mark, threshold: float) -> Located:
    inside = pixels_of(mark, heatmap.photos[image].shape[:2])
    values = heatmap.shown()[image]
    return locate(values, heatmap.boxes[image], inside, mark, (threshold, *BOX_THRESHOLDS))


def _told_unseen(
    heatmap: Heatmap, marks: Sequence[Mark], annotated: Sequence[tuple[PhotoBox, ...]]
) -> Heatmap:
    """Note in how many photos an object was marked only where the network did not see."""
    shapes = [photo.shape[:2] for photo in heatmap.photos]
    marked = [pixels_of(mark, shape).any() for mark, shape in zip(marks, shapes, strict=True)]
    unseen = sum(1 for given, seen in zip(marked, annotated, strict=True) if given and not seen)
    if not unseen:
        return heatmap
    where = "the photo" if len(marks) == 1 else f"{unseen} of {len(marks)} photos"
    said = f"In {where} what is annotated lies outside the part that the network saw."
    return replace(heatmap, notes=(*heatmap.notes, said))


def _drawn_boxes(heatmap: Heatmap, image: int, mark: Mark) -> tuple[PhotoBox, ...]:
    inside = pixels_of(mark, heatmap.photos[image].shape[:2])
    seen = np.isfinite(heatmap.on_photo(image))
    return boxes_of(mark, inside & seen) if (inside & seen).any() else ()


def _marks(boxes: Any, heatmap: Heatmap, categories: Sequence[str] | None) -> list[Mark]:
    """Return what marks the objects of each photo; no box where nothing is known of it."""
    count = len(heatmap.images)
    if boxes is None:
        return [()] * count
    if isinstance(boxes, (str, Path)):
        return _named_marks(str(boxes), heatmap, categories)
    given: list[Mark] = [boxes] if isinstance(boxes, PhotoBox) else list(boxes)
    if len(given) != count:
        raise UsageError(
            f"{there_are(len(given), 'mark')} for {plural(count, 'photo')}.", "Give one for each."
        )
    for photo, mark in zip(heatmap.photos, given, strict=True):
        if not isinstance(mark, (PhotoBox, tuple)) and np.shape(mark) != photo.shape[:2]:
            raise UsageError(
                f"A mask has the shape {list(np.shape(mark))}, and its photo "
                f"{list(photo.shape[:2])}.",
                "Give a mask of the photo's own height and width.",
            )
    return given


def _check_on_photos(marks: Sequence[Mark], heatmap: Heatmap) -> None:
    """Refuse boxes that cannot be of their photos."""
    for name, photo, mark in zip(heatmap.images, heatmap.photos, marks, strict=True):
        drawn = (mark,) if isinstance(mark, PhotoBox) else mark
        if isinstance(drawn, tuple):
            check_on_photo(drawn, name, photo.shape[:2])


def _named_marks(text: str, heatmap: Heatmap, categories: Sequence[str] | None) -> list[Mark]:
    path = expand(text)
    if path.suffix.lower() not in _FILES and not path.exists():
        if len(heatmap.images) > 1:
            raise UsageError(
                f"{text!r} is one box for {len(heatmap.images)} photos.",
                "Name a file with the boxes of each.",
            )
        return [box_between(text.split(","), repr(text))]
    known = read_boxes(path)
    classes = heatmap.target_classes or (None,) * len(heatmap.images)
    drawn: list[tuple[AnnotatedBox, ...]] = [
        known.of(name, photo.shape[:2])
        for name, photo in zip(heatmap.images, heatmap.photos, strict=True)
    ]
    if not any(drawn):
        raise UsageError(
            f"{known.name} has no box of {heatmap.images[0]}.",
            "Write the names of the photos in it as they are.",
        )
    return [
        boxes_of_class(own, categories, lambda index=index: index)  # type: ignore[misc]
        for own, index in zip(drawn, classes, strict=True)
    ]
