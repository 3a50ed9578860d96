"""The answer of a segmentation network as a result: a map of classes beside each image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.contact_sheet import PAGE, page_title
from cnnviz.results.text import dimensions, plural
from cnnviz.views.predicted_classes import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class PredictedMaps(Predictions):
    """What a segmentation network answers: the most probable class of every position of an image.

    Attributes
    ----------
    names : tuple of tuple of str
        The k classes that most of each map shows, N x k; of few that are there, also such as are
        nowhere, whose share is 0.
    probabilities, entropy : ndarray of float
        NaN, [N, k] and [N]: every position has its own.
    logits : ndarray of float
        The share of the positions of the map at which each class is the answer, [N, k].
    maps : ndarray of int32
        The index of the most probable class, [N, h, w], at the positions that the network answers
        for: as many as its output has, which may be fewer than the pixels of the image.
    """

    left_out: ClassVar[tuple[str, ...]] = ("thumbnails", "axes")

    maps: NDArray[np.int32]

    def present(self, place: int) -> int:
        """Return how many classes the map of an image shows."""
        return len(np.unique(self.maps[place]))

    def drawn(self, place: int) -> int:
        """Return how many of the k classes an image has: those that its map shows."""
        return int((self.logits[place] > 0.0).sum())

    def caption(self) -> str:
        """Say what the map and the bars are, and what of the map has no colour of its own."""
        further = any(self.present(place) > self.drawn(place) for place in range(len(self.images)))
        most = f"the {self.classes.shape[1]} that most of it shows have a colour"
        rest = f" Of the classes of a map {most}; grey is what the others fill." if further else ""
        positions = dimensions(self.maps.shape[1:])
        return (
            "The answer: beside what the network saw of each image the most probable of "
            f"{plural(self.total, 'class', 'classes')} at each of {positions} positions. The bars, "
            f"in the colours of the map, are shares of these positions.{rest} A share is no "
            f"probability: how sure the network is at a position is not shown.{self.guess_told()}"
        )

    @property
    def on_sheet(self) -> bool:
        """Never: thumbnails have no room for the names of the colours."""
        return False

    def sheets(self, tallest: float = PAGE) -> tuple[Predictions, ...]:
        """Return the maps of as many images as a page of so many inches holds, by page."""
        from cnnviz.views.pictures.predicted_maps import HEIGHT

        count, most = len(self.images), max(1, int(tallest / HEIGHT))
        if count <= most:
            return (self,)
        parts = [slice(begin, min(begin + most, count)) for begin in range(0, count, most)]
        return tuple(self._of(part, page_title(part, count)) for part in parts)

    def _of(self, part: slice, page: str) -> PredictedMaps:
        return replace(self, **vars(super()._of(part, page)) | {"maps": self.maps[part]})

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw each image, its map of classes and a bar for each class of it."""
        from cnnviz.views.pictures.predicted_maps import draw

        return draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Draw the map of the one image, with the names of its classes below it."""
        from cnnviz.views.pictures.predicted_maps import draw_alone

        if len(self.images) > 1:
            super().draw_panel(axes)
        draw_alone(axes, self)
