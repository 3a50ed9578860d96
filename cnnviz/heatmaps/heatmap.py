"""Maps of evidence over photos: the result of every method that says where a network looked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.heatmaps import array_heatmaps, map_words, photo_heatmaps
from cnnviz.heatmaps.heatmap_sheet import draw_heatmaps, sheet_layout
from cnnviz.heatmaps.map_boxes import BOX_THRESHOLD, check_threshold, map_box
from cnnviz.heatmaps.photo_fields import PhotoFields as PhotoFields
from cnnviz.heatmaps.photo_fields import photo_fields as photo_fields
from cnnviz.heatmaps.settings import MapSettings
from cnnviz.heatmaps.stretching import stretch, stretch_over_box
from cnnviz.images import PhotoBox
from cnnviz.passes.photo_answers import PhotoAnswer
from cnnviz.results import drawing
from cnnviz.results.array_pictures import shown_slices, slice_noun, spread_slices
from cnnviz.results.contact_sheet import MARKS, PAGE, page_title
from cnnviz.results.result import Result
from cnnviz.results.space import VOLUME, Space, space_of
from cnnviz.results.text import layer_said, number, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LARGE = 4
"""Photos that are drawn large, one below the other; more are drawn as a contact sheet."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Heatmap(Result):
    """Maps of where the evidence for a target lies, for one or several layers.

    Attributes
    ----------
    method : str
        The method's name, as it is asked for.
    title : str
        The method's name, as it is written.
    layers : tuple of str
        The L layers, in the order asked for.
    maps : tuple of ndarray of float32
        For each layer the signed maps of the N images, [N, h, w], at the layer's own size and in
        the method's own unit; of signals [N, l], of volumes [N, d, h, w].
    images : tuple of str
        The names of the N photos.
    photos : tuple of ndarray of uint8
        The photos, each [H, W, 3] in its own size; of a signal or a volume a small picture of it.
    boxes : tuple of PhotoBox
        The part of each photo that the network saw.
    targets : tuple of str
        What was explained, for each photo.
    clip_percentile : float
        The percentile of a map's sizes at which the colours end; 100 is the largest.
    notes : tuple of str
        What was measured on the way, such as a completeness error, in sentences.
    doubts : tuple of str
        Why a map must not be read as evidence, such as a score that is the same for every image, in
        sentences that name the image; empty where nothing was found.
    marks : tuple of tuple of str
        The same in a few words for each map, as they stand in its picture, [L][N]; empty where
        nothing was found.
    relu : bool
        Whether only the evidence for the target counts, in drawings and in measures; the maps keep
        both signs. See `shown`.
    target_classes : tuple of int or None
        The index of the class that was explained, for each photo; None where it was not exactly
        one class. Empty where nothing is known of it.
    explains_class : bool
        Whether the maps depend on what was explained; False for a method that asks for no class.
    settings : MapSettings, optional
        How the maps were made, enough to make them again; None where that is not known.
    answers : tuple of PhotoAnswer
        What the network answers to each photo beside its label; empty where no label is known.
    page : str
        Which photos of how many these are, where they are one page of several.
    asked_boxes : tuple of (float, float, float, float) or None
        The box of a detector that was explained of each photo, left, top, right and bottom in its
        pixels, and drawn on it; None where it was something else. Empty where there is none.
    inputs : tuple of ndarray of float32
        The signals [C, L] or volumes [C, D, H, W]; empty where these are photos.
    rates : tuple of float or None
        Of each signal the samples a second, None where they are not known; empty for photos.
    axis_names : tuple of str
        What rows and columns are, where these are spectrograms, which are drawn with the first row
        below; empty otherwise.
    """

    left_out: ClassVar[tuple[str, ...]] = ("photos", "inputs")
    derived: ClassVar[tuple[str, ...]] = ("scales",)

    method: str
    title: str
    layers: tuple[str, ...]
    maps: tuple[NDArray[np.float32], ...]
    images: tuple[str, ...]
    photos: tuple[NDArray[np.uint8], ...]
    boxes: tuple[PhotoBox, ...]
    targets: tuple[str, ...]
    relu: bool
    clip_percentile: float = 100.0
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    marks: tuple[tuple[str, ...], ...] = ()
    target_classes: tuple[int | None, ...] = ()
    explains_class: bool = True
    settings: MapSettings | None = None
    answers: tuple[PhotoAnswer, ...] = ()
    page: str = ""
    asked_boxes: tuple[tuple[float, float, float, float] | None, ...] = ()
    inputs: tuple[NDArray[np.float32], ...] = ()
    rates: tuple[float | None, ...] = ()
    axis_names: tuple[str, ...] = ()

    def shown(self, layer: str | None = None) -> NDArray[np.float32]:
        """Return the maps of one layer as they are drawn and measured, [N, h, w].

        With `relu` evidence against the target is zero, at the layer's own size and so before
        anything is stretched (Selvaraju et al. 2017, equation 2): clipped afterwards, it would have
        eaten into the edges of the evidence for it. Without, they are the signed maps.
        """
        return evidence(self.maps[self._place(layer)], relu=self.relu)

    def on_photo(self, image: int = 0, layer: str | None = None) -> NDArray[np.float32]:
        """Return one map as it is drawn, at the size of its photo, [H, W].

        The map that `shown` returns is stretched bilinearly over the part of the photo that the
        network saw; outside of it the values are NaN. Over a signal or a volume it is stretched in
        the same way along each axis, [L] or [D, H, W].
        """
        if self.inputs:
            return stretch(self.shown(layer)[image], self.inputs[image].shape[1:])
        height, width = self.photos[image].shape[:2]
        return stretch_over_box(self.shown(layer)[image], self.boxes[image], height, width)

    def peak(self, image: int = 0, layer: str | None = None) -> tuple[int, ...]:
        """Return the row and column of the pixel of the photo that is drawn brightest.

        Of a signal it is the sample, of a volume slice, row and column.

        Of a map with one value everywhere, such as one without evidence for the target, it is the
        first pixel that the network saw, and means nothing.
        """
        values = self.on_photo(image, layer)
        return tuple(map(int, np.unravel_index(np.nanargmax(values), values.shape)))

    def box(
        self, image: int = 0, layer: str | None = None, *, threshold: float = BOX_THRESHOLD
    ) -> PhotoBox:
        """Return the box that a map draws around its object, in pixels of the photo.

        It is the one around the largest connected piece of the evidence above a part of its maximum
        (Zhou et al. 2016, section 3.2); of a map without evidence it has no size.

        Parameters
        ----------
        image : int
            Which image.
        layer : str, optional
            Which layer; by default the last.
        threshold : float
            The part of the maximum, above 0, up to 1.

        Raises
        ------
        UsageError
            If the threshold is no such part, or this is a map of a signal or a volume.
        """
        check_threshold(threshold)
        return map_box(self.evidence_on_photo(image, layer), threshold)

    def evidence_on_photo(self, image: int = 0, layer: str | None = None) -> NDArray[np.float32]:
        """Return the evidence for the target at the size of the photo, [H, W]; 0 where it saw none.

        Raises
        ------
        UsageError
            If this is a map of a signal or a volume.
        """
        if self.inputs:
            raise UsageError(
                f"A box is drawn in a photo, and this is a map of a {self.space.noun}.",
                "Take on_photo(), which has its values.",
            )
        positive = evidence(self.maps[self._place(layer)][image], relu=True)
        height, width = self.photos[image].shape[:2]
        return np.nan_to_num(stretch_over_box(positive, self.boxes[image], height, width), nan=0.0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the signed maps by layer name."""
        return {f"map {layer}": maps for layer, maps in zip(self.layers, self.maps, strict=True)}

    def summary(self) -> str:
        """Say what was explained, by what method and at which layers."""
        one = len(self.layers) == 1
        shown = layer_said(self.layers[0]) if one else f"{len(self.layers)} layers"
        shown = "the input" if self.layers == ("input",) else shown
        first = f"{self.title} for {self.targets[0]!r} at {shown}"
        rest = len(self.images) - 1
        return first + (f", and {plural(rest, f'more {self.space.noun}')}" if rest else "")

    def remarks(self) -> tuple[str, ...]:
        """Return also why a map must not be read as evidence."""
        return (*super().remarks(), *self.doubts)

    def caption(self) -> str:
        """Say what the colours mean and how far to read them."""
        seen = self._how_seen("; the maps are drawn on it.")
        ends = (
            f" Colours end at the {self.clip_percentile:g}th percentile of its sizes, and what "
            "lies beyond has the colour of the end."
            if self.clip_percentile < 100.0
            else ""
        )
        if any(box is not None for box in self.asked_boxes) and not self._on_sheet:
            seen += " The box in the photo is the one that is explained."
        if self.axis_names:
            seen += (
                " The input is grey, from its least value to its greatest; its first row is below."
            )
        seen += self._slices_told() + array_heatmaps.spectrograms_told(self)
        measured = "".join(f" {note}" for note in (*self.notes, *self.doubts))
        return (
            f"{self.title}: {map_words.colours_told(self)} Each map has its own "
            f"scale, printed above it.{ends} A map is as coarse as its layer: the size before "
            f"stretching stands beside the scale.{seen}{measured}"
        )

    def _how_seen(self, end: str) -> str:
        """Say how the photos are shown, and what is marked in them."""
        if self._on_sheet:
            shown = " Of each photo the part that the network saw is shown."
            return shown + (MARKS if self.answers else "")
        if any(photo_heatmaps.has_border(self, place) for place in range(len(self.photos))):
            return f" The frame in the photo is the crop that the network saw{end}"
        return ""

    @property
    def space(self) -> Space:
        """Which axes the maps have."""
        return space_of(self.maps[0].ndim - 1)

    @property
    def slice_noun(self) -> str:
        """What a slice of a volume is called: a frame where it has three channels."""
        return slice_noun(self.inputs[0]) if self.inputs else "slice"

    def _slices_told(self) -> str:
        """Say which slices of each volume are drawn, where these are not all."""
        if not self.inputs or self.space != VOLUME:
            return ""
        counts = dict.fromkeys(each.shape[1] for each in self.inputs)
        told = [shown_slices(spread_slices(n), n, self.slice_noun) for n in counts]
        some = "".join(f" Drawn are {one}." for one in told if one)
        return some + array_heatmaps.darker_told(self)

    def said_of_map(self, image: int, layer: str) -> str:
        """Return the name of a layer with the range and the size of its map."""
        return f"{layer_said(layer)}: {self.extent(image, layer)}"

    def sheets(self, tallest: float = PAGE) -> tuple[Self, ...]:
        """Return the maps of as many photos as a page of so many inches holds, page by page."""
        count = len(self.images)
        if not self._on_sheet:
            return (self,)
        parts = sheet_layout(self).pages(count, tallest)
        return tuple(self.of_images(part, page_title(part, count)) for part in parts)

    def of_images(self, part: slice, page: str = "") -> Self:
        """Return the maps of some of the photos."""
        about = ("images", "photos", "boxes", "targets", "target_classes", "answers")
        each = (*about, "asked_boxes")
        return replace(
            self,
            page=page,
            maps=tuple(maps[part] for maps in self.maps),
            marks=tuple(marks[part] for marks in self.marks),
            **{name: getattr(self, name)[part] for name in each},
        )

    @property
    def _on_sheet(self) -> bool:
        """Whether there are more photos than are drawn large, one below the other."""
        return not self.inputs and (bool(self.page) or len(self.images) > _MOST_LARGE)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw each photo, and beside it its maps on the part that the network saw.

        Of more than a few photos thumbnails are drawn, in rows. Signals and volumes stand one below
        the other.
        """
        if self.inputs:
            return array_heatmaps.draw(self, into)
        if self._on_sheet:
            return draw_heatmaps(self, into)
        return photo_heatmaps.draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Draw the one map of the one photo; the photo as it is is left out."""
        if len(self.images) > 1 or len(self.layers) > 1 or self.inputs:
            super().draw_panel(axes)
        photo_heatmaps.draw_panel(self, axes)

    def scale(self, image: int = 0, layer: str | None = None) -> drawing.Scale:
        """Return the scale of the colours of one map."""
        values = self.shown(layer)[image]
        end = float(np.percentile(np.abs(values), self.clip_percentile))
        if self.relu:
            return drawing.Scale(0.0, end, drawing.HEAT)
        return drawing.Scale(-end, end, drawing.SIGNED)

    def key(self) -> tuple[drawing.Scale, str]:
        """Return what a colour bar shows: the values of a single map, or what several share."""
        clipped = self.clip_percentile < 100.0
        if len(self.layers) == len(self.images) == 1:
            clip = f", to its {self.clip_percentile:g}th percentile" if clipped else ""
            return self.scale(0, self.layers[0]), f"{self.unit}{clip}"
        scale = drawing.Scale(0.0, 1.0, drawing.HEAT)
        if not self.relu:
            scale = drawing.Scale(-1.0, 1.0, drawing.SIGNED)
        end = f"{self.clip_percentile:g}th percentile" if clipped else "maximum"
        return scale, f"share of each map's {end}"

    @property
    def unit(self) -> str:
        """What the values of a map are, in words."""
        return map_words.unit(self)

    def extent(self, image: int, layer: str, *, small: bool = False) -> str:
        """Say what values the colours of one map span, and how coarse it is; `small` is short."""
        scale = self.scale(image, layer)
        said = f"{number(scale.low)} to {number(scale.high)}"
        if scale.constant:
            said = map_words.nothing_told(self)
        size = self.space.map_size(self.maps[self._place(layer)].shape[1:])
        return f"{said}, {size}" if small else f"{said}, a map of {size}"

    @property
    def scales(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """The values at the ends of the colours of each map, low and high, [L][N]."""
        found = [
            [self.scale(image, layer) for image in range(len(self.images))] for layer in self.layers
        ]
        return tuple(tuple((one.low, one.high) for one in scales) for scales in found)

    def _place(self, layer: str | None) -> int:
        return len(self.layers) - 1 if layer is None else self.layers.index(layer)

    def seen(self, image: int, layer: str, longest: int) -> NDArray[np.uint8]:
        """Return the overlay of one map on the part of the photo that the network saw.

        The longer side of the picture is at most `longest` pixels.
        """
        if self.inputs:
            return array_heatmaps.picture(self, image, layer, longest)
        part, corner = self.boxes[image].cut(self.photos[image])
        return photo_heatmaps.overlay(self, part, corner, image, layer, longest)

    def crop(self, image: int, longest: int) -> NDArray[np.uint8]:
        """Return the part of a photo that the network saw, at the size that `seen` has."""
        if self.inputs:
            return array_heatmaps.plain_picture(self, image, longest)
        return drawing.fit(self.boxes[image].cut(self.photos[image])[0], longest)

    def picture(
        self, image: int = 0, layer: str | None = None, longest: int = 1024
    ) -> NDArray[np.uint8]:
        """Return the overlay of one map on its whole photo, [H, W, 3]; `scale` tells its colours.

        Parameters
        ----------
        image : int
            Which image.
        layer : str, optional
            Which layer; by default the last.
        longest : int
            The longer side of the picture in pixels; a larger photo is shrunk to it.
        """
        if self.inputs:
            return array_heatmaps.picture(self, image, layer, longest)
        whole = self.photos[image]
        return photo_heatmaps.overlay(self, whole, (0, 0), image, layer, longest)


def evidence(maps: NDArray[np.float32], *, relu: bool) -> NDArray[np.float32]:
    """Return maps as they are drawn and measured: with `relu` without evidence against."""
    return np.maximum(maps, np.float32(0.0)) if relu else maps
