"""What each channel of a layer responds to in a photo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cnnviz.bounds import Index, Top, bounded
from cnnviz.errors import LayerError, UsageError
from cnnviz.images import axis_names_of, rate_of, values_of
from cnnviz.passes.captured import Capture, check_capture
from cnnviz.results import drawing, mosaics
from cnnviz.results.aligned_numbers import beside_each_other
from cnnviz.results.array_pictures import upwards, upwards_told
from cnnviz.results.contact_sheet import PAGE, page_title
from cnnviz.results.space import IMAGE, Space, space_of
from cnnviz.results.table import Table, TableResult
from cnnviz.results.text import layer_said, listed, number, plural, shown_of, whole_percent
from cnnviz.views.pictures import array_feature_maps
from cnnviz.views.pictures.feature_maps import (
    MOST_ON_SHEET,
    draw_feature_maps,
    shared_width,
    sheet_layout,
)

Order = Literal["peak", "mean", "spread", "index"]

_MEASURES: dict[str, str] = {
    "peak": "largest activation first",
    "mean": "largest mean activation first",
    "spread": "largest standard deviation first",
    "index": "by index",
}
_MOST_LABELLED = 160
_KEY = 1.4
"""Inches that the words below the photo take."""
_TALLEST = 8.0
"""Inches of height at most that the photo and its words take."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FeatureMaps(TableResult):
    """The feature maps of one layer on one photo.

    Attributes
    ----------
    layer, image : str
        The layer, and the name of the photo.
    photo : ndarray of uint8
        What the network saw, [H, W, 3]; of a signal or a volume a small picture of it.
    maps : ndarray of float32
        All channels, [C, h, w], unscaled; of a signal [C, l], of a volume [C, d, h, w].
    order : {"peak", "mean", "spread", "index"}
        How the drawn channels were chosen and sorted.
    shown : tuple of int
        The channels that are drawn, in the order drawn.
    peak, mean, spread : ndarray of float64
        Largest value, mean and standard deviation of each map, [C].
    sparsity : ndarray of float64
        The fraction of each map's positions that are zero or below, [C].
    dead : ndarray of bool
        Whether a channel has one and the same value at every position of every captured image, [C].
    images : int
        The number of captured images that `dead` was judged on.
    others : tuple of FeatureMaps
        The same layer on the other captured photos, with the same channels drawn.
    page : str
        Which photos of how many these are, where they are one page of several.
    values : ndarray of float32 or None
        The signal [C, L] or the volume [C, D, H, W] that the network saw; None for a photo.
    rate : float or None
        Samples a second of the signal; None where they are not known.
    axis_names : tuple of str
        What rows and columns are, where these are spectrograms, which are drawn with the first row
        below; empty otherwise.
    """

    derived: ClassVar[tuple[str, ...]] = ("mean_sparsity",)

    layer: str
    image: str
    photo: NDArray[np.uint8]
    maps: NDArray[np.float32]
    order: Order
    shown: tuple[int, ...]
    peak: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    sparsity: NDArray[np.float64]
    dead: NDArray[np.bool_]
    images: int
    others: tuple[FeatureMaps, ...] = ()
    page: str = ""
    values: NDArray[np.float32] | None = None
    rate: float | None = None
    axis_names: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[FeatureMaps, ...]:
        """The maps on each photo, each by itself."""
        return (replace(self, others=(), page=""), *self.others)

    @property
    def space(self) -> Space:
        """Which axes the maps have."""
        return space_of(self.maps.ndim - 1)

    @property
    def signed(self) -> bool:
        """Whether any map goes below zero, so that the colours need a middle."""
        return bool((self.maps < 0).any())

    @property
    def extent(self) -> str:
        """How many of the channels are shown, in words."""
        return shown_of(len(self.shown), len(self.maps), "channel")

    @property
    def mean_sparsity(self) -> float:
        """The fraction of all positions that are zero or below."""
        return float(self.sparsity.mean())

    @property
    def _dead_said(self) -> str:
        """What the dead channels are, in words: one value everywhere may be a response."""
        responds = bool((self.peak[self.dead] > 0.0).any())
        return "with one value everywhere" if responds else "without any response"

    @property
    def quiet_said(self) -> str:
        """What positions without a response are, in words: behind a ReLU none is below zero."""
        return "zero or below" if self.signed else "zero"

    def summary(self) -> str:
        """Say how many maps of what size there are, how sparse, and how many show nothing."""
        count, *size = self.maps.shape
        return (
            f"{layer_said(self.layer)}: {plural(count, 'map')} of {self.space.map_size(size)}, "
            f"{whole_percent(self.mean_sparsity)} of positions {self.quiet_said}, "
            f"{int(self.dead.sum())} {self._dead_said}"
        )

    def caption(self) -> str:
        """Say what is drawn, how it is scaled, and what is left out."""
        extent = self.extent
        colours = (
            "red is above zero, blue below, and white is zero"
            if self.signed
            else "bright is strong"
        )
        dead = np.flatnonzero(self.dead).tolist()
        noun = "photo" if self.space == IMAGE else self.space.noun
        where = f"on this {noun}" if self.images == 1 else f"on all {self.images} {noun}s"
        said = f"{self._dead_said[0].upper()}{self._dead_said[1:]}"
        lost = f" {said} {where}: {listed(list(map(str, dead)), 12)}." if dead else ""
        place = "below it"
        if self.space != IMAGE:
            colours = array_feature_maps.how(self)
        elif self._on_sheet:
            drawn = min(MOST_ON_SHEET, len(self.shown))
            extent, place = (
                f"{drawn} of {len(self.maps)} channels, the same on all photos",
                "above them",
            )
        return (
            f"Feature maps of {layer_said(self.layer)}: {extent}, {_MEASURES[self.order]}. Each "
            "map has its "
            f"own scale: {place} stand its channel and its largest value, and {colours}.{lost}"
            f"{upwards_told(self.axis_names)}"
        )

    def table(self) -> Table:
        """Return a row for each channel: what its map holds, and whether it is dead.

        Of several photos each has such rows, and the first column names it.
        """
        columns = ("channel", "peak", "mean", "spread", "sparsity", "dead")
        if not self.others:
            return Table.of(columns, self._rows())
        rows = [(one.image, *row) for one in self.every for row in one._rows()]
        return Table.of(("image", *columns), rows)

    def _rows(self) -> list[tuple[Any, ...]]:
        channels = range(len(self.maps))
        found = (self.peak, self.mean, self.spread, self.sparsity, self.dead)
        return list(zip(channels, *found, strict=True))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array by its name, and the maps on the other photos."""
        others = {f"maps {place}": one.maps for place, one in enumerate(self.others, 1)}
        return {**super().arrays(), **others}

    @property
    def _on_sheet(self) -> bool:
        return bool(self.others or self.page)

    def sheets(self, tallest: float = PAGE) -> tuple[FeatureMaps, ...]:
        """Return the maps on as many photos as a page of so many inches holds, page by page."""
        if not self.others:
            return (self,)
        every = self.every
        parts = sheet_layout(self).pages(len(every), tallest)
        return tuple(
            replace(
                every[part.start],
                others=every[part][1:],
                page=page_title(part, len(every)) if len(parts) > 1 else "",
            )
            for part in parts
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the photo and the grid of maps; of several photos some of the maps of each."""
        if self.space != IMAGE:
            return array_feature_maps.draw(self, into)
        if self._on_sheet:
            return draw_feature_maps(self, into)
        grid = self._grid()
        height, width = grid.pixels.shape[:2]
        across = 8.4
        beside = 1.7 * self.photo.shape[0] / self.photo.shape[1] + _KEY
        grown = min(16.0, across * height / width)
        # A narrow photo is drawn smaller, as a whole, rather than the figure longer.
        down = max(min(beside, _TALLEST), grown)
        own = across + 2.0, down + 0.5
        figure = drawing.canvas(*own, into)
        labelled = len(self.shown) <= _MOST_LABELLED
        shared = shared_width(self, into, own, _KEY, labelled=labelled)
        if shared is not None:
            grid = self._grid(shared.columns)
        widths = shared.ratios if shared else (1.7, across)
        photo, maps = figure.subplots(1, 2, width_ratios=widths)
        drawing.show(photo, upwards(self.photo, self.axis_names), smooth=True)
        photo.set_anchor("N")
        photo.set_xlabel(self._key(), fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left")
        drawing.show(maps, grid.pixels)
        maps.set_anchor("NW")
        if labelled:
            labels = [self.label(channel) for channel in self.shown]
            mosaics.label_tiles(maps, grid, labels, 7.5 if grid.columns <= 8 else 6.5)
        drawing.heading(figure, self.summary())
        return figure

    def _key(self) -> str:
        """Say beside the maps what they are, for a picture that is shown without its caption."""
        lines = [f"{self.extent},", _MEASURES[self.order]]
        if len(self.shown) <= _MOST_LABELLED:
            lines += ["", "below each map: its channel,", "and its largest value"]
        colours = ["red: above zero, blue: below"] if self.signed else ["bright: strong"]
        return "\n".join(
            ["what the network saw", "", *lines, "", *colours, "each on its own scale"]
        )

    def label(self, channel: int) -> str:
        """Say which channel it is, and the largest value of its map: of all shown to one place."""
        if self.dead[channel]:
            # A constant may be one above zero, as that of a photo of one colour is.
            value = float(self.peak[channel])
            return f"{channel}: all {number(value)}" if value > 0.0 else f"{channel}: none"
        value = float(self.peak[channel])
        largest = float(np.abs(self.peak[list(self.shown)]).max()) if self.shown else value
        return f"{channel}: {beside_each_other([value, largest])[0]}"

    def _grid(self, columns: int | None = None) -> mosaics.Mosaic:
        labelled = len(self.shown) <= _MOST_LABELLED
        side = 96 if len(self.shown) <= 64 else 48
        tiles = [drawing.fit(self.paint(channel), 2 * side) for channel in self.shown]
        side = max(side, tiles[0].shape[0])
        return mosaics.mosaic(
            np.stack(tiles), columns=columns, side=side, labels=round(0.2 * side) * labelled
        )

    def paint(self, channel: int) -> drawing.Pixels:
        """Return the map of a channel in colours, on a scale of its own."""
        values = self.maps[channel]
        scale = drawing.Scale.of(values)
        if self.signed and not scale.constant:
            scale = drawing.Scale.signed(values)
        return upwards(scale.paint(values), self.axis_names)


@bounded
def feature_maps(
    capture: Capture,
    layer: str | None = None,
    top: Top = 64,
    *,
    image: Index | None = None,
    order: Order = "peak",
) -> FeatureMaps:
    """Return the feature maps of a captured layer.

    Parameters
    ----------
    capture : Capture
        A capture that holds the layer.
    layer : str, optional
        The layer's name, ``name#1`` for the second call of a layer; by default the last captured
        one that holds a map of the image.
    top : int
        How many maps to draw; 0 draws all.
    image : int, optional
        Which of the captured images to show, by default all; the channels are chosen by the mean
        of the measure over them. Of signals and volumes one is shown, by default the first.
    order : {"peak", "mean", "spread", "index"}
        The measure that sorts the maps and chooses which are drawn.

    Returns
    -------
    FeatureMaps
        The maps of all channels; only the drawing is limited.

    Raises
    ------
    LayerError
        If the layer was not captured, or its output is no map of the image.
    UsageError
        If an argument is out of range.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> capture = cnnviz.capture(model, photo, layers="features.4")
    >>> cnnviz.feature_maps(capture, "features.4").summary().split(",")[0]
    'features.4: 96 maps of 24 x 24'
    """
    check_capture(capture, "feature_maps")
    _check(capture, image, order)
    name = layer if layer is not None else _last(capture)
    capture.check_map(name)
    every = capture.activation_maps(name).float().cpu().numpy()
    space = capture.model.space
    # Signals and volumes are drawn one at a time.
    places = range(len(every)) if image is None and space == IMAGE else [image or 0]
    measures = [_measures(every[place]) for place in places]
    ranked = np.mean([each[order] for each in measures], axis=0)
    shown = np.argsort(-ranked, kind="stable")[: top or every.shape[1]]
    dead = np.ptp(np.moveaxis(every, 1, 0).reshape(every.shape[1], -1), axis=1) == 0.0
    photos = capture.batch.photos
    found = [
        FeatureMaps(
            provenance=capture.provenance,
            layer=name,
            image=photos[place].name,
            photo=capture.model.preprocessing.invert(capture.batch.tensor[place]),
            maps=every[place],
            order=order,
            shown=tuple(int(channel) for channel in shown),
            peak=each["peak"],
            mean=each["mean"],
            spread=each["spread"],
            sparsity=(every[place] <= 0).reshape(every.shape[1], -1).mean(1, dtype=np.float64),
            dead=dead,
            images=len(every),
            values=values_of(photos[place]),
            rate=rate_of(photos[place]),
            axis_names=axis_names_of(capture.model.preprocessing),
        )
        for place, each in zip(places, measures, strict=True)
    ]
    return replace(found[0], others=tuple(found[1:]))


def _measures(maps: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Return what each map of one photo is ranked by, [C]."""
    places = tuple(range(1, maps.ndim))
    return {
        "peak": maps.max(places).astype(np.float64),
        "mean": maps.mean(places, dtype=np.float64),
        "spread": maps.std(places, dtype=np.float64),
        "index": -np.arange(len(maps), dtype=np.float64),
    }


def _check(capture: Capture, image: int | None, order: Any) -> None:
    if image is not None:
        capture.check_image(image)
    if order not in _MEASURES:
        raise UsageError(
            f"Maps cannot be ordered by {order!r}.", f"Order them by {', '.join(_MEASURES)}."
        )


def _last(capture: Capture) -> str:
    names = list(capture.activations)
    if not names:
        raise LayerError(
            "This capture holds no layer.",
            "Capture some, such as layers='conv'.",
            option="Name one with --layer.",
        )
    # One without a map of the image is refused where it is named, and not where nothing is.
    return (*names, *capture.mapped())[-1]
