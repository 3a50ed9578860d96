"""What a network answers: its most probable classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.passes.captures import Capture
from cnnviz.passes.ranked_classes import Rule, entropy, probabilities
from cnnviz.results import drawing
from cnnviz.results.table import Table, TableResult
from cnnviz.results.text import percent, plural, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Predictions(TableResult):
    """The k most probable classes of each image, most probable first.

    Attributes
    ----------
    images : tuple of str
        The names of the N images.
    names : tuple of tuple of str
        Class names, N x k.
    classes : ndarray of int
        Class indices, [N, k].
    probabilities : ndarray of float
        Probabilities from 0 to 1, [N, k].
    logits : ndarray of float
        The network's output for these classes, [N, k].
    entropy : ndarray of float
        Entropy of the whole distribution of each image in bits, [N]: 0 is certain, log2 of the
        number of classes is a blind guess.
    total : int
        The number of classes.
    rule : str
        How outputs became probabilities: "softmax", "sigmoid", or "as given" where the network's
        own last layer makes probabilities.
    """

    images: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    classes: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    logits: NDArray[np.float64]
    entropy: NDArray[np.float64]
    total: int
    rule: Rule

    def summary(self) -> str:
        """Say the first answer for the first image, and how many more there are."""
        first = f"{self.images[0]}: {self.names[0][0]} {percent(self.probabilities[0, 0])}"
        rest = len(self.images) - 1
        return first + (f", and {plural(rest, 'more image')}" if rest else "")

    def caption(self) -> str:
        """Say what the bars are."""
        shown = self.classes.shape[1]
        rules = {
            "softmax": "the softmax over all classes",
            "sigmoid": "the sigmoid of the single output",
            "as given": "the network's own probabilities",
        }
        extent = f"the {shown} most probable of {self.total} classes"
        if shown >= self.total:
            extent = f"all {self.total} classes"
        return (
            f"The answer: {extent}, with {rules[self.rule]}. "
            "A long first bar is a confident network, which is not the same as a right one."
        )

    def table(self) -> Table:
        """Return a row for each class of each image, the most probable first."""
        columns = ("image", "rank", "class", "index", "probability", "logit")
        rows = [
            (image, rank + 1, name, *numbers)
            for image, names, *several in zip(
                self.images, self.names, self.classes, self.probabilities, self.logits, strict=True
            )
            for rank, (name, *numbers) in enumerate(zip(names, *several, strict=True))
        ]
        return Table.of(columns, rows)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw a bar for each class, one panel an image."""
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

    def _bars(self, axes: Axes, place: int) -> None:
        values = self.probabilities[place]
        rows = np.arange(len(values))
        colours = [drawing.ACCENT] + [drawing.FAINT] * (len(values) - 1)
        axes.barh(rows, values, color=colours, height=0.62)
        for row, value in enumerate(values):
            # A bar past four fifths leaves no room behind it.
            inside = value > 0.8
            axes.text(
                value - 0.01 if inside else value + 0.01,
                row,
                percent(value),
                va="center",
                ha="right" if inside else "left",
                fontsize=drawing.TEXT_SIZE,
                color="white" if inside and row == 0 else drawing.INK,
            )
        axes.set_yticks(rows, [shortened(name, 34, "end") for name in self.names[place]])
        axes.tick_params(axis="y", length=0, labelcolor=drawing.INK)
        axes.invert_yaxis()
        axes.set_xlim(0.0, 1.0)
        axes.set_xlabel("probability", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
        drawing.plain_axes(axes)
        axes.tick_params(axis="y", labelsize=drawing.TEXT_SIZE, labelcolor=drawing.INK)
        axes.spines["left"].set_visible(False)
        axes.set_title(
            shortened(self.images[place], 60, "end"),
            loc="left",
            fontsize=drawing.TITLE_SIZE,
            color=drawing.INK,
        )


def predictions(capture: Capture, k: int = 5) -> Predictions:
    """Return the most probable classes of each image.

    Parameters
    ----------
    capture : Capture
        A capture with logits.
    k : int
        How many classes to show; all, where the network has fewer.

    Returns
    -------
    Predictions

    Raises
    ------
    TargetError
        If the network's output is not one row of scores for each image.
    UsageError
        If `k` is below 1.
    """
    found = capture.predictions(k)
    shares, rule = probabilities(capture.logits)
    return Predictions(
        provenance=capture.provenance,
        images=tuple(photo.name for photo in capture.batch.photos),
        names=tuple(tuple(answer.name for answer in row) for row in found),
        classes=np.array([[answer.index for answer in row] for row in found]),
        probabilities=np.array([[answer.probability for answer in row] for row in found]),
        logits=np.array([[answer.logit for answer in row] for row in found]),
        entropy=entropy(shares).numpy(),
        total=int(shares.shape[1]),
        rule=rule,
    )
