"""What a network answers: its most probable classes, or the boxes that it finds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from cnnviz.models import OutputKind
from cnnviz.models.output_kinds import WORDS
from cnnviz.models.outputs import NORMALISED, Reading, class_scores, read_output
from cnnviz.passes.box_targets import PhotoFrame
from cnnviz.passes.captures import Capture
from cnnviz.passes.photo_answers import PhotoAnswer, photo_answers
from cnnviz.passes.ranked_classes import Rule, check_k, entropy, probabilities
from cnnviz.results import drawing
from cnnviz.results.contact_sheet import MARKS, PAGE, page_title
from cnnviz.results.table import Table, TableColumn, TableResult
from cnnviz.results.text import percent, plural, shortened
from cnnviz.views.pictures.predictions import THUMBNAIL, draw_predictions, sheet_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 6
"""Images that get bars of their own; of more a contact sheet is drawn."""
_WORDS = {
    OutputKind.LABELS: "labels",
    OutputKind.VALUE: "values",
    OutputKind.EMBEDDING: "components",
}
_FIRST = {
    OutputKind.VALUE: "first",
    OutputKind.EMBEDDING: "largest",
    OutputKind.CLASS_MAP: "most frequent",
}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Predictions(TableResult):
    """What a network answers to each image: its k most probable classes, most probable first.

    A network that returns values answers with the first k of them, an embedding with its k largest
    components, and a map of classes with the k classes that it shows most of.

    Attributes
    ----------
    images : tuple of str
        The names of the N images.
    names : tuple of tuple of str
        Class names, N x k.
    classes : ndarray of int
        Class indices, [N, k].
    probabilities : ndarray of float
        Probabilities from 0 to 1, [N, k]; NaN where the output holds none.
    logits : ndarray of float
        The network's output for these classes, [N, k], before a softmax or sigmoid inside it; or
        the values, the components, or the share of the positions that a class has in a map.
    entropy : ndarray of float
        Entropy of the whole distribution of each image in bits, [N]: 0 is certain, log2 of the
        number of classes is a blind guess. NaN where there is no distribution, as of labels.
    total : int
        The number of classes, labels, values or components.
    rule : str
        How outputs became probabilities: "softmax", "sigmoid", "as given" where the network's
        own last layer makes probabilities, or "none".
    kind : OutputKind
        What the output means.
    guess : str
        That the kind is a guess, and of what; empty where it is known.
    answers : tuple of PhotoAnswer
        The first answer to each photo beside its label; empty where no label is known.
    thumbnails : tuple of ndarray of uint8
        What the network saw of each photo, small, [h, w, 3].
    page : str
        Which images of how many these are, where they are one page of several.
    """

    left_out: ClassVar[tuple[str, ...]] = ("thumbnails",)

    images: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    classes: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    logits: NDArray[np.float64]
    entropy: NDArray[np.float64]
    total: int
    rule: Rule
    kind: OutputKind = OutputKind.CLASSES
    guess: str = ""
    answers: tuple[PhotoAnswer, ...] = ()
    thumbnails: tuple[NDArray[np.uint8], ...] = ()
    page: str = ""

    @property
    def shown(self) -> NDArray[np.float64]:
        """What is ranked and drawn, [N, k]: probabilities, or what there is in place of them."""
        return self.logits if self.rule == "none" else self.probabilities

    def said(self, place: int, rank: int) -> str:
        """Return one answer in words: a percentage, or a number with its own digits."""
        value = float(self.shown[place, rank])
        return percent(value) if self._shares else f"{value:.4g}"

    def share(self, place: int, rank: int) -> float:
        """Return the length of the bar of one answer, 0 to 1."""
        longest = 1.0 if self._shares else max(float(np.abs(self.shown[place]).max()), 1e-12)
        return abs(float(self.shown[place, rank])) / longest

    def summary(self) -> str:
        """Say the first answer for the first image, and how many more there are."""
        first = f"{self.images[0]}: {self.names[0][0]} {self.said(0, 0)}"
        rest = len(self.images) - 1
        return first + (f", and {plural(rest, 'more image')}" if rest else "")

    def caption(self) -> str:
        """Say what the bars are, and whether what the output means is a guess."""
        shown = self.classes.shape[1]
        what = _WORDS.get(self.kind, "classes")
        extent = f"the {shown} {_FIRST.get(self.kind, 'most probable')} of {self.total} {what}"
        if shown >= self.total:
            extent = f"all {self.total} {what}" if self.total > 1 else f"the one {what[:-1]}"
        guess = f" That the output is {WORDS[self.kind]} is {self.guess}." if self.guess else ""
        marks = MARKS if self.on_sheet and self.answers else ""
        return f"The answer: {extent}, with {self._rule()}.{self._warning()}{guess}{marks}"

    def _rule(self) -> str:
        if self.rule == "sigmoid" and self.kind == OutputKind.LABELS:
            return "the sigmoid of each, since each may be right by itself"
        if self.rule == "none":
            return {
                OutputKind.CLASS_MAP: "the share of the positions of the map at which each is the "
                "answer",
                OutputKind.EMBEDDING: "their sizes; it means something beside other embeddings",
            }.get(self.kind, "no probability: they are quantities")
        return {
            "softmax": "the softmax over all classes",
            "sigmoid": "the sigmoid of the single output",
            "as given": "the network's own probabilities",
        }[self.rule]

    def _warning(self) -> str:
        if self.rule == "none":
            return ""
        return " A long first bar is a confident network, which is not the same as a right one."

    def table(self) -> Table:
        """Return a row for each class of each image, the most probable first.

        Where labels are known, the last column is that of the image.
        """
        columns = ("image", "rank", "class", "index", "probability", "logit")
        rows = [
            (image, rank + 1, name, *numbers)
            for image, names, *several in zip(
                self.images, self.names, self.classes, self.probabilities, self.logits, strict=True
            )
            for rank, (name, *numbers) in enumerate(zip(names, *several, strict=True))
        ]
        if not self.answers:
            return Table.of(columns, rows)
        labels = [one.truth or None for one in self.answers for _ in self.names[0]]
        labelled = [(*row, label) for row, label in zip(rows, labels, strict=True)]
        return Table.of((*columns, "label"), labelled)

    @property
    def on_sheet(self) -> bool:
        """Whether there are more images than get bars of their own."""
        return bool(self.thumbnails) and (bool(self.page) or len(self.images) > MOST_PANELS)

    def sheets(self, tallest: float = PAGE) -> tuple[Predictions, ...]:
        """Return the answers to as many images as a page of so many inches holds, by page."""
        count = len(self.images)
        if not self.on_sheet:
            return (self,)
        parts = sheet_layout(self).pages(count, tallest)
        return tuple(self._of(part, page_title(part, count)) for part in parts)

    def _of(self, part: slice, page: str) -> Predictions:
        each = ("images", "names", "classes", "probabilities", "logits", "entropy", "answers")
        held = {name: getattr(self, name)[part] for name in (*each, "thumbnails")}
        return replace(self, page=page, **held)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw a bar for each class, one panel an image; of many images thumbnails in rows."""
        if self.on_sheet:
            return draw_predictions(self, into)
        count, shown = self.classes.shape
        columns = min(count, 2)
        rows = -(-count // columns)
        figure = drawing.canvas(6.0 * columns, (0.34 * shown + 0.9) * rows, into)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel in panels[count:]:
            panel.set_axis_off()
        for place, panel in enumerate(panels[:count]):
            self._bars(panel, place)
        return figure

    def draw_panel(self, axes: Axes) -> None:
        """Draw the bars of the one image."""
        if len(self.images) > 1:
            super().draw_panel(axes)
        self._bars(axes, 0)

    @property
    def _shares(self) -> bool:
        return self.rule != "none" or self.kind == OutputKind.CLASS_MAP

    def _axis(self) -> str:
        if self.rule != "none":
            return "probability"
        return "share of the map" if self.kind == OutputKind.CLASS_MAP else "value"

    def _bars(self, axes: Axes, place: int) -> None:
        values = self.shown[place]
        rows = np.arange(len(values))
        end = 1.0 if self._shares else max(float(np.abs(self.shown).max()), 1e-12)
        low = 0.0 if self._shares else min(0.0, float(self.shown.min()) * 1.25)
        colours = [drawing.ACCENT] + [drawing.FAINT] * (len(values) - 1)
        axes.barh(rows, values, color=colours, height=0.62)
        for row, value in enumerate(values):
            # A bar past four fifths leaves no room behind it.
            inside = value > 0.8 * end
            axes.text(
                value - 0.01 * end if inside else max(value, 0.0) + 0.01 * end,
                row,
                self.said(place, row),
                va="center",
                ha="right" if inside else "left",
                fontsize=drawing.TEXT_SIZE,
                color="white" if inside and row == 0 else drawing.INK,
            )
        axes.set_yticks(rows, [shortened(name, 34, "end") for name in self.names[place]])
        axes.tick_params(axis="y", length=0, labelcolor=drawing.INK)
        axes.invert_yaxis()
        axes.set_xlim(low, end)
        axes.set_xlabel(self._axis(), fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
        drawing.plain_axes(axes)
        axes.tick_params(axis="y", labelsize=drawing.TEXT_SIZE, labelcolor=drawing.INK)
        axes.spines["left"].set_visible(False)
        axes.set_title(
            shortened(self.images[place], 60, "end"),
            loc="left",
            fontsize=drawing.TITLE_SIZE,
            color=drawing.INK,
        )


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class PredictedBoxes(Predictions):
    """What a detector finds in each image: its k boxes of the highest score, the highest first.

    Where an image has fewer the rest of its row is empty: no name, class -1, and NaN.

    Attributes
    ----------
    boxes : ndarray of float
        Left, top, right and bottom in pixels of the photo, [N, k, 4].
    found : tuple of int
        How many boxes the network finds in each image.
    photos : tuple of ndarray of uint8
        The photos, each [H, W, 3] in its own size.
    """

    left_out: ClassVar[tuple[str, ...]] = ("thumbnails", "photos")

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
            f"The answer: {extent}, with its class and the network's own score for it. Boxes below "
            "the detector's own threshold are not among them. A high score is a confident network, "
            "which is not the same as a right one."
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

    def contents(self) -> dict[str, Any]:
        """Return what the JSON holds: of each image the boxes that it has."""
        shown = map(self.shown_of, range(len(self.images)))
        return {
            **super().contents(),
            "boxes": [boxes[:count] for boxes, count in zip(self.boxes, shown, strict=True)],
        }

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


def predictions(capture: Capture, k: int = 5) -> Predictions:
    """Return the most probable classes of each image, or the boxes that a detector finds.

    Parameters
    ----------
    capture : Capture
        A capture with logits, or of a detector.
    k : int
        How many classes or boxes to show; all, where there are fewer.

    Returns
    -------
    Predictions
        Of a detector `PredictedBoxes`, which draws them over the photo.

    Raises
    ------
    TargetError
        If the network's output is of no known kind.
    UsageError
        If `k` is below 1.
    """
    check_k(k)
    if capture.detects:
        return _boxes(capture, k)
    scores, model = capture.logits, capture.model
    reading = read_output(model, scores)
    numbers = _numbers(reading, scores)
    if numbers is not None:
        return _without_probabilities(capture, reading, numbers, k)
    found = capture.predictions(k)
    shares, rule = probabilities(model, scores)
    single = reading.kind != OutputKind.LABELS
    return Predictions(
        provenance=capture.provenance,
        images=tuple(photo.name for photo in capture.batch.photos),
        names=tuple(tuple(answer.name for answer in row) for row in found),
        classes=np.array([[answer.index for answer in row] for row in found]),
        probabilities=np.array([[answer.probability for answer in row] for row in found]),
        logits=np.array([[answer.logit for answer in row] for row in found]),
        entropy=entropy(shares).numpy() if single else np.full(len(shares), np.nan),
        total=int(shares.shape[1]),
        rule=rule,
        kind=reading.kind or OutputKind.CLASSES,
        guess=reading.guess,
        answers=photo_answers(capture),
        thumbnails=_thumbnails(capture),
    )


def _thumbnails(capture: Capture) -> tuple[NDArray[np.uint8], ...]:
    photos = zip(capture.batch.photos, capture.batch.boxes, strict=True)
    return tuple(drawing.fit(box.cut(photo.pixels)[0], THUMBNAIL) for photo, box in photos)


def _boxes(capture: Capture, k: int) -> PredictedBoxes:
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


def _numbers(reading: Reading, scores: torch.Tensor) -> torch.Tensor | None:
    """Return what is ranked where there is no probability for each image, [N, K]; None if there is.

    Of a map of classes that is the share of the positions at which each class is the answer.
    """
    exact = scores.detach().cpu().double()
    if reading.kind == OutputKind.CLASS_MAP:
        answers = class_scores(reading, exact).argmax(1).flatten(1)
        one_hot = torch.nn.functional.one_hot(answers, reading.classes)
        return one_hot.double().mean(1)
    if reading.inside == NORMALISED:
        return normalize(exact, dim=1)
    if reading.kind in (OutputKind.VALUE, OutputKind.EMBEDDING):
        return exact.flatten(2).mean(2) if exact.ndim > 2 else exact
    return None


def _without_probabilities(
    capture: Capture, reading: Reading, numbers: torch.Tensor, k: int
) -> Predictions:
    ranked = {
        OutputKind.CLASS_MAP: numbers,
        OutputKind.EMBEDDING: numbers.abs(),
        # Values have an order of their own.
        OutputKind.VALUE: -torch.arange(numbers.shape[1]).expand_as(numbers),
    }[reading.kind or OutputKind.VALUE]
    order = ranked.sort(dim=1, descending=True, stable=True).indices[:, :k]
    held = numbers.gather(1, order).numpy()
    return Predictions(
        provenance=capture.provenance,
        images=tuple(photo.name for photo in capture.batch.photos),
        names=tuple(tuple(reading.name(index) for index in row) for row in order.tolist()),
        classes=order.numpy(),
        probabilities=np.full(held.shape, np.nan),
        logits=held,
        entropy=np.full(len(held), np.nan),
        total=int(numbers.shape[1]),
        rule="none",
        kind=reading.kind or OutputKind.VALUE,
        guess=reading.guess,
        thumbnails=_thumbnails(capture),
    )
