"""The answers of a network as a result: its most probable classes, drawn as bars or on sheets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.models import OutputKind
from cnnviz.models.output_kinds import told_guess
from cnnviz.passes.photo_answers import PhotoAnswer
from cnnviz.passes.ranked_classes import Rule
from cnnviz.results import drawing
from cnnviz.results.contact_sheet import MARKS, PAGE, page_title
from cnnviz.results.space import IMAGE, space_of
from cnnviz.results.table import Table, TableResult
from cnnviz.results.text import percent, plural, shortened
from cnnviz.views.pictures.predictions import draw_bars, draw_predictions, sheet_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PHOTO, _BARS = 1.9, 6.0
"""Inches of a photo and of its bars, from left to right."""
MOST_PANELS = 6
"""Images that get bars of their own; of more a contact sheet is drawn."""
_WORDS = {
    OutputKind.LABELS: "labels",
    OutputKind.LOGIT: "answers",
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
    axes : int
        How many axes the inputs have: 1 for signals, 2 for images, 3 for volumes.
    """

    left_out: ClassVar[tuple[str, ...]] = ("thumbnails", "axes")

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
    axes: int = IMAGE.axes

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
        said = self.said(0, 0)
        if self.kind == OutputKind.CLASS_MAP:
            said = f"on {said} of the map"
        first = f"{self.images[0]}: {self.names[0][0]} {said}"
        rest = len(self.images) - 1
        return first + (f", and {plural(rest, f'more {space_of(self.axes).noun}')}" if rest else "")

    def caption(self) -> str:
        """Say what the bars are, and whether what the output means is a guess."""
        shown = self.classes.shape[1]
        what = _WORDS.get(self.kind, "classes")
        extent = f"the {shown} {_FIRST.get(self.kind, 'most probable')} of {self.total} {what}"
        if shown >= self.total:
            extent = f"all {self.total} {what}" if self.total > 1 else f"the one {what[:-1]}"
        marks = MARKS if self.on_sheet and self.answers else ""
        return (
            f"The answer: {extent}, with {self._rule()}.{self._warning()}{self.guess_told()}{marks}"
        )

    def guess_told(self) -> str:
        """Say that what the output means is a guess, where it is one."""
        return f" {told_guess(self.kind, self.guess)}" if self.guess else ""

    def _rule(self) -> str:
        if self.rule == "sigmoid" and self.kind == OutputKind.LABELS:
            return "the sigmoid of each, since each may be right by itself"
        if self.rule == "none":
            return {
                OutputKind.CLASS_MAP: "the share of the positions of the map at which each is the "
                "answer; the map itself is not drawn",
                OutputKind.EMBEDDING: "their sizes; it means something beside other embeddings",
            }.get(
                self.kind,
                "no probability: they are quantities"
                if self.total > 1
                else "no probability: it is a quantity",
            )
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
        """Draw a bar for each class beside its photo; of many images thumbnails in rows."""
        if self.on_sheet:
            return draw_predictions(self, into)
        count, shown = self.classes.shape
        columns = min(count, 2)
        rows = -(-count // columns)
        beside = bool(self.thumbnails) and self.axes == IMAGE.axes
        wide = [_PHOTO, _BARS] if beside else [_BARS]
        figure = drawing.canvas(sum(wide) * columns, (0.34 * shown + 0.9) * rows, into)
        panels = figure.subplots(
            rows, len(wide) * columns, squeeze=False, width_ratios=wide * columns
        ).reshape(rows * columns, len(wide))
        for panel in panels[count:].ravel():
            panel.set_axis_off()
        for place, row in enumerate(panels[:count]):
            if beside:
                drawing.show(row[0], self.thumbnails[place], smooth=True)
            self._bars(row[-1], place)
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
        draw_bars(
            axes,
            values,
            [shortened(name, 34, "end") for name in self.names[place]],
            [self.said(place, row) for row in range(len(values))],
            [drawing.ACCENT] + [drawing.FAINT] * (len(values) - 1),
            axis=self._axis(),
            end=1.0 if self._shares else max(float(np.abs(self.shown).max()), 1e-12),
            low=0.0 if self._shares else min(0.0, float(self.shown.min()) * 1.25),
        )
        axes.set_title(
            shortened(self.images[place], 60),
            loc="left",
            fontsize=drawing.TITLE_SIZE,
            color=drawing.INK,
        )
