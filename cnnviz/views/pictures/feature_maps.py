"""Some feature maps of many photos on one sheet: the same channels of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.results import drawing
from cnnviz.results.array_pictures import upwards
from cnnviz.results.contact_sheet import SheetEntry, SheetLayout, draw_sheet
from cnnviz.results.text import layer_said, plural
from cnnviz.views.pictures.beside_photo import BesidePhoto, beside_photo, room_in

if TYPE_CHECKING:
    from cnnviz.views.feature_maps import FeatureMaps

MOST_ON_SHEET = 5
"""Channels that are drawn beside each of several photos."""
_TITLE, _PHOTO = 0.5, 1.7
"""Inches of the title, and of the width of a photo at least."""


def shared_width(
    found: FeatureMaps,
    into: drawing.Canvas | None,
    own: tuple[float, float],
    key: float,
    *,
    labelled: bool,
) -> BesidePhoto | None:
    """Return how a photo and its maps share a figure whose height is given.

    With so many inches of words below the photo, and maybe a label below each map; `own` is the
    size of the picture where none is given.
    """
    room = None if into is None else room_in(into, _TITLE, own)
    if room is None or not found.shown:
        return None
    height, width = found.maps.shape[1:]
    return beside_photo(
        len(found.shown),
        room,
        tile=(height + 0.2 * labelled * max(height, width)) / width,
        label=0.0,
        photo=found.photo.shape[0] / found.photo.shape[1],
        key=key,
        least=_PHOTO,
    )


def sheet_layout(found: FeatureMaps) -> SheetLayout:
    """Return where everything stands on a sheet of feature maps."""
    return SheetLayout(1 + min(MOST_ON_SHEET, len(found.shown)), 2)


def draw_feature_maps(found: FeatureMaps, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the photos one below the other, each with its maps of the same channels."""
    every = found.every
    drawn = found.shown[:MOST_ON_SHEET]
    images = found.page or plural(len(every), "image")
    title = f"{layer_said(found.layer)}, {len(drawn)} of {len(found.maps)} channels: {images}"
    return draw_sheet([_entry(one, drawn) for one in every], title, into)[0]


def _entry(found: FeatureMaps, channels: tuple[int, ...]) -> SheetEntry:
    tiles = (
        upwards(found.photo, found.axis_names),
        *(found.paint(channel) for channel in channels),
    )
    labels = ("", *(found.label(channel) for channel in channels))
    return SheetEntry(tiles, found.image, labels=labels)
