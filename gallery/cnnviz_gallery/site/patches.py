"""What units respond to: patches of images cut to their receptive field, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from cnnviz.results.drawing import FLAT, Pixels
from cnnviz.units.projection import PartialForward, UnitPosition, cut, project_positions
from cnnviz.units.projection.windows import window_of
from cnnviz.views.pictures.deconvnet import paint
from cnnviz_gallery.scan.layer_result import LayerResult
from cnnviz_gallery.site.image_cache import ImageCache
from cnnviz_gallery.site.sprites import FACE, SIDE, face, tile

STRONGEST, MIDDLE, RANDOM, FACED = 9, 4, 5, 4


@dataclass(frozen=True)
class ExamplePosition:
    """A position of a layer in an image, with the value of a channel there."""

    image: int
    row: int
    column: int
    value: float


@dataclass(frozen=True)
class ChosenExamples:
    """Where the pictures of one unit come from."""

    strongest: tuple[ExamplePosition, ...]
    middle: tuple[ExamplePosition, ...]
    random: tuple[ExamplePosition, ...]

    @property
    def images(self) -> set[int]:
        """Every image that is shown."""
        return {place.image for place in (*self.strongest, *self.middle, *self.random)}


def choose(layer: LayerResult, channel: int) -> ChosenExamples:
    """Return which patches a unit's page shows; of images above zero only, for the strongest."""
    strongest = tuple(
        _place(layer, "strongest", channel, at)
        for at in range(min(STRONGEST, layer.strongest.count))
        if layer.strongest.images[channel, at] >= 0
    )
    there = [at for at in range(layer.sample.count) if layer.sample.images[channel, at] >= 0]
    return ChosenExamples(
        strongest=strongest,
        middle=tuple(_place(layer, "sample", channel, at) for at in layer.middle(channel, MIDDLE)),
        random=tuple(_place(layer, "sample", channel, at) for at in there[:RANDOM]),
    )


def _place(layer: LayerResult, kind: str, channel: int, at: int) -> ExamplePosition:
    picks = layer.strongest if kind == "strongest" else layer.sample
    return ExamplePosition(
        int(picks.images[channel, at]),
        int(picks.rows[channel, at]),
        int(picks.columns[channel, at]),
        float(picks.values[channel, at]),
    )


class PatchCutter:
    """Cuts patches for the units of one layer, and sends the units back to the pixels."""

    def __init__(self, images: ImageCache, passage: PartialForward) -> None:
        self.images, self.passage = images, passage
        height, width = images.shape[1:]
        self._size = (height, width)

    def patches(self, places: Sequence[ExamplePosition], side: int = SIDE) -> list[Pixels]:
        """Return the receptive field of each place as a square tile, grey outside the image."""
        if not places:
            return []
        windows = [
            window_of(self.passage.field, self._size, place.row, place.column) for place in places
        ]
        pixels = [self.images.pixels(place.image) for place in places]
        return [tile(each, side) for each in cut(pixels, windows, FLAT)]

    def face(self, places: Sequence[ExamplePosition]) -> Pixels:
        """Return the picture that stands for a unit in its layer: its strongest patches."""
        active = [place for place in places[:FACED] if place.value > 0.0]
        return face(self.patches(active, FACE), FACE)

    def projections(
        self, units: Sequence[tuple[int, Sequence[ExamplePosition]]]
    ) -> list[list[Pixels | None]]:
        """Return what each unit (channel, places) sends back to the pixels, as square tiles.

        By deconvnet (Zeiler and Fergus 2013). A unit that is not above zero sends nothing back,
        which is a plain grey tile; of what is not finite there is no tile.
        """
        used = sorted({place.image for _, places in units for place in places})
        at = {image: row for row, image in enumerate(used)}
        picks = [
            UnitPosition(at[place.image], channel, place.row, place.column)
            for channel, places in units
            for place in places
        ]
        if not picks:
            return [[] for _ in units]
        with torch.inference_mode(False):
            found = project_positions(self.passage, self.images.tensors(used), picks)
        tiles = iter(
            [
                tile(paint(signal)) if known else None
                for signal, known in zip(found.signals, found.known, strict=True)
            ]
        )
        return [[next(tiles) for _ in places] for _, places in units]
