"""The boxes that a detector finds, as a result: drawn over the photos, and as a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.models import OutputKind
from cnnviz.passes.box_targets import PhotoFrame
from cnnviz.passes.captured import Capture
from cnnviz.results import drawing
from cnnviz.results.contact_sheet import PAGE, page_title
from cnnviz.results.table import Table, TableColumn
from cnnviz.results.text import plural
from cnnviz.views.predicted_classes import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class PredictedBoxes(Predictions):
    """What a detector finds in each image: its k boxes of the highest score, the highest first.

    Where an image has fewer the rest of its row is empty: no name, class -1, and NaN.

    Attributes
    ----------
    names : tuple of tuple of str
        Class names, N x k; empty where an image has fewer boxes.
    classes : ndarray of int
        Class indices, [N, k]; -1 where an image has fewer boxes.
    probabilities : ndarray of float
        The network's own scores of the boxes, [N, k]; NaN where an image has fewer.
    logits, entropy : ndarray of float
        NaN, [N, k] and [N]: a box has neither.
    total : int
        The number of classes.
    boxes : ndarray of float
        Left, top, right and bottom in pixels of the photo, [N, k, 4]; NaN where it has fewer.
    found : tuple of int
        How many boxes the network finds in each image.
    photos : tuple of ndarray of uint8
        The photos, each [H, W, 3] in its own size.
    """

    left_out: ClassVar[tuple[str, ...]] = ("thumbnails", "axes", "photos")

    boxes: NDArray[np.float64]
    found: tuple[int, ...]
    photos: tuple[NDArray[np.uint8], ...]

    def shown_of(self, place: int) -> int:
        """Return how many boxes of an image are shown."""
        return min(self.found[place], int(self.classes.shape[1]))

    def summary(self) -> str:
        """Say the best box of the first image, and how many boxes and images there are."""
        first = f"{self.images[0]}: nothing found"
        if self.found[0]:
            best = f"{self.names[0][0]} {self.said(0, 0)}"
            first = f"{self.images[0]}: {best}, of {plural(self.found[0], 'box', 'boxes')}"
        rest = len(self.images) - 1
        return first + (f", and {plural(rest, 'more image')}" if rest else "")

    def caption(self) -> str:
        """Say which boxes are drawn, and what their scores are."""
        most, shown = max(self.found, default=0), self.classes.shape[1]
        extent = "every box that the network finds"
        if most > shown:
            extent = f"the {plural(shown, 'box', 'boxes')} of the highest score in each photo"
        return (
            f"The answer: {extent}, each with its class and the network's own score for it. Boxes "
            "that the network itself drops are not among them. A high score is a confident "
            "network, which is not the same as a right one."
        )

    def table(self) -> Table:
        """Return a row for each box of each image, the highest score first."""
        corners = [TableColumn(name, "px") for name in ("left", "top", "right", "bottom")]
        columns = [*map(TableColumn, ("image", "rank", "class", "index", "score")), *corners]
        rows = [
            (
                image,
                rank + 1,
                self.names[place][rank],
                self.classes[place, rank],
                self.probabilities[place, rank],
                *self.boxes[place, rank],
            )
            for place, image in enumerate(self.images)
            for rank in range(self.shown_of(place))
        ]
        return Table.of(columns, rows)

    def sheets(self, tallest: float = PAGE) -> tuple[Predictions, ...]:
        """Return the boxes in as many photos as a page of so many inches holds, by page."""
        from cnnviz.views.pictures.predicted_boxes import pages

        parts, count = pages(self, tallest), len(self.images)
        if len(parts) == 1:
            return (self,)
        return tuple(self._of(part, page_title(part, count)) for part in parts)

    def _of(self, part: slice, page: str) -> PredictedBoxes:
        own = {name: getattr(self, name)[part] for name in ("boxes", "found", "photos")}
        return replace(self, **vars(super()._of(part, page)) | own)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the boxes over each photo."""
        from cnnviz.views.pictures.predicted_boxes import draw

        return draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Draw the boxes over the one photo."""
        from cnnviz.views.pictures.predicted_boxes import draw_photo

        if len(self.images) > 1:
            super().draw_panel(axes)
        draw_photo(axes, self, 0)


def boxes_of(capture: Capture, k: int) -> PredictedBoxes:
    """Return the k boxes of the highest score that a detector finds in each image."""
    reading = capture.model.reading
    assert reading is not None
    count = len(capture.detections)
    found = tuple(map(len, capture.detections))
    shown = min(k, max(found, default=0))
    scores, boxes = np.full((count, shown), np.nan), np.full((count, shown, 4), np.nan)
    classes = np.full((count, shown), -1, np.int64)
    for n, one in enumerate(capture.detections):
        order = one.scores.double().cpu().sort(descending=True, stable=True).indices[:shown]
        held = len(order)
        frame = PhotoFrame.of(capture.batch, n)
        boxes[n, :held] = frame.to_photo(one.boxes.cpu()[order]).numpy()
        scores[n, :held] = one.scores.double().cpu()[order].numpy()
        classes[n, :held] = one.labels.cpu()[order].numpy()
    return PredictedBoxes(
        provenance=capture.provenance,
        images=tuple(photo.name for photo in capture.batch.photos),
        names=tuple(
            tuple(reading.name(index) if index >= 0 else "" for index in row)
            for row in classes.tolist()
        ),
        classes=classes,
        probabilities=scores,
        logits=np.full(scores.shape, np.nan),
        entropy=np.full(count, np.nan),
        total=reading.classes,
        rule="as given",
        kind=OutputKind.BOXES,
        boxes=boxes,
        found=found,
        photos=tuple(photo.pixels for photo in capture.batch.photos),
    )
