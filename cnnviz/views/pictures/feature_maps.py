"""Some feature maps of many photos on one sheet: the same channels of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.results import drawing
from cnnviz.results.array_pictures import upwards
from cnnviz.results.contact_sheet import SheetEntry, SheetLayout, draw_sheet
from cnnviz.results.text import layer_said, plural

if TYPE_CHECKING:
    from cnnviz.views.feature_maps import FeatureMaps

MOST_ON_SHEET = 5
"""Channels that are drawn beside each of several photos."""


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
